"""The charts of the quality section: scores, their parts, spreads and volatility."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import altair as alt

from spx_data.report.dashboard import drawing, steps
from spx_data.report.dashboard.parts import Part
from spx_data.report.dashboard.steps import Stretch
from spx_data.report.page import Figure
from spx_data.settings import Quality
from spx_data.status.outliers import WORDS, Distance
from spx_data.status.quality import PARTS, Day
from spx_data.status.trends import Period

_VERDICTS = {"good": "@sealed", "warn": "@warn", "fail": "@fail"}
# Days that stand out, and by which of their figures.
Far = Mapping[dt.date, Sequence[Distance]]

_ROW = 20  # pixels of a part in the heat map


def parts(days: Sequence[Day], periods: Sequence[Period], far: Far, rules: Quality) -> list[Part]:
    """What the days are worth, over time: charts, or sentences where there is too little for one."""
    return [
        _scores(days, periods, rules),
        _parts(days, rules),
        _level(days, far, "spread_median", "spread", "Spread", "% of the mid", "@orange"),
        _level(days, far, "iv_level", "iv", "Implied volatility at 30 days", "%", "@blue"),
    ]


def _medians(periods: Sequence[Period], name: str, times: float = 1) -> list[dict[str, object]]:
    return [
        {"middle": steps.named(period.name).middle.isoformat(), "median": round(value * times, 4)}
        for period in periods
        if (value := period.medians[name]) is not None
    ]


def _scores(days: Sequence[Day], periods: Sequence[Period], rules: Quality) -> Part:
    """The score of each day, with the thresholds of the settings and the months' medians."""
    scores = [day.score for day in days if day.score is not None]
    if len(scores) < 2:
        return "Scores are drawn from two judged days on."
    lowest = min([*scores, rules.fail_below])
    scale = alt.Scale(domain=[max(0.0, lowest - 2), 100.5], nice=False)
    each = drawing.points(drawing.shared("isValid(datum.score)"), len(scores)).encode(
        x=drawing.time("day"),
        y=alt.Y("score:Q", title="points", scale=scale, axis=alt.Axis(tickCount=5)),
        color=alt.Color(
            "verdict:N",
            scale=alt.Scale(domain=list(_VERDICTS), range=list(_VERDICTS.values())),
            legend=alt.Legend(title=None),
        ),
        tooltip=[
            drawing.told("date", "date"),
            drawing.told("score", "score", ".2~f"),
            drawing.told("verdict", "verdict"),
            drawing.told("lost", "cost points"),
        ],
    )
    medians = _medians(periods, "score")
    line = [drawing.medians(medians)] if len(medians) > 1 else []
    chart = alt.layer(_thresholds(rules), each, *line).properties(
        width="container", height=drawing.TALL, usermeta=drawing.CANVAS
    )
    note = (
        f"Below {rules.warn_below:g} a day deserves a look, below {rules.fail_below:g} it is not to be used."
    )
    note += " The line is the months' medians." if line else ""
    return Figure("quality-scores", "Score of each day", chart, note, wide=True)


def _thresholds(rules: Quality) -> alt.Chart:
    values = [
        {"at": rules.warn_below, "kind": "warn"},
        {"at": rules.fail_below, "kind": "fail"},
    ]
    drawn: alt.Chart = drawing.rows(values).mark_rule(strokeDash=[4, 3], tooltip=None)
    return drawn.encode(y="at:Q", color=drawing.colours(_VERDICTS))


def _parts(days: Sequence[Day], rules: Quality) -> Part:
    """The lowest points of each part in each month: a median would hide the day that went wrong."""
    months: dict[Stretch, list[Day]] = {}
    for day in days:
        months.setdefault(steps.stretch(day.date, "month"), []).append(day)
    if len(months) < 2:
        return "The parts of the score are mapped from two months on."
    rows = [
        stretch.as_row() | {"days": len(members)} | _lowest(members) for stretch, members in months.items()
    ]
    low = min([rules.fail_below, *(row[part] for row in rows for part in PARTS if part in row)])
    scale = alt.Scale(domain=[low, rules.warn_below, 100], range=["@fail", "@yellow", "@grid"], clamp=True)
    chart = (
        drawing.rows(rows)
        .transform_fold(list(PARTS), as_=["part", "points"])
        .transform_filter("isValid(datum.points)")
        .mark_rect()
        .encode(
            x=drawing.time("from"),
            x2="to:T",
            y=alt.Y("part:N", title=None, sort=list(PARTS), axis=alt.Axis(ticks=False, domain=False)),
            color=alt.Color("points:Q", scale=scale, legend=alt.Legend(title="points", gradientLength=140)),
            tooltip=[
                drawing.told("name", "month"),
                drawing.told("part", "part"),
                drawing.told("points", "points of its worst day", ".2~f"),
                drawing.told("days", "judged days", ",d"),
            ],
        )
        .properties(width="container", height=_ROW * len(PARTS))
    )
    note = "What each part is worth on its worst day of a month: where and when points were lost."
    return Figure("quality-parts", "Parts of the score", chart, note, wide=True)


def _lowest(days: Sequence[Day]) -> dict[str, float]:
    """The lowest points of each part that could be judged."""
    found = {part: [value for day in days if (value := getattr(day, part)) is not None] for part in PARTS}
    return {part: round(min(values), 1) for part, values in found.items() if values}


def _level(days: Sequence[Day], far: Far, name: str, column: str, title: str, unit: str, colour: str) -> Part:
    """A figure of each day, with those marked that stand out from the days around them."""
    values = [100 * value for day in days if (value := getattr(day, name)) is not None]
    if len(values) < 2:
        return f"{title}: {values[0]:.3g} {unit} on the only day." if values else f"{title}: no day tells."
    shape, scale = drawing.scale(values)
    scale = scale if shape == "log" else alt.Scale(zero=False, nice=True)
    x, y = drawing.time("day"), alt.Y(f"{column}:Q", title=unit, scale=scale, axis=alt.Axis(tickCount=5))
    tooltip = [
        drawing.told("date", "date"),
        drawing.told(column, f"{title.lower()}, {unit}", ".4~g"),
        drawing.told("far", "stands out"),
    ]
    known = f"isValid(datum.{column})"
    each = drawing.points(drawing.shared(known), len(values)).encode(
        x=x, y=y, color=alt.value(colour), tooltip=tooltip
    )
    outlying = f"{known} && indexof(datum.far || '', '{WORDS[name]}') >= 0"
    marked = drawing.shared(outlying).mark_point(size=80, strokeWidth=1.6, opacity=1)
    marks = (
        [marked.encode(x=x, y=y, color=alt.value("@fail"), tooltip=tooltip)] if _stands_out(far, name) else []
    )
    chart = alt.layer(each, *marks).properties(width="container", height=drawing.LOW, usermeta=drawing.CANVAS)
    note = "Median of each day; circles stand out from the days around them."
    if shape == "log":
        note += " Logarithmic."
    return Figure(f"quality-{column}", title, chart, note)


def _stands_out(far: Far, name: str) -> bool:
    """Whether that figure of any day stands out."""
    return any(distance.measure == name for distances in far.values() for distance in distances)
