"""How fast dates are filled, and with how much memory."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from spx_data.report.dashboard import drawing, parts, steps
from spx_data.report.dashboard.parts import Part
from spx_data.report.dashboard.view import View
from spx_data.report.drawing import CANVAS
from spx_data.report.page import Figure, Section
from spx_data.status import performance
from spx_data.status.performance import Performance
from spx_data.status.trends import Period
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
    wide: bool = False


_MEASURES = (
    _Measure(
        "rows_a_minute",
        "records_per_minute",
        "Records a minute",
        "records/min",
        "records a minute",
        "@blue",
        True,
    ),
    _Measure("seconds", "duration_seconds", "Time a date takes", "s", "took, s", "@green"),
    _Measure("memory", "memory_peak_mb", "Memory peak", "MB", "memory peak, MB", "@purple"),
)
# Of the trends; bytes follow records.
_FOLLOWED = {*(measure.name for measure in _MEASURES), "requests_failed_percent"}


def section(view: View) -> Section:
    """The section: how fast dates are filled, and with how much memory."""
    lines = view.performances
    if not lines:
        return parts.section("speed", "Speed", "Nothing is sealed yet, so nothing was timed.")
    if len({minute(line.sealed_at) for line in lines}) < 2:
        return parts.section("speed", "Speed", _lead(lines), [_at_once(lines)])
    moments = sorted(dt.datetime.fromisoformat(line.sealed_at).date() for line in lines)
    step = steps.coarse(moments[0], moments[-1])
    periods = performance.periods(lines, step)
    return parts.section(
        "speed",
        "Speed",
        _lead(lines),
        [_over_time(measure, lines, periods) for measure in _MEASURES],
        trends=parts.in_words(
            [trend for trend in performance.trends(periods) if trend.measure.name in _FOLLOWED],
            len(periods),
            step,
        ),
    )


def _lead(lines: Sequence[Performance]) -> str:
    timed = [line for line in lines if line.duration_seconds is not None and line.records_per_minute]
    if not timed:
        return f"{counted(len(lines), 'date')} sealed, and no journal says how long that took."
    took = statistics.median(line.duration_seconds or 0.0 for line in timed)
    pace = statistics.median(line.records_per_minute or 0.0 for line in timed)
    return (
        f"A date usually takes {duration(took)} of work: {count(pace)} records a minute "
        f"(median of {counted(len(timed), 'date')})."
    )


def _at_once(lines: Sequence[Performance]) -> str:
    peaks = [line.memory_peak_mb for line in lines if line.memory_peak_mb is not None]
    memory = f", with at most {count(max(peaks))} MB of memory" if peaks else ""
    return f"All of it was sealed at {minute(lines[0].sealed_at)} (UTC){memory}."


def _over_time(measure: _Measure, lines: Sequence[Performance], periods: Sequence[Period]) -> Part:
    """The measure of each date at the moment of its seal, and the medians of the periods as a line."""
    values = [value for line in lines if (value := getattr(line, measure.name)) is not None]
    if len(values) < 2:
        return f"{measure.title}: fewer than two dates tell."
    each = drawing.points(drawing.shared(f"isValid(datum.{measure.column})"), len(values)).encode(
        x=drawing.time("moment"),
        y=drawing.amounts(f"{measure.column}:Q", measure.unit, values),
        color=alt.value(measure.colour),
        tooltip=[
            drawing.told("date", "date"),
            drawing.told("sealed", "sealed (UTC)"),
            drawing.told(measure.column, measure.told, ",~r"),
        ],
    )
    line = _medians(measure, periods)
    chart = alt.layer(each, *([line] if line else [])).properties(
        width="container",
        height=drawing.TALL if measure.wide else drawing.LOW,
        usermeta=CANVAS,
    )
    note = "Dates by the moment of their seal (UTC)" + ("; the line is medians." if line else ".")
    return Figure(f"speed-{measure.column}", measure.title, chart, note, wide=measure.wide)


def _medians(measure: _Measure, periods: Sequence[Period]) -> alt.Chart | None:
    rows = [
        {"middle": steps.named(period.name).middle.isoformat(), "median": period.medians[measure.name]}
        for period in periods
        if period.medians[measure.name] is not None
    ]
    if len(rows) < 2:
        return None
    return drawing.medians(rows)
