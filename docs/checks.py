"""Write the checks into docs/quality.md: a table of each part, between the two markers."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from spx_data.quality.catalogue import CHECKS  # noqa: E402
from spx_data.quality.checks import Check, Part  # noqa: E402

PAGE = ROOT / "docs" / "quality.md"
BLOCK = re.compile(r"(<!-- checks -->\n)(.*?)(<!-- end of checks -->)", re.DOTALL)
_HEAD = "| check | of | found when | costs | source |\n|---|---|---|---|---|"


def drawn() -> str:
    """Every check of the catalogue, part by part."""
    return "\n\n".join(map(_part, Part)) + "\n"


def _part(part: Part) -> str:
    lines = [_line(check) for check in CHECKS if check.part is part]
    return "\n".join([f"### {part.value.capitalize()}\n", _HEAD, *lines])


def _line(check: Check) -> str:
    needs = f" (holds for {' and '.join(check.needs)} alone)" if check.needs else ""
    cells = (f"`{check.code}`", check.unit, check.meaning + needs, _costs(check), check.source)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _costs(check: Check) -> str:
    """From which share of hits on it costs points, and at which none is left."""
    if check.ruinous is None:
        return "nothing: a fact"
    return f"{100 * check.tolerated:g} to {100 * check.ruinous:g} %"


if __name__ == "__main__":
    PAGE.write_text(BLOCK.sub(lambda match: match[1] + drawn() + match[3], PAGE.read_text()))
