"""The README's transcript of `make demo`: the same as what a run prints, but for the moments and the disk.

`make demo | tee printed && python -m docs.transcript printed` tells how they differ, and fails then.
"""

import difflib
import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"```sh\nmake demo\n```\n\n```text\n(.*?)```\n", re.DOTALL)
# It begins behind this command; other commands are no part of it, nor what a make within another says.
_FIRST = re.compile(r"^\S*spx-data .* status --offline$")
_CALL = re.compile(r"^(?:\.venv/bin/|make\[\d+\]: )")
# What another day and another machine has otherwise.
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2} UTC")
_OTHERWISE = re.compile(r"^(?:disk  |warn: output, temp and data|→ Make room)")


def transcript(printed: str) -> list[str]:
    """The lines of a run's output that the README shows."""
    lines = [line.rstrip() for line in printed.splitlines()]
    begin = next((at for at, line in enumerate(lines) if _FIRST.match(line)), len(lines))
    return [line for line in lines[begin + 1 :] if line and not _CALL.match(line)]


def comparable(lines: list[str]) -> list[str]:
    """*lines* without what differs from run to run."""
    return [_MOMENT.sub("… UTC", line.rstrip()) for line in lines if not _OTHERWISE.match(line)]


def difference(printed: str) -> list[str]:
    """How the README's transcript differs from what a run *printed*, line by line."""
    shown = BLOCK.search(README.read_text())
    assert shown, "README.md shows no transcript of `make demo`"
    lines = comparable(shown[1].splitlines()), comparable(transcript(printed))
    return [*difflib.unified_diff(*lines, "README", "demo")]


def main() -> None:
    """Compare them, and end with the difference where there is one."""
    told = difference(Path(sys.argv[1]).read_text())
    if told:
        sys.exit("\n".join(["README.md shows another transcript than `make demo` prints:", *told]))


if __name__ == "__main__":
    main()
