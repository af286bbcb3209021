"""What charts of several sections share: one row for each date, by columns.

Moments are UTC to the minute, and None is what is not known: a date that is not sealed has little more than
its name.
"""

from __future__ import annotations

from typing import Any

from spx_data.report.dashboard.view import View
from spx_data.report.page import Columns
from spx_data.status.outliers import Distance
from spx_data.status.performance import Performance
from spx_data.status.quality import Day
from spx_data.text.words import minute

NAME = "dates"

_LOST = 2  # checks that cost points, of those a tooltip names


def columns(view: View) -> Columns:
    """The dates of the lake by columns, oldest first."""
    took = {line.date: line for line in view.performances}
    far = view.outliers
    lines = [
        {"date": one.date.isoformat()}
        | _sealing(took.get(one.date))
        | _worth(view.day_of.get(one.date), far.get(one.date, []))
        for one in view.dates
    ]
    return {name: [line[name] for line in lines] for name in _NAMES}


_SEALING = ("sealed", "mb", "seconds", "rows_a_minute", "memory")
_WORTH = ("score", "verdict", "lost", "spread", "iv", "far")
_NAMES = ("date", *_SEALING, *_WORTH)


def _sealing(line: Performance | None) -> dict[str, Any]:
    """When it was sealed, the megabytes of its Parquet, what that took in seconds and megabytes of memory."""
    if line is None:
        return dict.fromkeys(_SEALING)
    return {
        "sealed": minute(line.sealed_at),
        "mb": _significant(line.bytes / 1e6),
        "seconds": _significant(line.duration_seconds),
        "rows_a_minute": _significant(line.records_per_minute),
        "memory": _significant(line.memory_peak_mb),
    }


def _worth(day: Day | None, far: list[Distance]) -> dict[str, Any]:
    """What a judged date is worth; spread and volatility in percent, and what of it stands out."""
    if day is None:
        return dict.fromkeys(_WORTH)
    return {
        "score": None if day.score is None else round(day.score, 2),
        "verdict": day.verdict,
        "lost": _lost(day),
        "spread": _significant(day.spread_median, 100),
        "iv": _significant(day.iv_level, 100),
        "far": ", ".join(map(str, far)) or None,
    }


def _lost(day: Day) -> str | None:
    """What cost points, the costliest first."""
    more = len(day.findings) - _LOST
    named = [*day.findings[:_LOST], *([f"and {more} more"] if more > 0 else [])]
    return "; ".join(named) or None


def _significant(value: float | None, times: float = 1) -> float | None:
    """A number with four digits that count, as short as JSON can spell it."""
    if value is None:
        return None
    short = float(f"{value * times:.4g}")
    return int(short) if short.is_integer() else short
