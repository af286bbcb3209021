"""What filling a date took, by what plans need: few numbers of its journal and passport, kept in the log.

`fill` is when the run that sealed the date first was at work on it, and what it brought of it. `sizes` are
its chains by their size, a class being the contracts of which the next power of two has no more. `flight` are
its requests by how many were in flight at the terminal when each ended; those of which that is not known are
left out. All of it is JSON, and adds up over dates.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spx_data.store import journal
from spx_data.store.journal import Event

Work = Mapping[str, Any]

_REFUSED = 429  # docs/wire.md, 8: the queue is full


@dataclass(frozen=True)
class Fill:
    """The run that sealed a date first: moments in UTC, and how many of the day's rows it brought."""

    begun: dt.datetime
    ended: dt.datetime
    rows: int


def of(events: Sequence[Event], passport: Mapping[str, Any]) -> Work:
    """The work that a date's *events* and its *passport*, which may be empty, tell of."""
    return {"fill": _fill(events), "sizes": _sizes(passport), "flight": _flight(events)}


def fill(work: Work) -> Fill | None:
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
