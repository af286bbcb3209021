"""The periods that charts over time add up over, and where the figures of a lake are going by them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from spx_data.report.drawing import Row
from spx_data.status.trends import Period, Trend
from spx_data.text.words import counted

Coarse = Literal["week", "month"]
Step = Literal["day", "week", "month"]

# So many days make a chart that is neither empty nor a comb: at most some hundred and fifty stretches.
_DAYS, _WEEKS = 100, 3 * 366


@dataclass(frozen=True)
class Stretch:
    """A day, a week or a month, from *begin* until just before *end*."""

    name: str  # 2024-03-04, 2024-W10 or 2024-03
    begin: dt.date
    end: dt.date

    @property
    def middle(self) -> dt.date:
        """The day in the middle of it."""
        return self.begin + (self.end - self.begin) // 2

    def as_row(self) -> dict[str, Any]:
        """The fields that `drawing.bars` wants of it."""
        return {"from": self.begin.isoformat(), "to": self.end.isoformat(), "name": self.name}


def fitting(first: dt.date, last: dt.date) -> Step:
    """The step that suits a chart from *first* to *last*."""
    days = (last - first).days
    if days <= _DAYS:
        return "day"
    return "week" if days <= _WEEKS else "month"


def coarse(first: dt.date, last: dt.date) -> Coarse:
    """The step that suits a chart from *first* to *last* of sessions added up: a day of them is one."""
    return "month" if fitting(first, last) == "month" else "week"


def stretch(day: dt.date, step: Step) -> Stretch:
    """The stretch of that *step* in which *day* lies; weeks are those of ISO 8601."""
    if step == "day":
        return Stretch(day.isoformat(), day, day + dt.timedelta(1))
    if step == "week":
        year, week, weekday = day.isocalendar()
        monday = day - dt.timedelta(weekday - 1)
        return Stretch(f"{year}-W{week:02}", monday, monday + dt.timedelta(7))
    first = day.replace(day=1)
    return Stretch(f"{first:%Y-%m}", first, (first + dt.timedelta(31)).replace(day=1))


def named(name: str) -> Stretch:
    """The week or month that `status.trends` calls by that *name*."""
    year, _, rest = name.partition("-")
    if rest.startswith("W"):
        return stretch(dt.date.fromisocalendar(int(year), int(rest[1:]), 1), "week")
    return stretch(dt.date(int(year), int(rest), 1), "month")


def medians(periods: Sequence[Period], value: Callable[[Period], float | None]) -> list[Row]:
    """The rows of a line through a *value* of each period (`drawing.medians`), of those that have it."""
    return [
        {"middle": named(period.name).middle.isoformat(), "median": found}
        for period in periods
        if (found := value(period)) is not None
    ]


# Trends ---------------------------------------------------------------------------------------------------


def in_words(trends: Sequence[Trend], periods: int, step: str) -> list[str]:
    """Where the figures are going by each *step*, a sentence for each that moves; or that none does."""
    moving = [_sentence(trend, step) for trend in trends if trend.moves]
    if moving:
        return moving
    if all(trend.slope is None for trend in trends):
        return [f"No trend yet: needs 6 {step}s, has {periods}."]
    return [f"No significant trend over {counted(periods, step)}."]


# What is not the name of its measure, spelt apart.
_NAMES = {
    "duration_seconds": "duration",
    "memory_peak_mb": "memory peak",
    "requests_failed_percent": "requests that fail",
    "iv_level": "volatility at 30 days",
}


def _sentence(trend: Trend, step: str) -> str:
    """A trend with its ends: Days get worse: 0.3 % a month (score: 98.2 to 95.1 points)."""
    words = trend.verdict[:1].upper() + trend.verdict[1:].replace("a period", f"a {step}")
    measure = trend.measure
    name = _NAMES.get(measure.name, measure.name.replace("_", " "))
    times, unit = (100.0, "%") if measure.unit == "fraction" else (1.0, measure.unit)
    first, last = (_short((value or 0.0) * times) for value in (trend.first, trend.last))
    return f"{words} ({name}: {first} to {last} {unit})."


def _short(value: float) -> str:
    """A number with three digits that count, and all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
