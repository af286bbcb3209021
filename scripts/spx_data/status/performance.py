"""How fast dates were filled, what that took, and whether it changes.

A date's figures belong to the run that sealed it, so periods and trends follow the moment of the seal and not
the trading date: a slow week is a week in which this machine or the source was slow.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from spx_data.dates import ZONE
from spx_data.ledger import Kind
from spx_data.status.summary import Summary

Step = Literal["month", "week"]

_NEW_YORK = ZoneInfo(ZONE)

# A trend is named only where that many periods point one way so clearly that chance would do it in one of
# twenty cases (Mann-Kendall, two-sided, 5 %), and its slope is more than a trifle.
_PERIODS, _CRITICAL, _TRIFLE_PERCENT = 6, 1.96, 0.5


@dataclass(frozen=True)
class Performance:
    """What filling one trading date took; None is what the journal does not tell."""

    date: dt.date
    sealed_at: str  # UTC, ISO 8601
    rows: int
    bytes: int  # of the sealed Parquet
    duration_seconds: float | None
    records_per_minute: float | None
    mb_per_minute: float | None  # of sealed Parquet
    bytes_per_record: float | None
    requests: int
    requests_failed: int
    requests_failed_percent: float | None
    memory_peak_mb: float | None


@dataclass(frozen=True)
class Measure:
    """A figure that is followed over time; *up* and *down* say what its rising and falling mean."""

    name: str
    unit: str
    up: str
    down: str


MEASURES = (
    Measure("duration_seconds", "s", "dates take longer", "dates take less time"),
    Measure("records_per_minute", "rows/min", "filling gets faster", "filling gets slower"),
    Measure("mb_per_minute", "MB/min", "filling gets faster", "filling gets slower"),
    Measure("bytes_per_record", "bytes", "rows take more room", "rows take less room"),
    Measure("requests_failed_percent", "%", "more requests fail", "fewer requests fail"),
    Measure("memory_peak_mb", "MB", "jobs take more memory", "jobs take less memory"),
)


@dataclass(frozen=True)
class Period:
    """A month or a week: the median of each measure, and its change against the period before in percent."""

    name: str  # 2024-03 or 2024-W09
    dates: int
    rows: int
    medians: dict[str, float | None]
    changes: dict[str, float | None]


@dataclass(frozen=True)
class Trend:
    """Where a measure is going: a verdict only where the periods support one."""

    measure: Measure
    periods: int
    first: float | None
    last: float | None
    slope: float | None  # units a period: the median of the slopes between any two periods (Theil-Sen)
    slope_percent: float | None  # of the median period
    verdict: str


def performances(summaries: Iterable[Summary]) -> list[Performance]:
    """What each sealed date took, newest trading date first; without those whose seal nobody recorded."""
    found = [
        _performance(summary, at)
        for summary in summaries
        if summary.state.kind is Kind.SEALED and (at := summary.facts.sealed_at)
    ]
    return sorted(found, key=lambda line: line.date, reverse=True)


def _performance(summary: Summary, at: str) -> Performance:
    facts = summary.facts
    minutes = facts.duration_ms / 60_000 if facts.duration_ms else None
    return Performance(
        date=summary.date,
        sealed_at=at,
        rows=facts.rows,
        bytes=facts.bytes,
        duration_seconds=facts.duration_ms / 1000 if facts.duration_ms is not None else None,
        records_per_minute=_ratio(facts.rows, minutes, 0),
        mb_per_minute=_ratio(facts.bytes / 1e6, minutes, 3),
        bytes_per_record=_ratio(facts.bytes, facts.rows, 3),
        requests=facts.requests,
        requests_failed=facts.requests_failed,
        requests_failed_percent=_ratio(100 * facts.requests_failed, facts.requests, 2),
        memory_peak_mb=facts.memory_peak_mb,
    )


def _ratio(value: float, by: float | None, digits: int) -> float | None:
    return round(value / by, digits) if by else None


def periods(lines: Iterable[Performance], step: Step) -> list[Period]:
    """The *lines* by the month or the week (ISO 8601) in which they were sealed, oldest first."""
    groups: dict[str, list[Performance]] = {}
    for line in lines:
        groups.setdefault(_period_of(line, step), []).append(line)
    found: list[Period] = []
    for name, members in sorted(groups.items()):
        medians = {measure.name: _median(members, measure) for measure in MEASURES}
        before = found[-1].medians if found else dict.fromkeys(medians)
        changes = {key: _change(before[key], value) for key, value in medians.items()}
        found.append(Period(name, len(members), sum(line.rows for line in members), medians, changes))
    return found


def _period_of(line: Performance, step: Step) -> str:
    day = dt.datetime.fromisoformat(line.sealed_at).astimezone(_NEW_YORK).date()
    if step == "month":
        return f"{day:%Y-%m}"
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def _median(members: Sequence[Performance], measure: Measure) -> float | None:
    values = [value for line in members if (value := getattr(line, measure.name)) is not None]
    return round(statistics.median(values), 3) if values else None


def _change(before: float | None, value: float | None) -> float | None:
    return round(100 * (value / before - 1), 1) if before and value is not None else None


def trends(found: Sequence[Period]) -> list[Trend]:
    """Where each measure is going over the periods *found*, oldest first."""
    return [_trend(measure, [period.medians[measure.name] for period in found]) for measure in MEASURES]


def _trend(measure: Measure, medians: Sequence[float | None]) -> Trend:
    points = [(number, value) for number, value in enumerate(medians) if value is not None]
    values = [value for _, value in points]
    first, last = (values[0], values[-1]) if values else (None, None)
    if len(points) < _PERIODS:
        verdict = f"no verdict: {len(points)} of the {_PERIODS} periods it takes"
        return Trend(measure, len(points), first, last, None, None, verdict)
    pairs = itertools.combinations(points, 2)
    slope = statistics.median((after - before) / (j - i) for (i, before), (j, after) in pairs)
    middle = statistics.median(values)
    percent = round(100 * slope / middle, 1) if middle else None
    verdict = _verdict(measure, slope, percent, values)
    return Trend(measure, len(points), first, last, round(slope, 4), percent, verdict)


def _verdict(measure: Measure, slope: float, percent: float | None, values: Sequence[float]) -> str:
    if abs(_mann_kendall(values)) < _CRITICAL:
        return "no trend beyond chance"
    if not slope or (percent is not None and abs(percent) < _TRIFLE_PERCENT):
        return "steady"
    size = (
        f"{abs(percent):g} % a period" if percent is not None else f"{abs(slope):g} {measure.unit} a period"
    )
    return f"{measure.up if slope > 0 else measure.down}: {size}"


def _mann_kendall(values: Sequence[float]) -> float:
    """How many standard deviations the order of *values* is away from chance; ties count for neither side."""
    count = len(values)
    rises = sum((b > a) - (b < a) for a, b in itertools.combinations(values, 2))
    ties = sum(n * (n - 1) * (2 * n + 5) for value in set(values) if (n := values.count(value)) > 1)
    variance = (count * (count - 1) * (2 * count + 5) - ties) / 18
    if not rises or variance <= 0:
        return 0.0
    return (rises - math.copysign(1, rises)) / math.sqrt(variance)
