"""The checks of a dossier as the lines of a table, what cost most first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spx_data.quality.catalogue import CHECKS
from spx_data.status import day_report
from spx_data.status.quality import PARTS
from spx_data.text.words import percent

_KNOWN = {check.code: check for check in CHECKS}


def checks(found: Mapping[str, Any], parts: Iterable[str] = PARTS) -> list[dict[str, Any]]:
    """The checks of these *parts* with their meaning and the stamp at which each found most.

    Those that cost points come first, then facts of markets, then those that found nothing.
    """
    most, wanted = day_report.busiest(found["minutes"]), set(parts)
    lines = [_line(check, most.get(check["check"])) for check in found["checks"] if check["part"] in wanted]
    return sorted(lines, key=_rank)


def is_fact(code: str) -> bool:
    """Whether a check tells a fact of markets, which costs no points however often it is found."""
    return code in _KNOWN and _KNOWN[code].ruinous is None


def is_costly(check: Mapping[str, Any]) -> bool:
    """Whether a check of a dossier cost points; what the source always does costs none."""
    return check["score"] is not None and check["score"] < 100 and not check["habit"]


def _line(check: Mapping[str, Any], most: tuple[str, int] | None) -> dict[str, Any]:
    known = _KNOWN.get(check["check"])  # a passport of another version may name others
    return {
        **check,
        "percent": percent(check["hits"] / check["of"]) if check["of"] else None,
        "most": most,
        "costly": is_costly(check),
        "is_fact": is_fact(check["check"]),
        "meaning": known.meaning if known else "",
        "source": known.source if known else "",
        "costs": _costs(known.tolerated, known.ruinous) if known else "",
    }


def _costs(tolerated: float, ruinous: float | None) -> str:
    """From which share to which a check costs points, in words."""
    if ruinous is None:
        return "costs nothing: a fact"
    return f"costs points from {100 * tolerated:g} % on, all of them at {100 * ruinous:g} %"


def _rank(line: Mapping[str, Any]) -> tuple[int, float, float]:
    group = 0 if line["costly"] else 1 if line["hits"] and not line["is_fact"] else 2 if line["hits"] else 3
    return group + (not line["of"]), line["score"] if line["costly"] else 0, -line["hits"]
