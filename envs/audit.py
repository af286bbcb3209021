"""Known vulnerabilities of the pinned dependencies: `make audit`, and so `make lint`.

Every pin of the locks that a fill runs on is asked about, those of other systems and other Pythons too.
Silence is believed only of a registry that speaks: together with the pins it is asked about two releases that
are known to be vulnerable, one of old and one whose flaw is young. A mirror without such data, one whose data
are old, or no network, makes no audit, and that is said: exit 3. So does a pin that the registry does not
know. With `--lenient`, as `make lint` has it, that is no failure: what lint judges is the code, and a machine
that can reach no such data could never be green. A vulnerability fails in any case: exit 1. Nobody is asked
about the JavaScript of the pages (`make sbom` names it).
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LOCKS = [Path(__file__).with_name(f"{name}.lock") for name in ("requirements", "slurm")]
_PIP_AUDIT = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
# Nothing of ours, never installed. What is told of the first shows that there are data at all, dozens of
# them; of the second, that they go on to February 2026: PYSEC-2026-2320, or CVE-2026-27199. Whether they
# go on to today nobody can tell: take a younger one when the lock is made anew.
CANARY = ("django", "2.2.0")
YOUNG_CANARY = ("werkzeug", "3.1.5")
YOUNG = "February 2026"
NOT_AUDITED = 3
_SECONDS = 600  # a question for each pin; where all are answered at once, 7 s

Pin = tuple[str, str]  # name and version


def main(arguments: list[str]) -> int:
    """Audit every pin and print what is known of them; 1 where something is, 3 where that cannot be told."""
    code = _audited(sorted({pin for lock in LOCKS for pin in pins(lock.read_text())}))
    if code == NOT_AUDITED and "--lenient" in arguments:
        print("audit: lint judges the code and goes on; `make audit` fails here")
        return 0
    return code


def pins(lock: str) -> list[Pin]:
    """The name and version of every pin of *lock*, whatever its marker says."""
    return re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", lock, re.MULTILINE)


def _audited(asked: list[Pin]) -> int:
    """Ask about *asked* and the canaries, print what is known, and give the exit code."""
    try:
        known = {
            pin: flaws
            for part in _parts([*asked, CANARY, YOUNG_CANARY])
            for pin, flaws in _answers(part).items()
        }
    except _NoAnswerError as error:
        print(f"audit: NOTHING WAS AUDITED: the registry gives no answer here ({error})")
        return NOT_AUDITED
    if not known.get(CANARY):
        print("audit: NOTHING WAS AUDITED: the registry here has no vulnerability data (none of an old")
        print(f"audit: {CANARY[0]} that has dozens); `make audit` at the public registry tells")
        return NOT_AUDITED
    unknown = [f"{name} {version}" for name, version in asked if (name, version) not in known]
    bad = [(pin, flaw) for pin in asked for flaw in known.get(pin, ())]
    print(
        f"audit: {len(asked) - len(unknown)} of {len(asked)} pins audited, {len(bad)} known vulnerabilities"
    )
    for (name, version), flaw in bad:
        fixed = ", ".join(flaw.get("fix_versions", ())) or "no release yet"
        print(f"audit: {name} {version}: {flaw['id']}, fixed in {fixed}")
    if unknown:
        print(f"audit: NOT AUDITED, for the registry does not know them: {', '.join(unknown)}")
    if stale := not known.get(YOUNG_CANARY):
        print(
            f"audit: OLD DATA: the registry here knows of no flaw of {' '.join(YOUNG_CANARY)}, published in"
        )
        print(f"audit: {YOUNG}; nobody knows what else it lacks. `make audit` at the public registry tells")
    return 1 if bad else NOT_AUDITED if unknown or stale else 0


class _NoAnswerError(Exception):
    """The tool gave no answer; the text is its reason."""


def _answers(asked: list[Pin]) -> dict[Pin, list[dict]]:
    """The known flaws of each of *asked*, no name twice, that the registry knows; raises `_NoAnswerError`."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        # --disable-pip reads no hash, and --require-hashes wants one: nothing is installed here.
        file.writelines(f"{name}=={version} --hash=sha256:{'0' * 64}\n" for name, version in asked)
        file.flush()
        command = [sys.executable, "-m", "pip_audit", *_PIP_AUDIT, "--requirement", file.name]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            raise _NoAnswerError(f"not within {_SECONDS // 60} minutes") from None
    try:
        told = json.loads(run.stdout)["dependencies"]
        return {(each["name"].lower(), each["version"]): each["vulns"] for each in told if "vulns" in each}
    except (ValueError, KeyError, TypeError):
        reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise _NoAnswerError(f"{reason:.200}") from None


def _parts(asked: list[Pin]) -> list[list[Pin]]:
    """*asked* in parts without a name twice: of some the lock has two releases, by Python."""
    parts: list[dict[str, str]] = []
    for name, version in asked:
        part = next((part for part in parts if name not in part), None)
        if part is None:
            parts.append(part := {})
        part[name] = version
    return [list(part.items()) for part in parts]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
