"""What the dashboard's charts have in common: axes of time, bars of stretches, points of dates, colours.

Dates and moments stand in the data as text and are parsed as UTC, so that none moves by a day wherever the
page is looked at; tooltips show the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from spx_data.report.dashboard import dates
from spx_data.report.drawing import chart_of

TALL, LOW = 190, 160  # pixels of a chart over both columns, and of one in a column
FEW = 200  # points that may be large
# What `shared` adds to a date, and the room beside its points in pixels; bars begin where their axis does.
DAY, MOMENT = "day", "moment"
_ASIDE = 8
# Values further apart than this would hide each other on a linear scale.
_FAR_APART = 20.0


def shared(where: str) -> alt.Chart:
    """A chart of the shared dates *where* the expression holds.

    `day` is the trading date and `moment` that of the seal, both as Vega has them.
    """
    chart = alt.Chart(alt.NamedData(dates.NAME)).transform_filter(where)
    parsed = {
        DAY: "utcParse(datum.date, '%Y-%m-%d')",
        MOMENT: "utcParse(datum.sealed, '%Y-%m-%d %H:%M')",
    }
    return chart.transform_calculate(**parsed)


# Dates and times as everybody reads them; the first label has what the others leave out.
_DATES = (
    "utcdate(datum.value) > 1 ? utcFormat(datum.value, datum.index ? '%-d %b' : '%-d %b %Y')"
    " : utcmonth(datum.value) ? utcFormat(datum.value, datum.index ? '%b' : '%b %Y')"
    " : utcFormat(datum.value, '%Y')"
)
_IS_TIME = "utchours(datum.value) || utcminutes(datum.value) || utcseconds(datum.value)"
_TIMES = "utcFormat(datum.value, datum.index ? '%H:%M' : '%-d %b %H:%M')"


def time(field: str) -> alt.X:
    """An axis of time in UTC: of dates, or of moments in the field of that name."""
    labels = f"{_IS_TIME} ? {_TIMES if field == MOMENT else repr('')} : {_DATES}"
    axis = alt.Axis(
        grid=False,
        ticks=False,
        tickCount=alt.ExprRef("max(2, floor(width / 90))"),
        labelExpr=labels,
        labelFlush=True,
        labelPadding=5,
        labelSeparation=8,
    )
    aside = _ASIDE if field in {DAY, MOMENT} else 0
    return alt.X(f"{field}:T", title=None, scale=alt.Scale(type="utc", padding=aside), axis=axis)


def bars(chart: alt.Chart) -> alt.Chart:
    """*chart* as bars from `from` to `to`, the fields of a `Stretch`; still without heights."""
    marked: alt.Chart = chart.mark_bar(orient="vertical", stroke="@card", strokeWidth=0.5)
    return marked.encode(x=time("from"), x2="to:T")


def points(chart: alt.Chart, count: int) -> alt.Chart:
    """*chart* as points, the smaller and fainter the more they are."""
    few = count < FEW
    marked: alt.Chart = chart.mark_circle(size=36 if few else 12, opacity=0.9 if few else 0.45)
    return marked


def medians(values: Iterable[Mapping[str, Any]]) -> alt.Chart:
    """A line through the `median` of each period, at its `middle`."""
    line: alt.Chart = chart_of(values).mark_line(
        strokeWidth=2, color="@ink", interpolate="monotone", tooltip=None
    )
    return line.encode(x=alt.X("middle:T"), y=alt.Y("median:Q"))


def amounts(field: str, title: str, values: Sequence[float] = (), *, zero: bool = True) -> alt.Y:
    """An axis of numbers like 500 and 1.5k; logarithmic where the *values* are too far apart for another."""
    labels = "format(datum.value, datum.value < 1 ? '~g' : '.3~s')"
    if not values or min(values) <= 0 or max(values) <= _FAR_APART * min(values):
        axis = alt.Axis(tickCount=4, labelExpr=labels)
        return alt.Y(field, title=title, axis=axis, scale=alt.Scale(zero=zero))
    scale = alt.Scale(type="log", domain=[0.8 * min(values), 1.25 * max(values)], nice=False)
    ticks = [digit * 10.0**power for power in range(-4, 12) for digit in (1, 2, 5)]
    within = [tick for tick in ticks if 0.8 * min(values) <= tick <= 1.25 * max(values)]
    axis = alt.Axis(values=within, labelExpr=labels)
    return alt.Y(field, title=f"{title}, logarithmic", scale=scale, axis=axis)


def colours(pairs: Mapping[str, str]) -> alt.Color:
    """The colours of the values of the field `kind`, in their order; the figure has them as its legend."""
    scale = alt.Scale(domain=list(pairs), range=list(pairs.values()))
    return alt.Color("kind:N", scale=scale, sort=list(pairs), legend=None)


def told(field: str, title: str, form: str | None = None) -> alt.Tooltip:
    """A line of a tooltip; *form* is a number's, as d3 spells it."""
    if form is None:
        return alt.Tooltip(f"{field}:N", title=title)
    return alt.Tooltip(f"{field}:Q", title=title, format=form)
