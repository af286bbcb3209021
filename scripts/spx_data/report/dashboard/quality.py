"""What the sealed days are worth, and where that is going."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt

from spx_data.report import drawing
from spx_data.report.dashboard import periods
from spx_data.report.dashboard.periods import Stretch
from spx_data.report.dashboard.view import View
from spx_data.report.drawing import VERDICTS, Figure, chart_of, told
from spx_data.report.page import Content, Part
from spx_data.settings import Quality
from spx_data.status import quality as worth
from spx_data.status import trends
from spx_data.status.neighbours import WORDS, Distance
from spx_data.status.quality import PARTS, Day
from spx_data.status.trends import Period
from spx_data.text.words import counted, points

_MOST = 50  # days that a table names
_WORST_FIRST = {"fail": 0, "warn": 1, "good": 2, None: 3}

_MEANINGS = {
    "fail": "do not use",
    "warn": "check before use",
    "good": "no issues",
    None: "not judged",
}
# Days that stand out, and by which of their figures.
Far = Mapping[dt.date, Sequence[Distance]]

_WHOLE = 100  # points
_QUIET = 99  # points above which a map of parts would be empty
_ROW = 20  # pixels of a part in the heat map


@dataclass(frozen=True)
class Conspicuous:
    """A day that deserves a look: its verdict is not good, or it stands out from those around it."""

    day: Day
    far: Sequence[Distance]
    page: str | None  # where its page is, seen from the dashboard

    @property
    def rank(self) -> tuple[int, float, float]:
        """The smaller, the worse."""
        z = max((abs(distance.z) for distance in self.far), default=0.0)
        score = 100.0 if self.day.score is None else self.day.score
        return _WORST_FIRST[self.day.verdict], score if self.day.verdict != "good" else 0.0, -z


def content(view: View) -> Content:
    """The scores and figures of all judged days."""
    days = view.days
    if not days:
        nothing = "No sealed day has been judged." if view.scene.sealed else None
        return Content(nothing or "Nothing sealed yet.")
    step = periods.coarse(days[0].date, days[-1].date)
    stretches = trends.periods(days, worth.MEASURES, step)
    found = conspicuous(view)
    more = {
        "trends": periods.in_words(trends.trends(stretches, worth.MEASURES), len(stretches), step),
        "conspicuous": found[:_MOST],
        "more": max(0, len(found) - _MOST),
        "threshold": view.settings.quality.outlier_z,
    }
    return Content(_lead(days), _charts(view, stretches), more)


def _lead(days: Sequence[Day]) -> str:
    scores = [day.score for day in days if day.score is not None]
    if not scores:
        return f"{counted(len(days), 'sealed day')} found nothing to judge."
    bad = {verdict: sum(day.verdict == verdict for day in days) for verdict in ("warn", "fail")}
    told = [f"{bad['warn']:,} warn"] if bad["warn"] else []
    told += [f"{bad['fail']:,} fail"] if bad["fail"] else []
    verdicts = ", ".join(told) or "none below the thresholds"
    if len(scores) == 1:
        return f"1 judged day: {points(scores[0])} of 100 points, {_MEANINGS[days[0].verdict]}."
    judged, middle = counted(len(days), "judged day"), points(statistics.median(scores))
    return f"{judged}, median {middle} of 100 points: {verdicts}."


def conspicuous(view: View) -> list[Conspicuous]:
    """The days that deserve a look, the worst first."""
    far = view.outliers
    found = [
        Conspicuous(day, far.get(day.date, []), view.pages.get(day.date))
        for day in view.days
        if day.verdict in {"warn", "fail"} or day.date in far
    ]
    return sorted(found, key=lambda one: (*one.rank, -one.day.date.toordinal()))


# Charts -------------------------------------------------------------------------------------------------


def _charts(view: View, stretches: Sequence[Period]) -> list[Part]:
    """What the days are worth, over time: charts, or sentences where there is too little for one."""
    days, far, rules = view.days, view.outliers, view.settings.quality
    if len(days) < 2:
        return ["Charts over time need two judged days."]
    return [
        _scores(days, stretches, rules),
        _parts(days, rules),
        _level(days, far, "spread_median", "spread", "Spread", "% of mid", "@orange"),
        _level(days, far, "iv_level", "iv", "Implied volatility at 30 days", "%", "@blue"),
    ]


def _scores(days: Sequence[Day], stretches: Sequence[Period], rules: Quality) -> Part:
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
        color=drawing.colours(VERDICTS),
        size=alt.condition(good, alt.value(36 if few else 12), alt.value(45)),
        opacity=alt.condition(good, alt.value(0.9 if few else 0.4), alt.value(0.95)),
        tooltip=told(date="date", score=("score", ".2~f"), verdict="verdict", lost="points lost by"),
    )
    line = drawing.medians(periods.medians(stretches, _lost))
    chart = alt.layer(_thresholds(rules), dots, *line)
    note = f"Below {rules.warn_below:g}: check the day. Below {rules.fail_below:g}: do not use it."
    note += " Line: medians." if line else ""
    note += " The scale expands near 100."
    title = "Score by day"
    return Figure("quality-scores", title, chart, note, drawing.TALL, wide=True, canvas=True, legend=VERDICTS)


def _towards_the_whole(field: str, most: float) -> alt.Y:
    """An axis of points lost, labelled as those that are left: it opens where nearly all days are."""
    values = [tick for tick in (0, 0.1, 0.5, 2, 5, 10, 20, 50, 100) if tick <= most]
    scale = alt.Scale(type="symlog", constant=0.5, domain=[0, 1.15 * most], reverse=True, nice=False)
    labels = f"format({_WHOLE} - datum.value, '~f')"
    return alt.Y(field, title="points", scale=scale, axis=alt.Axis(values=values, labelExpr=labels))


def _lost(period: Period) -> float | None:
    """The points that its median score lacks."""
    score = period.medians["score"]
    return None if score is None else round(_WHOLE - score, 3)


def _thresholds(rules: Quality) -> alt.Chart:
    values = [
        {"kind": "warn", "at": _WHOLE - rules.warn_below},
        {"kind": "fail", "at": _WHOLE - rules.fail_below},
    ]
    drawn: alt.Chart = chart_of(values).mark_rule(strokeDash=[4, 3], tooltip=None)
    return drawn.encode(y="at:Q", color=drawing.colours(VERDICTS))


def _parts(days: Sequence[Day], rules: Quality) -> Part:
    """The lowest points of each part over time: a median would hide the day that went wrong."""
    step = periods.coarse(days[0].date, days[-1].date)
    stretches: dict[Stretch, list[Day]] = {}
    for day in days:
        stretches.setdefault(periods.stretch(day.date, step), []).append(day)
    if len(stretches) < 2:
        return "The chart of the score's parts needs two weeks."
    rows = [
        stretch.as_row() | {"days": len(members)} | _lowest(members) for stretch, members in stretches.items()
    ]
    lowest = min((row[part] for row in rows for part in PARTS if part in row), default=_WHOLE)
    if lowest >= _QUIET:
        return f"No part scored below {points(lowest)} of 100 on any day."
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
            tooltip=told(
                name=step,
                part="part",
                points=("lowest score", ".2~f"),
                days=("judged days", ",d"),
            ),
        )
    )
    note = f"Lowest score of each part per {step}: where and when points were lost."
    return Figure("quality-parts", "Parts of the score", chart, note, _ROW * len(PARTS), wide=True)


def _lowest(days: Sequence[Day]) -> dict[str, float]:
    """The lowest points of each part that could be judged, never rounded up."""
    found = {part: [value for day in days if (value := getattr(day, part)) is not None] for part in PARTS}
    return {part: math.floor(10 * min(values)) / 10 for part, values in found.items() if values}


def _level(days: Sequence[Day], far: Far, name: str, column: str, title: str, unit: str, colour: str) -> Part:
    """A figure of each day, with those marked that stand out from the days around them."""
    values = [100 * value for day in days if (value := getattr(day, name)) is not None]
    if len(values) < 2:
        return f"{title}: fewer than two days have a value."
    x, y = drawing.time("day"), drawing.amounts(f"{column}:Q", unit, values, zero=False)
    tooltip = told(date="date", **{column: (f"{title.lower()}, {unit}", ".4~g")})
    known = f"isValid(datum.{column})"
    layers = [
        drawing.points(drawing.shared(known), len(values)).encode(
            x=x, y=y, color=alt.value(colour), tooltip=tooltip
        )
    ]
    if any(distance.measure == name for distances in far.values() for distance in distances):
        outlying = drawing.shared(f"{known} && indexof(datum.far || '', '{WORDS[name]}') >= 0")
        tooltip = [*tooltip, *told(far="outlier in")]
        layers.append(
            outlying.mark_point(size=80, strokeWidth=1.6, opacity=1).encode(
                x=x, y=y, color=alt.value("@fail"), tooltip=tooltip
            )
        )
    note = "Daily median. Circled days are outliers among their neighbours."
    return Figure(f"quality-{column}", title, alt.layer(*layers), note, canvas=True)
