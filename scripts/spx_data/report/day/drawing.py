"""What charts of a day have in common: layers, colours of roots, and the clock of New York on their axes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

import altair as alt

from spx_data.report.drawing import chart_of

# A colour for each root of a lake, the one with most expirations first.
_ROOTS = ("@blue", "@orange", "@green", "@purple")


def colours_of_roots(roots: Iterable[str]) -> dict[str, str]:
    """A colour for each of *roots*, the same in every chart: SPXW, then SPX."""
    return dict(zip(sorted(set(roots), reverse=True), _ROOTS, strict=False))


_BESIDE = 20  # dates before a day and after it

# 2024-01-03 as 01-03: a row of dates needs no year.
MONTH_AND_DAY = alt.Axis(labelAngle=0, labelExpr="slice(datum.value, 5)")


class _Dated(Protocol):
    @property
    def date(self) -> dt.date: ...


D = TypeVar("D", bound=_Dated)


def around(every: Sequence[D], date: dt.date) -> list[D]:
    """The one of *date* among those beside it, of *every* one by date; none where it is not there."""
    place = next((number for number, each in enumerate(every) if each.date == date), None)
    return [] if place is None else list(every[max(0, place - _BESIDE) : place + _BESIDE + 1])


def layered(height: int, *layers: alt.Chart | alt.LayerChart, **more: Any) -> alt.TopLevelMixin:
    """*layers* above each other, as wide as there is room."""
    return alt.layer(*layers).properties(width="container", height=height, **more)


def dashed(name: str, value: float) -> alt.Chart:
    """A dashed line across a chart, where the quantity *name* has this *value*."""
    line = chart_of([{name: value}]).mark_rule(strokeDash=[4, 4], color="@grey")
    found: alt.Chart = line.encode(y=alt.Y(f"{name}:Q"))
    return found


def moment(at: dt.datetime) -> dict[str, Any]:
    """A time of day as fields of a row: `at` for an axis with a scale of type utc, `clock` to read.

    So the axis shows the clock of New York, wherever the page is read.
    """
    since = dt.timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)
    spelt = f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
    return {"at": since // dt.timedelta(milliseconds=1), "clock": spelt}


def clock(name: str) -> alt.X:
    """The axis of times of day that `moment` made."""
    axis = alt.Axis(format="%H:%M", tickCount=7, grid=False)
    return alt.X(f"{name}:T", title=None, scale=alt.Scale(type="utc", nice=False), axis=axis)


def time_of(text: str) -> str:
    """The time of day in a stamp or a time (ISO 8601), without seconds that are none."""
    time = dt.time.fromisoformat(text.rpartition("T")[2])
    return f"{time:%H:%M:%S}" if time.second else f"{time:%H:%M}"
