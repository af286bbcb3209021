"""The stretches of time that a chart adds up over: the longer its story, the longer each of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

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
