"""How a day came to be sealed, as its journal tells it: stages and requests in sum, troubles one by one."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from spx_data.store import journal
from spx_data.store.journal import Event

_TROUBLES = (journal.RETRIED, journal.EXPIRATION_FAILED, journal.FAILED)
_TURNS = (journal.QUARANTINED, journal.ACCEPTED, journal.REOPENED, journal.NO_DATA)


@dataclass(frozen=True)
class Requests:
    """The requests of a day; what was not told of any is None."""

    count: int
    retried: int
    bytes: int
    median_seconds: float | None
    longest_seconds: float | None
    first_at: str | None
    last_at: str | None
    statuses: Mapping[str, int]  # how often each was answered; "none" where nothing was
    hosts: Sequence[str]  # where the terminal was

    @classmethod
    def of(cls, events: Sequence[Event]) -> Requests:
        """The requests among *events*, oldest first."""
        asked = [event for event in events if event["event"] == journal.REQUEST]
        seconds = list(_numbers(asked, "seconds"))
        return cls(
            count=len(asked),
            retried=sum(event["event"] == journal.RETRIED for event in events),
            bytes=int(sum(_numbers(asked, "bytes"))),
            median_seconds=statistics.median(seconds) if seconds else None,
            longest_seconds=max(seconds, default=None),
            first_at=asked[0]["at"] if asked else None,
            last_at=asked[-1]["at"] if asked else None,
            statuses=Counter(str(event.get("status") or "none") for event in asked),
            hosts=sorted(set(filter(None, map(_host, asked)))),
        )


def stages(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Each stage of each run that touched the day, oldest first, with what it did."""
    return [
        _stage(run, stage, list(found))
        for (run, stage), found in groupby(events, key=lambda event: (event["run"], event["stage"]))
    ]


def troubles(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """Each failure and each retry, oldest first; and what else became of the day."""
    for event in events:
        if event["event"] in _TROUBLES:
            yield _told(event, event["error"], event["cause"])
        elif event["event"] in _TURNS:
            yield _told(event, "", _turn(event))


def _stage(run: str, stage: str, found: Sequence[Event]) -> dict[str, Any]:
    kinds = Counter(event["event"] for event in found)
    ends = [event for event in found if event["event"] in (journal.FINISHED, journal.FAILED)]
    return {
        "run": run,
        "stage": stage,
        "at": found[0]["at"],
        "seconds": sum(event["seconds"] for event in ends) if ends else None,
        "requests": kinds[journal.REQUEST],
        "bytes": int(sum(_numbers((event for event in found if event["event"] == journal.REQUEST), "bytes"))),
        "staged": kinds[journal.STAGED],
        "retried": kinds[journal.RETRIED],
        "failed": kinds[journal.EXPIRATION_FAILED],
        "end": _end(kinds),
    }


def _end(kinds: Mapping[str, int]) -> str:
    """How a stage ended; nothing is known of one that was killed."""
    for kind in (journal.SEALED, journal.FAILED, journal.FINISHED, *_TURNS):
        if kinds.get(kind):
            return kind
    return "interrupted" if kinds.get(journal.STARTED) else ""


def _told(event: Event, error: str, cause: str) -> dict[str, Any]:
    chain = f"{event.get('root') or ''} {event.get('expiration') or ''}".strip()
    return {
        "at": event["at"],
        "event": event["event"],
        "stage": event["stage"],
        "chain": chain,
        "error": error,
        "cause": cause,
        "attempt": event.get("attempt") or None,
    }


def _turn(event: Event) -> str:
    """What is known of an event that is no error: a reason, a cause, damages."""
    return str(event.get("reason") or event.get("cause") or "; ".join(event.get("damages") or ()))


def _numbers(events: Iterable[Event], name: str) -> Iterator[float]:
    """The values of *name* that are numbers: a journal may hold anything."""
    for event in events:
        value = event.get(name)
        if isinstance(value, int | float) and abs(value) < 1e15:
            yield value


def _host(event: Event) -> str | None:
    with suppress(ValueError, TypeError, AttributeError):
        parts = urlsplit(event["url"])
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None
    return None
