"""How fast dates are filled, and with how much memory; what went wrong, when, and what became of it."""

from __future__ import annotations

import datetime as dt
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from spx_data.report import drawing
from spx_data.report.dashboard import periods
from spx_data.report.dashboard.view import View
from spx_data.report.drawing import Figure, chart_of, told
from spx_data.report.page import Content, Part
from spx_data.status import Trouble, trends
from spx_data.status import failures as of_dates
from spx_data.status.failures import Pattern
from spx_data.status.trends import Performance, Period
from spx_data.text.words import count, counted, duration, minute


@dataclass(frozen=True)
class _Measure:
    """A figure of each sealed date that has a chart."""

    column: str  # of the shared dates
    name: str  # of `Performance`
    title: str
    unit: str
    told: str  # in a tooltip
    colour: str
    height: int = drawing.LOW


_MEASURES = (
    _Measure(
        *("rows_a_minute", "records_per_minute", "Records per minute", "records/min", "records per minute"),
        *("@blue", drawing.TALL),
    ),
    _Measure("seconds", "duration_seconds", "Time per date", "s", "duration, s", "@green"),
    _Measure("memory", "memory_peak_mb", "Memory peak", "MB", "memory peak, MB", "@purple"),
)
# Of the trends; bytes follow records.
_FOLLOWED = {*(measure.name for measure in _MEASURES), "requests_failed_percent"}

_COLOURS = ("@vermilion", "@orange", "@purple", "@blue", "@sky", "@green")
_OTHERS = "others"
_FATES = {"date sealed since": "@sealed", "date not sealed": "@failed"}
_SUM = {"sum(errors)": ("errors and retries", ",d")}  # in a tooltip


def speed(view: View) -> Content:
    """What each sealed date took."""
    lines = view.performances
    if not lines:
        return Content("Nothing sealed yet.")
    if len({minute(line.sealed_at) for line in lines}) < 2:
        return Content(_pace(lines), [_at_once(lines)])
    moments = sorted(dt.datetime.fromisoformat(line.sealed_at).date() for line in lines)
    step = periods.coarse(moments[0], moments[-1])
    found = trends.periods(lines, trends.FILLING, step)
    moving = [each for each in trends.trends(found, trends.FILLING) if each.measure.name in _FOLLOWED]
    return Content(
        _pace(lines),
        [_over_time(measure, lines, found) for measure in _MEASURES],
        {"trends": periods.in_words(moving, len(found), step)},
    )


def _pace(lines: Sequence[Performance]) -> str:
    timed = [line for line in lines if line.duration_seconds is not None and line.records_per_minute]
    if not timed:
        return f"{counted(len(lines), 'date')} sealed; no journal has a duration."
    took = statistics.median(line.duration_seconds or 0.0 for line in timed)
    pace = statistics.median(line.records_per_minute or 0.0 for line in timed)
    return (
        f"Median {duration(took)} per date, {count(pace)} records per minute ({counted(len(timed), 'date')})."
    )


def _at_once(lines: Sequence[Performance]) -> str:
    peaks = [line.memory_peak_mb for line in lines if line.memory_peak_mb is not None]
    memory = f"; memory peak {count(max(peaks))} MB" if peaks else ""
    return f"All sealed at {minute(lines[0].sealed_at)} UTC{memory}."


def _over_time(measure: _Measure, lines: Sequence[Performance], found: Sequence[Period]) -> Part:
    """The measure of each date at the moment of its seal, and the medians of the periods as a line."""
    values = [value for line in lines if (value := getattr(line, measure.name)) is not None]
    if len(values) < 2:
        return f"{measure.title}: fewer than two dates have a value."
    each = drawing.points(drawing.shared(f"isValid(datum.{measure.column})"), len(values)).encode(
        x=drawing.time("moment"),
        y=drawing.amounts(f"{measure.column}:Q", measure.unit, values),
        color=alt.value(measure.colour),
        tooltip=told(date="date", sealed="sealed (UTC)", **{measure.column: (measure.told, ",~r")}),
    )
    line = drawing.medians(periods.medians(found, lambda period: period.medians[measure.name]))
    return Figure(
        f"speed-{measure.column}",
        measure.title,
        alt.layer(each, *line),
        "Each date at the time it was sealed (UTC)." + (" Line: medians." if line else ""),
        measure.height,
        wide=measure.height > drawing.LOW,
        canvas=True,
    )


# What went wrong ----------------------------------------------------------------------------------------


def failures(view: View) -> Content:
    """The errors and retries of all journals."""
    troubles = of_dates.troubles(view.dates)
    types = of_dates.patterns(troubles, "type")
    found = [_by_date(troubles, types), _by_hour(troubles), _by_stage(troubles)] if troubles else []
    return Content(_became(troubles), found, {"types": types})


def _became(troubles: Sequence[Trouble]) -> str:
    if not troubles:
        return "No errors, no retries."
    resolved = sum(trouble.resolved_at is not None for trouble in troubles)
    dates = len({trouble.date for trouble in troubles})
    became = (
        "all of these dates are sealed since"
        if resolved == len(troubles)
        else f"{count(len(troubles) - resolved)} on dates not sealed since"
    )
    return f"{counted(len(troubles), 'error')} and retries on {counted(dates, 'date')}; {became}."


def _by_date(troubles: Sequence[Trouble], types: Sequence[Pattern]) -> Part:
    """The errors by when they happened, stacked by type, the most frequent type at the bottom."""
    days = [dt.date.fromisoformat(trouble.at[:10]) for trouble in troubles]
    step = periods.fitting(min(days), max(days))
    named = [pattern.group for pattern in types[: len(_COLOURS)]]
    kinds = [trouble.error if trouble.error in named else _OTHERS for trouble in troubles]
    found = Counter(zip((periods.stretch(day, step) for day in days), kinds, strict=True))
    if len({stretch for stretch, _ in found}) < 2:
        return f"All on {days[0]} (UTC)."
    colours = dict(zip(named, _COLOURS, strict=False))
    if len(types) > len(named):
        colours[_OTHERS] = "@grey"
    places = {kind: place for place, kind in enumerate(colours)}
    rows = [
        stretch.as_row() | {"kind": kind, "place": places[kind], "errors": number}
        for (stretch, kind), number in sorted(found.items(), key=lambda item: item[0][0].begin)
    ]
    chart = drawing.bars(rows).encode(
        y=drawing.counts("sum(errors):Q", "errors and retries", len(troubles)),
        color=drawing.colours(colours),
        order=alt.Order("place:Q"),
        tooltip=told(name=step, kind="type", **_SUM),
    )
    note = f"By {step} (UTC)."
    return Figure("failures-time", "Errors and retries", chart, note, drawing.TALL, wide=True, legend=colours)


def _by_hour(troubles: Sequence[Trouble]) -> Figure:
    hours = {pattern.group: pattern for pattern in of_dates.patterns(troubles, "hour")}
    rows = [
        {"hour": f"{hour:02}", "errors": found.count if (found := hours.get(f"{hour:02}")) else 0}
        for hour in range(24)
    ]
    chart = (
        chart_of(rows)
        .mark_bar(color="@blue")
        .encode(
            x=alt.X("hour:O", title=None, axis=alt.Axis(labelAngle=0, ticks=False)),
            y=drawing.counts(
                "errors:Q", "errors and retries", max(pattern.count for pattern in hours.values())
            ),
            tooltip=told(hour="hour", errors=("errors and retries", ",d")),
        )
    )
    return Figure("failures-hours", "Errors by hour", chart, "New York time.")


def _by_stage(troubles: Sequence[Trouble]) -> Figure:
    rows = [
        {"stage": pattern.group, "kind": kind, "place": place, "errors": number}
        for pattern in of_dates.patterns(troubles, "stage")
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
                axis=drawing.numbers(len(troubles), whole=True),
            ),
            y=alt.Y("stage:N", title=None, sort="-x"),
            color=drawing.colours(_FATES),
            order=alt.Order("place:Q"),
            tooltip=told(stage="stage", kind="outcome", **_SUM),
        )
    )
    note = "By stage of the work, and whether the date is sealed since."
    return Figure("failures-stages", "Errors by stage", chart, note, legend=_FATES)
