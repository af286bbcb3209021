"""Known vulnerabilities of the pinned dependencies: `make audit`, and so `make lint`.

Silence is believed only of a registry that speaks: together with the pins it is asked about a release of
old that is known to be vulnerable. A mirror without such data, or no network, makes no audit, and that is
said: exit 3. With `--lenient`, as `make lint` has it, that is no failure: what lint judges is the code, and a
machine that can reach no such data could never be green. A vulnerability fails in any case: exit 1.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LOCK = Path(__file__).with_name("requirements.lock")
_PIP_AUDIT = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
# Nothing of ours, never installed, with dozens of published vulnerabilities; --disable-pip reads no hash.
CANARY = "django"
_CANARY_PIN = f"{CANARY}==2.2.0 --hash=sha256:{'0' * 64}\n"
NOT_AUDITED = 3


def main(arguments: list[str]) -> int:
    """Audit every pin and print what is known of them; 1 where something is, 3 where that cannot be told."""
    unaudited = 0 if "--lenient" in arguments else NOT_AUDITED
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as canary:
        canary.write(_CANARY_PIN)
        canary.flush()
        files = ["--requirement", str(LOCK), "--requirement", canary.name]
        command = [sys.executable, "-m", "pip_audit", *_PIP_AUDIT, *files]
        run = subprocess.run(command, capture_output=True, text=True)
    try:
        answers = {pin["name"].lower(): pin for pin in json.loads(run.stdout)["dependencies"]}
    except (ValueError, KeyError):
        reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"audit: NOTHING WAS AUDITED: the registry gives no answer here ({reason:.200})")
        return unaudited
    if not answers.pop(CANARY, {}).get("vulns"):
        print("audit: NOTHING WAS AUDITED: the registry here has no vulnerability data")
        print(f"audit: (none of an old {CANARY} that has dozens); `make audit` at the public registry tells")
        return unaudited
    return _judged(list(answers.values()), unaudited)


def _judged(pins: list[dict], unaudited: int) -> int:
    """Print what is known of *pins*, and give the exit code."""
    unknown = [pin["name"] for pin in pins if "skip_reason" in pin]
    bad = [(pin, flaw) for pin in pins for flaw in pin.get("vulns", ())]
    print(f"audit: {len(pins) - len(unknown)} of {len(pins)} pins audited, {len(bad)} known vulnerabilities")
    for pin, flaw in bad:
        fixed = ", ".join(flaw.get("fix_versions", ())) or "no release yet"
        print(f"audit: {pin['name']} {pin['version']}: {flaw['id']}, fixed in {fixed}")
    if unknown:
        print(f"audit: NOT AUDITED, for the registry does not know them: {', '.join(unknown)}")
    return 1 if bad else unaudited if unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
