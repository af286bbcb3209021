"""Whether version, changelog and tag agree, and the tag is what stands here: `make release-check`.

CONTRIBUTING.md says in which order a release comes about.
"""

import re
import subprocess
import sys
from pathlib import Path

ENTRY = re.compile(r"^## (\S+) – (.+)$", re.MULTILINE)


def disagreements(version: str, changelog: str, tags: list[str], changed: list[str]) -> list[str]:
    """What of a release does not agree, a line each with its cure.

    *changelog* is the text of CHANGELOG.md, *tags* are those of the commit that is checked out, *changed* the
    files that differ from it.
    """
    found = []
    number, when = ENTRY.findall(changelog)[0] if ENTRY.search(changelog) else ("no version", "")
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
        found.append(f"the version is {version}: expected three numbers, such as 1.2.0")
    if number != version:
        found.append(f"CHANGELOG.md begins with {number}, the version is {version}: bring them together")
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", when):
        found.append(f"CHANGELOG.md says {number} – {when}: give the day of the release, such as 2026-11-28")
    numbered = [tag for tag in tags if tag.startswith("v")]
    if numbered != [f"v{version}"]:
        there = ", ".join(numbered) or "no tag v…"
        found.append(f"this commit has {there}, the version is {version}: git tag v{version}")
    if changed:
        found.append(
            f"{len(changed)} files are not as committed, such as {changed[0]}: commit them, or put them back"
        )
    return found


def _git(*arguments: str) -> list[str]:
    run = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return [line.strip() for line in run.stdout.splitlines()]


def main() -> int:
    """Print what does not agree in the current folder; 1 where something does not."""
    told = "import sys; sys.path.insert(0, 'scripts'); import spx_data; print(spx_data.__version__)"
    asked = [sys.executable, "-c", told]
    version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    found = disagreements(
        version,
        Path("CHANGELOG.md").read_text(encoding="utf-8"),
        _git("tag", "--points-at", "HEAD"),
        _git("status", "--porcelain"),
    )
    for line in found:
        print(f"release: {line}")
    if not found:
        print(f"release: version, changelog and tag agree on {version}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
