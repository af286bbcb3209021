"""The requests of the dates by the day they were made: how many, how many in vain, and how soon answered.

Of latencies it keeps how many fall into each class, a class being 2^(1/8) (9 %) wider than the one before.
That is a few numbers a date, which add up over dates and days; a quantile lies in its class, as far up as its
rank, and is right within 9 %.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from spx_data.store import journal
from spx_data.store.journal import Event

# The traffic of a date, a line for each day: see `facts`.
Numbers = Sequence[Sequence[Any]]

_CLASSES = 8  # of each doubling
_LEAST_SECONDS = 0.001  # what the journal's clock tells apart


@dataclass
class Traffic:
    """Requests that were made within one stretch of time."""

    requests: int = 0
    failed: int = 0  # answered with an error, or not at all
    bytes: int = 0  # of the answers
    latencies: Counter[int] = field(default_factory=Counter)  # of what was answered, by class

    def add(self, other: Traffic) -> None:
        """Take the requests of *other* in."""
        self.requests += other.requests
        self.failed += other.failed
        self.bytes += other.bytes
        self.latencies.update(other.latencies)

    @property
    def failed_percent(self) -> float:
        """How many requests of a hundred failed."""
        return 100 * self.failed / self.requests if self.requests else 0.0

    def latency(self, share: float) -> float | None:
        """The seconds in which that *share* of the answers was there; None where nothing was answered."""
        rank = share * self.latencies.total()
        for number, count in sorted(self.latencies.items()):
            if rank <= count:
                return float(2 ** ((number + rank / count) / _CLASSES))
            rank -= count
        return None


def facts(requests: Iterable[Event]) -> list[list[Any]]:
    """The traffic of these events by the day (UTC) they were made, as JSON can spell it: see `by_day`."""
    days: dict[str, list[Event]] = {}
    for event in requests:
        days.setdefault(event["at"][:10], []).append(event)
    return [[day, *_numbers(events)] for day, events in sorted(days.items())]


def _numbers(events: Sequence[Event]) -> list[Any]:
    """Requests, those that failed, bytes, and how many answers fell into each class of latency."""
    seconds = [event.get("seconds") for event in events if journal.is_answered(event)]
    lost, size = len(events) - len(seconds), sum(event.get("bytes") or 0 for event in events)
    # One expression for all of them: there are hundreds of thousands in a lake of ten years.
    log2, floor, least = math.log2, math.floor, _LEAST_SECONDS
    latencies = Counter(
        [floor(_CLASSES * log2(one if one > least else least)) for one in seconds if one is not None]
    )
    return [len(events), lost, size, [list(pair) for pair in sorted(latencies.items())]]


def by_day(dates: Iterable[Numbers]) -> dict[dt.date, Traffic]:
    """The traffic of all *dates* by the day (UTC) the requests were made, oldest first."""
    found: dict[str, Traffic] = {}
    for date in dates:
        for day, *numbers in date:
            found.setdefault(day, Traffic()).add(_traffic(numbers))
    return {dt.date.fromisoformat(day): traffic for day, traffic in sorted(found.items())}


def _traffic(numbers: Sequence[Any]) -> Traffic:
    requests, lost, size, latencies = numbers
    return Traffic(requests, lost, size, Counter(dict(latencies)))
