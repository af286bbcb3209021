"""What went wrong, when, and what became of it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence

import altair as alt

from spx_data.report.dashboard import drawing, parts, steps
from spx_data.report.dashboard.parts import Part
from spx_data.report.dashboard.view import View
from spx_data.report.drawing import chart_of
from spx_data.report.page import Figure, Section
from spx_data.status import Trouble, patterns
from spx_data.status.patterns import Pattern
from spx_data.text.words import count, counted

_COLOURS = ("@vermilion", "@orange", "@purple", "@blue", "@sky", "@green")
_OTHERS = "others"
_FATES = {"date sealed since": "@sealed", "not sealed since": "@failed"}


def section(view: View) -> Section:
    """The section: what went wrong, when, and what became of it."""
    troubles = patterns.troubles(view.dates)
    types = patterns.patterns(troubles, "type")
    found = [_over_time(troubles, types), _by_hour(troubles), _by_stage(troubles)] if troubles else []
    return parts.section("failures", "Failures", _lead(troubles), found, template="failures", types=types)


def _lead(troubles: Sequence[Trouble]) -> str:
    if not troubles:
        return "No error and no retry in any date's journal."
    resolved = sum(trouble.resolved_at is not None for trouble in troubles)
    dates = len({trouble.date for trouble in troubles})
    became = (
        "all of these dates were sealed afterwards"
        if resolved == len(troubles)
        else f"{count(len(troubles) - resolved)} of them of dates that were not sealed since"
    )
    return f"{counted(len(troubles), 'error')} and retries on {counted(dates, 'date')}; {became}."


def _over_time(troubles: Sequence[Trouble], types: Sequence[Pattern]) -> Part:
    """The errors by when they happened, stacked by type, the most frequent type at the bottom."""
    days = [dt.date.fromisoformat(trouble.at[:10]) for trouble in troubles]
    step = steps.fitting(min(days), max(days))
    named = [pattern.group for pattern in types[: len(_COLOURS)]]
    kinds = [trouble.error if trouble.error in named else _OTHERS for trouble in troubles]
    found = Counter(zip((steps.stretch(day, step) for day in days), kinds, strict=True))
    if len({stretch for stretch, _ in found}) < 2:
        return f"All of it happened on {days[0]} (UTC)."
    colours = dict(zip(named, _COLOURS, strict=False))
    if len(types) > len(named):
        colours[_OTHERS] = "@grey"
    places = {kind: place for place, kind in enumerate(colours)}
    rows = [
        stretch.as_row() | {"kind": kind, "place": places[kind], "errors": number}
        for (stretch, kind), number in sorted(found.items(), key=lambda item: item[0][0].begin)
    ]
    chart = (
        drawing.bars(chart_of(rows))
        .encode(
            y=drawing.amounts("sum(errors):Q", "errors and retries"),
            color=drawing.colours(colours),
            order=alt.Order("place:Q"),
            tooltip=[
                drawing.told("name", step),
                drawing.told("kind", "type"),
                alt.Tooltip("sum(errors):Q", title="errors and retries", format=",d"),
            ],
        )
        .properties(width="container", height=drawing.TALL)
    )
    note = f"By the {step} in which they happened (UTC)."
    return Figure("failures-time", "Errors and retries", chart, note, wide=True, legend=colours)


def _by_hour(troubles: Sequence[Trouble]) -> Figure:
    hours = {pattern.group: pattern for pattern in patterns.patterns(troubles, "hour")}
    rows = [
        {"hour": f"{hour:02}", "errors": found.count if (found := hours.get(f"{hour:02}")) else 0}
        for hour in range(24)
    ]
    chart = (
        chart_of(rows)
        .mark_bar(color="@blue")
        .encode(
            x=alt.X("hour:O", title=None, axis=alt.Axis(labelAngle=0, ticks=False)),
            y=drawing.amounts("errors:Q", "errors and retries"),
            tooltip=[drawing.told("hour", "hour"), drawing.told("errors", "errors and retries", ",d")],
        )
        .properties(width="container", height=drawing.LOW)
    )
    return Figure("failures-hours", "Hours of the day", chart, "When they happened, in New York.")


def _by_stage(troubles: Sequence[Trouble]) -> Figure:
    rows = [
        {"stage": pattern.group, "kind": kind, "place": place, "errors": number}
        for pattern in patterns.patterns(troubles, "stage")
        for place, (kind, number) in enumerate(
            zip(_FATES, (pattern.resolved, pattern.count - pattern.resolved), strict=True)
        )
        if number
    ]
    chart = (
        chart_of(rows)
        .mark_bar(size=24)
        .encode(
            x=alt.X(
                "sum(errors):Q",
                title="errors and retries",
                axis=alt.Axis(tickCount=4, labelExpr="format(datum.value, '.3~s')"),
            ),
            y=alt.Y("stage:N", title=None, sort="-x"),
            color=drawing.colours(_FATES),
            order=alt.Order("place:Q"),
            tooltip=[
                drawing.told("stage", "stage"),
                drawing.told("kind", "became"),
                alt.Tooltip("sum(errors):Q", title="errors and retries", format=",d"),
            ],
        )
        .properties(width="container", height=drawing.LOW)
    )
    note = "Where they happened, and what became of their dates."
    return Figure("failures-stages", "Stages", chart, note, legend=_FATES)
