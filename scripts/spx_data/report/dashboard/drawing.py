"""What the dashboard's charts have in common: axes of time, bars of stretches, points of dates, colours.

Dates and moments stand in the data as text and are parsed as UTC, so that none moves by a day wherever the
page is looked at; tooltips show the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import altair as alt

from spx_data.report.dashboard import dates

# Thousands of marks are faster as one picture than as elements of their own.
CANVAS = {"embedOptions": {"renderer": "canvas"}}
TALL, LOW = 190, 160  # pixels of a chart over both columns, and of one in a column
# Values further apart than that would hide each other on a linear scale.
_DECADES = 20.0

Shape = Literal["linear", "log"]


def rows(values: Iterable[Mapping[str, Any]]) -> alt.Chart:
    """A chart of a few rows of its own."""
    return alt.Chart(alt.InlineData(values=[dict(value) for value in values]))


def shared(where: str) -> alt.Chart:
    """A chart of the shared dates *where* the expression holds.

    `day` is the trading date and `moment` that of the seal, both as Vega has them.
    """
    chart = alt.Chart(alt.NamedData(dates.NAME)).transform_filter(where)
    return chart.transform_calculate(
        day="utcParse(datum.date, '%Y-%m-%d')", moment="utcParse(datum.sealed, '%Y-%m-%d %H:%M')"
    )


def time(field: str, *, grid: bool = False) -> alt.X:
    """An axis of time in UTC."""
    return alt.X(
        f"{field}:T",
        title=None,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(grid=grid, tickCount=alt.ExprRef("max(2, floor(width / 90))")),
    )


def bars(chart: alt.Chart, x: alt.X | None = None) -> alt.Chart:
    """*chart* as bars from `from` to `to`, the fields of a `Stretch`; still without heights."""
    marked: alt.Chart = chart.mark_bar(orient="vertical", stroke="@card", strokeWidth=0.5)
    return marked.encode(x=x or time("from"), x2="to:T")


def points(chart: alt.Chart, count: int) -> alt.Chart:
    """*chart* as points, the smaller and fainter the more they are."""
    few = count < 200
    marked: alt.Chart = chart.mark_circle(size=36 if few else 12, opacity=0.9 if few else 0.45, clip=True)
    return marked


def medians(values: Iterable[Mapping[str, Any]]) -> alt.Chart:
    """A line through the `median` of each period, at its `middle`."""
    line: alt.Chart = rows(values).mark_line(
        strokeWidth=2, color="@ink", interpolate="monotone", tooltip=None
    )
    return line.encode(x=alt.X("middle:T"), y=alt.Y("median:Q"))


def scale(values: Sequence[float]) -> tuple[Shape, alt.Scale]:
    """The scale for *values*: from nothing on, or logarithmic where they are too far apart for that."""
    positive = [value for value in values if value > 0]
    if len(positive) == len(values) and values and max(values) > _DECADES * min(values):
        return "log", alt.Scale(type="log", nice=True)
    return "linear", alt.Scale(zero=True, nice=True)


def colours(pairs: Mapping[str, str], *, legend: bool = True) -> alt.Color:
    """The colours of the values of the field `kind`, in their order, which is also that of the legend."""
    return alt.Color(
        "kind:N",
        scale=alt.Scale(domain=list(pairs), range=list(pairs.values())),
        sort=list(pairs),
        legend=alt.Legend(title=None, columns=alt.ExprRef("max(2, floor(width / 110))")) if legend else None,
    )


def told(field: str, title: str, form: str | None = None) -> alt.Tooltip:
    """A line of a tooltip; *form* is a number's, as d3 spells it."""
    if form is None:
        return alt.Tooltip(f"{field}:N", title=title)
    return alt.Tooltip(f"{field}:Q", title=title, format=form)
