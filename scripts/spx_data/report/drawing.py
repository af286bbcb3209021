"""What charts of both pages are made of: marks, axes, colours, tooltips, sizes; and the step to Vega-Lite.

Dates and moments stand in the data as text and are parsed as UTC, so that none moves by a day wherever the
page is looked at; tooltips show the text. A string that begins with @ names a colour of `page.css`:
`@sealed`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt

Row = Mapping[str, Any]

TALL, LOW = 190, 160  # pixels of a chart over both columns, and of one in a column

# Thousands of marks are drawn as one picture, not as elements of the page.
_CANVAS = {"embedOptions": {"renderer": "canvas"}}


@dataclass(frozen=True)
class Figure:
    """A chart, and what a person reads above it.

    Its data is that of the page where it is `alt.NamedData` of the name of one of the page's tables.
    """

    name: str  # of its element on the page
    title: str
    chart: alt.TopLevelMixin
    note: str = ""  # how to read it, in a sentence
    height: int = LOW  # pixels; it is as wide as there is room
    wide: bool = False  # over both columns of a section
    canvas: bool = False  # of thousands of marks
    legend: Mapping[str, str] = field(default_factory=dict)  # what its colours mean: names to @colours


def specification(figure: Figure) -> dict[str, Any]:
    """The Vega-Lite of a figure's chart, without the looks of Altair: the page has its own."""
    found: dict[str, Any] = figure.chart.to_dict()
    found.pop("config", None)
    found |= {"width": "container", "height": figure.height}
    return found | {"usermeta": _CANVAS} if figure.canvas else found


def chart_of(rows: Iterable[Row]) -> alt.Chart:
    """A chart of a few *rows*, which stand in its own specification."""
    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))


def told(**fields: str | tuple[str, str]) -> list[alt.Tooltip]:
    """The lines of a tooltip: fields with their titles; numbers also with their form, as d3 spells it."""
    return [
        alt.Tooltip(f"{name}:N", title=said)
        if isinstance(said, str)
        else alt.Tooltip(f"{name}:Q", title=said[0], format=said[1])
        for name, said in fields.items()
    ]


# Colours --------------------------------------------------------------------------------------------------

VERDICTS = {"good": "@sealed", "warn": "@warn", "fail": "@fail"}

# A colour for each root of a lake, the one with most expirations first.
_ROOTS = ("@blue", "@orange", "@green", "@purple")


def colours(pairs: Mapping[Any, str], field: str = "kind:N") -> alt.Color:
    """The colours of the values of a field, in their order; the figure has them as its legend."""
    scale = alt.Scale(domain=list(pairs), range=list(pairs.values()))
    return alt.Color(field, scale=scale, sort=list(pairs), legend=None)


def colours_of_roots(roots: Iterable[str]) -> dict[str, str]:
    """A colour for each of *roots*, the same in every chart: SPXW, then SPX."""
    return dict(zip(sorted(set(roots), reverse=True), _ROOTS, strict=False))


# Charts over dates ----------------------------------------------------------------------------------------

FEW = 200  # points that may be large
# The table of all dates, what `shared` adds to each of them, and the room beside their points in pixels; bars
# begin where their axis does.
DATES, DAY, MOMENT = "dates", "day", "moment"
_ASIDE = 8
# Values further apart than this would hide each other on a linear scale.
_FAR_APART = 20.0
_THOUSAND = 1000  # from which on numbers are short: 1.5k


def shared(where: str) -> alt.Chart:
    """A chart of the shared dates *where* the expression holds.

    `day` is the trading date and `moment` that of the seal, both as Vega has them.
    """
    chart = alt.Chart(alt.NamedData(DATES)).transform_filter(where)
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
    axis = alt.Axis(
        grid=False,
        ticks=False,
        tickCount=alt.ExprRef("max(2, floor(width / 90))"),
        labelExpr=f"{_IS_TIME} ? {_TIMES if field == MOMENT else repr('')} : {_DATES}",
        labelFlush=True,
        labelPadding=9,  # the first label is below that of the other axis
        labelSeparation=8,
    )
    aside = _ASIDE if field in {DAY, MOMENT} else 0
    return alt.X(f"{field}:T", title=None, scale=alt.Scale(type="utc", padding=aside), axis=axis)


def numbers(most: float, *, whole: bool = False) -> alt.Axis:
    """An axis of numbers up to *most* like 500 and 1.5k, as exact as its ticks are close; *whole* counts."""
    step = 1 if whole else alt.Undefined
    form = "~s" if most >= _THOUSAND else "~f"
    return alt.Axis(tickCount=4, format=form, tickMinStep=step, labelExpr="datum.value ? datum.label : '0'")


def amounts(field: str, title: str, values: Sequence[float], *, zero: bool = True) -> alt.Y:
    """The axis of *values*; logarithmic where they are too far apart for another."""
    if min(values) <= 0 or max(values) <= _FAR_APART * min(values):
        return alt.Y(field, title=title, axis=numbers(max(values)), scale=alt.Scale(zero=zero))
    labels = "format(datum.value, datum.value < 1 ? '~g' : '.3~s')"
    scale = alt.Scale(type="log", domain=[0.8 * min(values), 1.25 * max(values)], nice=False)
    ticks = [digit * 10.0**power for power in range(-4, 12) for digit in (1, 2, 5)]
    within = [tick for tick in ticks if 0.8 * min(values) <= tick <= 1.25 * max(values)]
    axis = alt.Axis(values=within, labelExpr=labels)
    return alt.Y(field, title=f"{title}, logarithmic", scale=scale, axis=axis)


def counts(field: str, title: str, most: float) -> alt.Y:
    """The axis of counts up to *most*, in whole steps."""
    return alt.Y(field, title=title, axis=numbers(most, whole=True))


def bars(rows: Iterable[Row]) -> alt.Chart:
    """Bars from `from` to `to`, the fields of a `Stretch`; still without heights."""
    marked: alt.Chart = chart_of(rows).mark_bar(orient="vertical", stroke="@card", strokeWidth=0.5)
    return marked.encode(x=time("from"), x2="to:T")


def points(chart: alt.Chart, count: int) -> alt.Chart:
    """*chart* as points, the smaller and fainter the more they are."""
    few = count < FEW
    marked: alt.Chart = chart.mark_circle(size=36 if few else 12, opacity=0.9 if few else 0.45)
    return marked


def medians(rows: Sequence[Row]) -> list[alt.Chart]:
    """A line through the `median` of each period, at its `middle`; none where they do not make one."""
    line = chart_of(rows).mark_line(strokeWidth=2, color="@ink", interpolate="monotone", tooltip=None)
    return [line.encode(x=alt.X("middle:T"), y=alt.Y("median:Q"))] if len(rows) > 1 else []


# Charts of a day ------------------------------------------------------------------------------------------

# 2024-01-03 as 01-03: a row of dates needs no year.
MONTH_AND_DAY = alt.Axis(labelAngle=0, labelExpr="slice(datum.value, 5)")


def dashed(name: str, value: float | None) -> list[alt.Chart]:
    """A dashed line across a chart where the quantity *name* has this *value*; none where it has none."""
    line = chart_of([{name: value}]).mark_rule(strokeDash=[4, 4], color="@grey")
    return [] if value is None else [line.encode(y=alt.Y(f"{name}:Q"))]


def at(moment: dt.datetime) -> dict[str, Any]:
    """A time of day as fields of a row: `at` for an axis with a scale of type utc, `clock` to read.

    So the axis shows the clock of New York, wherever the page is read.
    """
    since = dt.timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
    return {"at": since // dt.timedelta(milliseconds=1), "clock": time_of(moment.isoformat())}


def clock(name: str) -> alt.X:
    """The axis of times of day that `at` made."""
    axis = alt.Axis(format="%H:%M", tickCount=7, grid=False)
    return alt.X(f"{name}:T", title=None, scale=alt.Scale(type="utc", nice=False), axis=axis)


def time_of(text: str) -> str:
    """The time of day in a stamp or a time (ISO 8601), without seconds that are none."""
    time = dt.time.fromisoformat(text.rpartition("T")[2])
    return f"{time:%H:%M:%S}" if time.second else f"{time:%H:%M}"
