"""How fast dates were filled, what that took, and whether it changes.

A date's figures belong to the run that sealed it, so periods and trends follow the moment of the seal and not
the trading date: a slow week is a week in which this machine or the source was slow.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from spx_data.lake.session_states import Kind
from spx_data.market.dates import ZONE
from spx_data.status import trends as over_time
from spx_data.status.summary import Summary
from spx_data.status.trends import Measure, Period, Step, Trend

_NEW_YORK = ZoneInfo(ZONE)


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


MEASURES = (
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


def periods(lines: Iterable[Performance], step: Step) -> list[Period]:
    """The *lines* by the month or the week (ISO 8601) in which they were sealed, oldest first."""
    return over_time.periods(lines, MEASURES, _sealed_on, step)


def _sealed_on(line: Performance) -> dt.date:
    """The day of the seal in New York."""
    return dt.datetime.fromisoformat(line.sealed_at).astimezone(_NEW_YORK).date()


def trends(found: Sequence[Period]) -> list[Trend]:
    """Where each measure is going over the periods *found*, oldest first."""
    return over_time.trends(found, MEASURES)
