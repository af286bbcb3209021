"""What lists, trends and alerts need of a passport and a journal: little enough to be kept for ten years.

A digest is JSON, so that it is the same whether it was read just now or remembered. Beside it are the date's
requests by the day they were made: how many, how many in vain, and how soon answered. Of latencies it keeps
how many fall into each class, a class being 2^(1/8) (9 %) wider than the one before: a few numbers a
date, which add up over dates and days. A quantile lies in its class, as far up as its rank, and is right
within 9 %.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spx_data.store import journal
from spx_data.store.journal import Event

Digest = Mapping[str, Any]

_BALANCE = ("expected", "received", "explained", "missing")
_OF_A_CHECK = ("check", "hits", "of", "unit", "score", "part", "chains", "chains_of")
_WHOLE = 100.0  # points
CONFLICT = "conflict"  # what `records` calls records that contradict each other


def of(passport: Mapping[str, Any]) -> Digest | None:
    """The digest of a *passport*; None where it is of a day that nobody judged.

    `parts` has the points of each part; `lost` the checks that cost any, the costliest first, as code, hits,
    of how many, unit, points, part, and chains with hits of those looked at; `contracts` and `stamps` what
    was expected, received, explained and missing;
    `rejects` bad rows, duplicates dropped and conflicts; `expirations` what `expirations` understands.
    """
    quality = passport.get("quality")
    if quality is None:
        return None
    completeness, rejects = passport["completeness"], passport.get("rejects") or {}
    figures = quality["figures"]
    return {
        "parts": {name: part["score"] for name, part in quality["parts"].items()},
        "lost": _lost(quality["checks"]),
        "contracts": [completeness.get(f"contracts_{name}") for name in _BALANCE],
        "stamps": [completeness.get(f"stamps_{name}") for name in _BALANCE],
        "complete": completeness.get("complete"),
        "rejects": _rejects(rejects),
        "spread_median": figures.get("spread_median"),
        "iv_level": figures.get("iv_level"),
        "rows": passport["rows"],
        "minutes": _minutes(passport),
        "findings": (passport.get("session") or {}).get("findings") or [],
        "expirations": _expirations(passport),
        "profile": _profile(passport),
    }


def _lost(checks: list[dict[str, Any]]) -> list[list[Any]]:
    costly = [check for check in checks if check["score"] is not None and check["score"] < _WHOLE]
    costly.sort(key=lambda check: (check["score"], check["check"]))
    return [[check[name] for name in _OF_A_CHECK] for check in costly]


def _rejects(rejects: Mapping[str, Any]) -> list[int | None]:
    """Bad records, duplicates dropped and conflicts, of which both versions stand among the rejects."""
    rows = rejects.get("rows")
    bad = None if rows is None else rows - rejects["reasons"].get(CONFLICT, 0)
    return [bad, rejects.get("duplicates_dropped"), rejects.get("conflicts")]


def _profile(passport: Mapping[str, Any]) -> list[Any]:
    """The digest of the terminal's profile that a day was judged by, and what it met otherwise."""
    told = passport.get("profile") or {}
    return [told.get("sha256"), told.get("differs") or []]


def _minutes(passport: Mapping[str, Any]) -> float | None:
    """From the first stamp that the session and the lake's window allow to the last one, in minutes."""
    session = passport.get("session")
    if session is None:
        return None
    first, last = (
        dt.datetime.fromisoformat(session[name]) for name in ("first_stamp_expected", "last_stamp_expected")
    )
    minutes = (last - first).total_seconds() / 60
    return minutes if minutes > 0 else None


def _expirations(passport: Mapping[str, Any]) -> str:
    """The listed expirations as root and days to them: `SPX 14 42;SPXW 0 1 2`, a fifth of their dates."""
    date = dt.date.fromisoformat(passport["date"]).toordinal()
    found: dict[str, list[int]] = {}
    for chain in passport["chains"]:
        found.setdefault(chain["root"], []).append(_ordinal(chain["expiration"]) - date)
    return ";".join(f"{root} {' '.join(map(str, sorted(days)))}" for root, days in sorted(found.items()))


@functools.lru_cache(maxsize=8192)
def _ordinal(date: str) -> int:
    """The ordinal of a date, of which thousands of passports have the same ones."""
    return dt.date.fromisoformat(date).toordinal()


def expirations(digest: Digest, date: dt.date) -> Iterator[tuple[str, dt.date]]:
    """The root and the expiration of each chain that was listed on *date*."""
    for line in filter(None, digest["expirations"].split(";")):
        root, *days = line.split(" ")
        for number in days:
            yield root, date + dt.timedelta(int(number))


# The traffic of a date, a line for each day: see `traffic`.
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


def traffic(requests: Iterable[Event]) -> list[list[Any]]:
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
            found.setdefault(day, Traffic()).add(_added(numbers))
    return {dt.date.fromisoformat(day): traffic for day, traffic in sorted(found.items())}


def _added(numbers: Sequence[Any]) -> Traffic:
    requests, lost, size, latencies = numbers
    return Traffic(requests, lost, size, Counter(dict(latencies)))


# What filling a date took, by what plans need -------------------------------------------------------------
#
# `fill` is when the run that sealed the date first was at work on it, and what it brought of it. `sizes` are
# its chains by their size, a class being the contracts of which the next power of two has no more. `flight`
# are its requests by how many were in flight at the terminal when each ended; those of which that is not
# known are left out. All of it is JSON, and adds up over dates.


Work = Mapping[str, Any]

_REFUSED = 429  # docs/wire.md, 8: the queue is full


@dataclass(frozen=True)
class Fill:
    """The run that sealed a date first: moments in UTC, and how many of the day's rows it brought."""

    begun: dt.datetime
    ended: dt.datetime
    rows: int


def work_of(events: Sequence[Event], passport: Mapping[str, Any]) -> Work:
    """The work that a date's *events* and its *passport*, which may be empty, tell of."""
    return {"fill": _fill(events), "sizes": _sizes(passport), "flight": _flight(events)}


def fill_of(work: Work) -> Fill | None:
    """The run that sealed the date first; None where its journal does not tell."""
    if not (found := work.get("fill")):
        return None
    begun, ended, rows = found
    return Fill(dt.datetime.fromtimestamp(begun, dt.UTC), dt.datetime.fromtimestamp(ended, dt.UTC), rows)


def _fill(events: Sequence[Event]) -> list[Any] | None:
    sealed = next((event for event in events if event["event"] == journal.SEALED), None)
    if sealed is None or not sealed["run"]:
        return None
    mine = [event for event in events if event["run"] == sealed["run"] and event["at"] <= sealed["at"]]
    started = next((event for event in mine if event["event"] == journal.STARTED), None)
    rows = sum(_whole(event.get("rows")) for event in mine if event["event"] == journal.STAGED)
    if started is None or not rows:
        return None
    return [_epoch(started), _epoch(sealed), rows]


def _epoch(event: Event) -> float:
    return round(dt.datetime.fromisoformat(event["at"]).timestamp(), 3)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and value > 0 else 0.0


def _sizes(passport: Mapping[str, Any]) -> list[list[Any]]:
    """Class, chains, contracts, rows, bytes of checkpoints and seconds, of the chains that have rows."""
    found: dict[int, list[Any]] = {}
    for chain in passport.get("chains") or ():
        if contracts := _whole(chain.get("contracts_received")):
            sums = found.setdefault(1 << (contracts - 1).bit_length(), [0, 0, 0, 0, 0.0])
            sums[0] += 1
            sums[1] += contracts
            sums[2] += _whole(chain["rows"])
            sums[3] += _whole(chain["checkpoint"]["bytes"])
            sums[4] += _number(chain.get("seconds"))
    return [[size, *sums[:4], round(sums[4], 3)] for size, sums in sorted(found.items())]


def _flight(events: Sequence[Event]) -> list[list[Any]]:
    """In flight, requests, refused (429), bytes and seconds of those that were answered."""
    found: dict[int, list[Any]] = defaultdict(lambda: [0, 0, 0, 0.0])
    for event in events:
        if event["event"] != journal.REQUEST or not (number := _whole(event.get("in_flight"))):
            continue
        sums = found[number]
        sums[0] += 1
        if event.get("status") == _REFUSED:
            sums[1] += 1
        elif journal.is_answered(event):
            sums[2] += _whole(event.get("bytes"))
            sums[3] += _number(event.get("seconds"))
    return [[number, *sums[:3], round(sums[3], 3)] for number, sums in sorted(found.items())]


def added(works: Sequence[Work], name: str) -> dict[int, list[float]]:
    """The sums of all *works* under *name*, `sizes` or `flight`, by class or by number."""
    found: dict[int, list[float]] = {}
    for each in works:
        for key, *numbers in each.get(name) or ():
            sums = found.setdefault(key, [0] * len(numbers))
            for place, number in enumerate(numbers):
                sums[place] += number
    return dict(sorted(found.items()))
