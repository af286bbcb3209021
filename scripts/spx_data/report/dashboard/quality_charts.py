"""The charts of the quality section: scores, their parts, spreads and volatility."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence

import altair as alt

from spx_data.report.dashboard import drawing, steps
from spx_data.report.dashboard.parts import Part
from spx_data.report.dashboard.steps import Stretch
from spx_data.report.drawing import CANVAS, chart_of
from spx_data.report.page import Figure
from spx_data.settings import Quality
from spx_data.status.outliers import WORDS, Distance
from spx_data.status.quality import PARTS, Day
from spx_data.status.trends import Period
from spx_data.text.words import points

_VERDICTS = {"good": "@sealed", "warn": "@warn", "fail": "@fail"}
# Days that stand out, and by which of their figures.
Far = Mapping[dt.date, Sequence[Distance]]

_WHOLE = 100  # points
_QUIET = 99  # points above which a map of parts would be empty
_ROW = 20  # pixels of a part in the heat map


def parts(days: Sequence[Day], periods: Sequence[Period], far: Far, rules: Quality) -> list[Part]:
    """What the days are worth, over time: charts, or sentences where there is too little for one."""
    if len(days) < 2:
        return ["What days are worth over time is drawn from two of them on."]
    return [
        _scores(days, periods, rules),
        _parts(days, rules),
        _level(days, far, "spread_median", "spread", "Spread", "% of the mid", "@orange"),
        _level(days, far, "iv_level", "iv", "Implied volatility at 30 days", "%", "@blue"),
    ]


def _scores(days: Sequence[Day], periods: Sequence[Period], rules: Quality) -> Part:
    """The score of each day, with the thresholds of the settings and medians of months or weeks."""
    scores = [day.score for day in days if day.score is not None]
    if len(scores) < 2:
        return "Fewer than two days have a score."
    most = max(_WHOLE - rules.fail_below, *(_WHOLE - score for score in scores))
    few = len(scores) < drawing.FEW
    each = drawing.shared("isValid(datum.score)").transform_calculate(
        points_lost=f"{_WHOLE} - datum.score", kind="datum.verdict"
    )
    drawn: alt.Chart = each.mark_circle()
    good = "datum.verdict == 'good'"
    dots = drawn.encode(
        x=drawing.time("day"),
        y=_towards_the_whole("points_lost:Q", most),
        color=drawing.colours(_VERDICTS),
        size=alt.condition(good, alt.value(36 if few else 12), alt.value(45)),
        opacity=alt.condition(good, alt.value(0.9 if few else 0.4), alt.value(0.95)),
        tooltip=[
            drawing.told("date", "date"),
            drawing.told("score", "score", ".2~f"),
            drawing.told("verdict", "verdict"),
            drawing.told("lost", "cost points"),
        ],
    )
    line = _medians(periods)
    chart = alt.layer(_thresholds(rules), dots, *line).properties(
        width="container", height=drawing.TALL, usermeta=CANVAS
    )
    note = (
        f"Below {rules.warn_below:g} a day deserves a look, below {rules.fail_below:g} it is not to be used."
    )
    note += " The line is medians." if line else ""
    note += " The scale opens towards 100."
    return Figure("quality-scores", "Score of each day", chart, note, wide=True, legend=_VERDICTS)


def _towards_the_whole(field: str, most: float) -> alt.Y:
    """An axis of points lost, labelled as those that are left: it opens where nearly all days are."""
    values = [tick for tick in (0, 0.1, 0.5, 2, 5, 10, 20, 50, 100) if tick <= most]
    scale = alt.Scale(type="symlog", constant=0.5, domain=[0, 1.15 * most], reverse=True, nice=False)
    labels = f"format({_WHOLE} - datum.value, '~f')"
    return alt.Y(field, title="points", scale=scale, axis=alt.Axis(values=values, labelExpr=labels))


def _medians(periods: Sequence[Period]) -> list[alt.Chart]:
    """The line of the periods' median scores, where they make one."""
    rows = [
        {"middle": steps.named(period.name).middle.isoformat(), "median": round(_WHOLE - score, 3)}
        for period in periods
        if (score := period.medians["score"]) is not None
    ]
    return [drawing.medians(rows)] if len(rows) > 1 else []


def _thresholds(rules: Quality) -> alt.Chart:
    values = [
        {"kind": "warn", "at": _WHOLE - rules.warn_below},
        {"kind": "fail", "at": _WHOLE - rules.fail_below},
    ]
    drawn: alt.Chart = chart_of(values).mark_rule(strokeDash=[4, 3], tooltip=None)
    return drawn.encode(y="at:Q", color=drawing.colours(_VERDICTS))


def _parts(days: Sequence[Day], rules: Quality) -> Part:
    """The lowest points of each part over time: a median would hide the day that went wrong."""
    step = steps.coarse(days[0].date, days[-1].date)
    stretches: dict[Stretch, list[Day]] = {}
    for day in days:
        stretches.setdefault(steps.stretch(day.date, step), []).append(day)
    if len(stretches) < 2:
        return "What each part was worth over time is drawn from two weeks on."
    rows = [
        stretch.as_row() | {"days": len(members)} | _lowest(members) for stretch, members in stretches.items()
    ]
    lowest = min((row[part] for row in rows for part in PARTS if part in row), default=_WHOLE)
    if lowest >= _QUIET:
        return f"No part of the score is worth less than {points(lowest)} of 100 points on any day."
    scale = alt.Scale(
        domain=[rules.fail_below, _WHOLE], range=["@fail", "@grid"], clamp=True, interpolate="rgb"
    )
    chart = (
        chart_of(rows)
        .transform_fold(list(PARTS), as_=["part", "points"])
        .transform_filter("isValid(datum.points)")
        .mark_rect()
        .encode(
            x=drawing.time("from"),
            x2="to:T",
            y=alt.Y("part:N", title=None, sort=list(PARTS), axis=alt.Axis(ticks=False, domain=False)),
            color=alt.Color("points:Q", scale=scale, legend=alt.Legend(title="points", gradientLength=140)),
            tooltip=[
                drawing.told("name", step),
                drawing.told("part", "part"),
                drawing.told("points", "points of its worst day", ".2~f"),
                drawing.told("days", "judged days", ",d"),
            ],
        )
        .properties(width="container", height=_ROW * len(PARTS))
    )
    note = f"What each part is worth on its worst day of the {step}: where and when points were lost."
    return Figure("quality-parts", "Parts of the score", chart, note, wide=True)


def _lowest(days: Sequence[Day]) -> dict[str, float]:
    """The lowest points of each part that could be judged, never rounded up."""
    found = {part: [value for day in days if (value := getattr(day, part)) is not None] for part in PARTS}
    return {part: math.floor(10 * min(values)) / 10 for part, values in found.items() if values}


def _level(days: Sequence[Day], far: Far, name: str, column: str, title: str, unit: str, colour: str) -> Part:
    """A figure of each day, with those marked that stand out from the days around them."""
    values = [100 * value for day in days if (value := getattr(day, name)) is not None]
    if len(values) < 2:
        return f"{title}: fewer than two days tell."
    x, y = drawing.time("day"), drawing.amounts(f"{column}:Q", unit, values, zero=False)
    tooltip = [
        drawing.told("date", "date"),
        drawing.told(column, f"{title.lower()}, {unit}", ".4~g"),
    ]
    known = f"isValid(datum.{column})"
    each = drawing.points(drawing.shared(known), len(values)).encode(
        x=x, y=y, color=alt.value(colour), tooltip=tooltip
    )
    outlying = f"{known} && indexof(datum.far || '', '{WORDS[name]}') >= 0"
    stands_out = drawing.told("far", "stands out")
    marked = drawing.shared(outlying).mark_point(size=80, strokeWidth=1.6, opacity=1)
    marks = (
        [marked.encode(x=x, y=y, color=alt.value("@fail"), tooltip=[*tooltip, stands_out])]
        if _stands_out(far, name)
        else []
    )
    chart = alt.layer(each, *marks).properties(width="container", height=drawing.LOW, usermeta=CANVAS)
    note = "Median of each day; circles stand out from the days around them."
    return Figure(f"quality-{column}", title, chart, note)


def _stands_out(far: Far, name: str) -> bool:
    """Whether that figure of any day stands out."""
    return any(distance.measure == name for distances in far.values() for distance in distances)
