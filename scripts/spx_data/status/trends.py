"""Figures over months and weeks: medians of each period, and where they are going; what filling dates took.

Whatever is followed, the rules are the same: a trend is named only where the periods support one.
How fast dates were filled, what that took, and whether it changes.

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
from typing import Literal, Protocol, TypeVar
from zoneinfo import ZoneInfo

from spx_data.lake.session_states import Kind
from spx_data.market.dates import ZONE
from spx_data.status.summary import Summary

_NEW_YORK = ZoneInfo(ZONE)

Step = Literal["month", "week"]

# A trend is named only where that many periods point one way so clearly that chance would do it in one of
# twenty cases (Mann-Kendall, two-sided, 5 %), and its slope is more than a trifle.
_PERIODS, _CRITICAL, _TRIFLE_PERCENT = 6, 1.96, 0.5
_CHANCE, _STEADY = "no trend beyond chance", "steady"


class Line(Protocol):
    """What is followed: one date's figures, each a field with the name of a `Measure`."""

    @property
    def rows(self) -> int:
        """The rows of the date."""

    @property
    def counted_on(self) -> dt.date:
        """The day whose month and week it belongs to."""


L = TypeVar("L", bound=Line)


@dataclass(frozen=True)
class Measure:
    """A figure that is followed over time; *up* and *down* say what its rising and falling mean."""

    name: str
    unit: str
    up: str
    down: str
    digits: int = 3  # of a median


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

    @property
    def moves(self) -> bool:
        """Whether the periods say that it changes, and by more than a trifle."""
        return self.slope is not None and self.verdict not in {_CHANCE, _STEADY}


def periods(lines: Iterable[L], measures: Sequence[Measure], step: Step) -> list[Period]:
    """The *lines* by the month or the week (ISO 8601) that they count on, oldest first."""
    groups: dict[str, list[L]] = {}
    for line in lines:
        groups.setdefault(_name(line.counted_on, step), []).append(line)
    found: list[Period] = []
    for name, members in sorted(groups.items()):
        medians = {measure.name: _median(members, measure) for measure in measures}
        before = found[-1].medians if found else dict.fromkeys(medians)
        changes = {key: _change(before[key], value) for key, value in medians.items()}
        found.append(Period(name, len(members), sum(line.rows for line in members), medians, changes))
    return found


def _name(day: dt.date, step: Step) -> str:
    if step == "month":
        return f"{day:%Y-%m}"
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def _median(members: Sequence[Line], measure: Measure) -> float | None:
    values = [value for line in members if (value := getattr(line, measure.name)) is not None]
    return round(statistics.median(values), measure.digits) if values else None


def _change(before: float | None, value: float | None) -> float | None:
    return round(100 * (value / before - 1), 1) if before and value is not None else None


def trends(found: Sequence[Period], measures: Sequence[Measure]) -> list[Trend]:
    """Where each measure is going over the periods *found*, oldest first."""
    return [_trend(measure, [period.medians[measure.name] for period in found]) for measure in measures]


def _trend(measure: Measure, medians: Sequence[float | None]) -> Trend:
    points = [(number, value) for number, value in enumerate(medians) if value is not None]
    values = [value for _, value in points]
    first, last = (values[0], values[-1]) if values else (None, None)
    if len(points) < _PERIODS:
        verdict = f"needs {_PERIODS} periods, has {len(points)}"
        return Trend(measure, len(points), first, last, None, None, verdict)
    pairs = itertools.combinations(points, 2)
    slope = statistics.median((after - before) / (j - i) for (i, before), (j, after) in pairs)
    middle = statistics.median(values)
    percent = round(100 * slope / middle, 1) if middle else None
    verdict = _verdict(measure, slope, percent, values)
    return Trend(measure, len(points), first, last, round(slope, measure.digits + 1), percent, verdict)


def _verdict(measure: Measure, slope: float, percent: float | None, values: Sequence[float]) -> str:
    if abs(_mann_kendall(values)) < _CRITICAL:
        return _CHANCE
    if not slope or (percent is not None and abs(percent) < _TRIFLE_PERCENT):
        return _STEADY
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

    @property
    def counted_on(self) -> dt.date:
        """The day of the seal in New York."""
        return dt.datetime.fromisoformat(self.sealed_at).astimezone(_NEW_YORK).date()


FILLING = (
    Measure("duration_seconds", "s", "dates take longer", "dates take less time"),
    Measure("records_per_minute", "rows/min", "filling gets faster", "filling gets slower"),
    Measure("mb_per_minute", "MB/min", "filling gets faster", "filling gets slower"),
    Measure("bytes_per_record", "bytes", "rows take more room", "rows take less room"),
    Measure("requests_failed_percent", "%", "more requests fail", "fewer requests fail"),
    Measure("memory_peak_mb", "MB", "jobs take more memory", "jobs take less memory"),
)


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
