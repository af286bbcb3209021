"""What charts of a day have in common: rows of their own, layers, and the clock of New York on their axes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import altair as alt

Row = Mapping[str, Any]


def chart_of(rows: Iterable[Row]) -> alt.Chart:
    """A chart of a few *rows*, which stand in its own specification."""
    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))


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
