"""One trading date in a line, of what its files say; and the lake in a few numbers, of such lines."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from spx_data.lake import session_states
from spx_data.lake.session_states import Kind, State
from spx_data.status import digest
from spx_data.status.digest import Digest, Numbers, Work
from spx_data.status.history import History
from spx_data.store import journal
from spx_data.store.journal import Event

S = TypeVar("S")  # a stretch of time

_ENDS = frozenset({journal.FINISHED, journal.FAILED})
_UNKNOWN = 3  # of what is unknown of a day, so much is kept in words


@dataclass(frozen=True)
class Trouble:
    """One failure or one retry; moments are UTC, ISO 8601."""

    date: str  # empty where a whole run failed before it came to any
    at: str
    event: str  # failed, retried, expiration-failed or run-failed
    error: str
    cause: str
    stage: str
    run: str
    root: str | None
    expiration: str | None
    attempt: int
    resolved_at: str | None  # when the date was sealed, or another run began, after it
    cure: str = ""

    @classmethod
    def of(cls, event: Event, date: str, mended_at: str | None) -> Trouble:
        """What *event* tells of; *mended_at* is when its cause was last gone, be it before or after it."""
        return cls(
            date=date,
            at=event["at"],
            event=event["event"],
            error=event["error"],
            cause=event["cause"],
            stage=event["stage"],
            run=event["run"],
            root=event.get("root"),
            expiration=event.get("expiration"),
            attempt=event["attempt"],
            resolved_at=mended_at if mended_at and mended_at >= event["at"] else None,
            cure=event["cure"],
        )


@dataclass(frozen=True)
class Facts:
    """What a date's files say, whatever the clock says; moments are UTC, ISO 8601."""

    chains: int = 0
    contracts: int | None = None
    contracts_missing: int | None = None
    complete: bool | None = None  # as its passport says
    unknown: Sequence[str] = ()  # what is not known of it, the first few, in words
    unknown_count: int = 0
    rows: int = 0
    bytes: int = 0  # of the sealed Parquet
    staged_bytes: int = 0
    sha256: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    sealed_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    duration_ms: int | None = None
    requests: int = 0
    requests_failed: int = 0  # answered with an error, or not at all
    runs: int = 0
    memory_peak_mb: float | None = None
    underlying_open: float | None = None
    underlying_high: float | None = None
    underlying_low: float | None = None
    underlying_close: float | None = None
    quality: Digest | None = None  # what `digest.of` says of a sealed date that was judged
    traffic: Numbers = ()  # its requests by the day they were made: see `digest.traffic`
    work: Work = field(default_factory=dict)  # what filling it took: see `digest.work_of`
    troubles: tuple[Trouble, ...] = ()

    @classmethod
    def of(cls, history: History) -> Facts:
        """The facts in a date's history."""
        events, chains, requests = history.events, history.chains, history.of_kind(journal.REQUEST)
        mended_at, date = history.sealed_at, history.date.isoformat()
        return cls(
            chains=sum(chain.rows > 0 for chain in chains),
            rows=sum(chain.rows for chain in chains),
            staged_bytes=sum(chain.bytes for chain in chains),
            sealed_at=mended_at,
            created_at=events[0]["at"] if events else None,
            updated_at=events[-1]["at"] if events else None,
            requests=len(requests),
            requests_failed=sum(not journal.is_answered(event) for event in requests),
            runs=len({event["run"] for event in history.of_kind(journal.STARTED)}),
            memory_peak_mb=max((event["memory_mb"] for event in events if event["event"] in _ENDS), default=0)
            or None,
            traffic=digest.traffic(requests),
            work=digest.work_of(events, history.passport or {}),
            troubles=tuple(Trouble.of(event, date, mended_at) for event in history.troubles),
            **_of_the_last_run(history),
            **_of_the_passport(history.passport or {}),
        )


def _of_the_last_run(history: History) -> dict[str, Any]:
    """When the last call of the workflow that touched the date began and ended with it, and its work."""
    last = history.events[-1]["run"] if history.events else ""
    events = [event for event in history.events if event["run"] == last]
    started = (event["at"] for event in events if event["event"] == journal.STARTED)
    ended = (event["at"] for event in reversed(events) if session_states.is_outcome(event))
    seconds = [event["seconds"] for event in events if event["event"] in _ENDS]
    return {
        "started_at": next(started, None),
        "completed_at": None if history.state.kind is Kind.PARTIAL else next(ended, None),
        "duration_ms": round(1000 * sum(seconds)) if seconds else None,
    }


def _of_the_passport(passport: Mapping[str, Any]) -> dict[str, Any]:
    completeness, parquet = passport.get("completeness", {}), passport.get("parquet", {})
    underlying = passport.get("underlying") or {}
    unknown = [str(each) for each in completeness.get("unknown") or []]
    return {
        "contracts": completeness.get("contracts_received"),
        "contracts_missing": completeness.get("contracts_missing"),
        "complete": completeness.get("complete"),
        "unknown": unknown[:_UNKNOWN],
        "unknown_count": len(unknown) + (completeness.get("unknown_more") or 0),
        "bytes": parquet.get("bytes", 0),
        "sha256": parquet.get("sha256"),
        **{f"underlying_{name}": underlying.get(name) for name in ("open", "high", "low", "close")},
        "quality": digest.of(passport) if passport else None,
    }


@dataclass(frozen=True)
class Summary:
    """One trading date: its state now, and the facts behind it."""

    date: dt.date
    state: State
    facts: Facts

    @property
    def is_incomplete(self) -> bool:
        """Whether it is sealed, and its passport says that some of it could not be had."""
        return self.state.kind is Kind.SEALED and self.facts.complete is False

    @property
    def lack(self) -> str:
        """What is unknown of an incomplete date, in words; empty where nothing is told."""
        told = self.facts.unknown
        if not self.is_incomplete or not told:
            return ""
        more = self.facts.unknown_count - len(told)
        return f"incomplete: {'; '.join(told)}" + (f"; and {more:,} more" if more else "")


@dataclass(frozen=True)
class Overview:
    """The lake at a glance, oldest date first."""

    dates: Sequence[Summary]

    @property
    def last_activity(self) -> str | None:
        """When something last happened to any date (UTC, ISO 8601)."""
        return max((at for line in self.dates if (at := line.facts.updated_at)), default=None)

    def count(self, kind: Kind) -> int:
        """Number of dates of *kind*."""
        return sum(line.state.kind is kind for line in self.dates)

    @property
    def incomplete(self) -> int:
        """Number of sealed dates of which some could not be had."""
        return sum(line.is_incomplete for line in self.dates)

    @property
    def rows(self) -> int:
        """Sealed rows."""
        return sum(line.facts.rows for line in self.dates if line.state.kind is Kind.SEALED)

    @property
    def bytes(self) -> int:
        """Bytes of sealed Parquet."""
        return sum(line.facts.bytes for line in self.dates)


@dataclass(frozen=True)
class Reach:
    """The sessions that could be sealed by now, and how many are."""

    sessions: int
    sealed: int
    first: dt.date | None  # the longest stretch of sealed sessions without a hole
    last: dt.date | None
    unbroken: int  # how many they are


def reach(summaries: Iterable[Summary]) -> Reach:
    """How far the dates reach, oldest first.

    A session that is still to come counts for nothing; one without data, or accepted as it is, ends no
    stretch: there is nothing to fetch.
    """
    asked = [summary for summary in summaries if summary.state.kind is not Kind.PENDING]
    best: list[dt.date] = []
    stretch: list[dt.date] = []  # goes on as the best one where it is that
    for summary in asked:
        if summary.state.kind is Kind.SEALED:
            stretch.append(summary.date)
        elif summary.state.kind not in {Kind.NO_DATA, Kind.ACCEPTED}:
            stretch = []
        if len(stretch) > len(best):
            best = stretch
    sealed = sum(summary.state.kind is Kind.SEALED for summary in asked)
    first, last = (best[0], best[-1]) if best else (None, None)
    return Reach(len(asked), sealed, first, last, len(best))


def states(summaries: Iterable[Summary], of: Callable[[dt.date], S]) -> dict[S, Counter[Kind]]:
    """How many sessions of each kind a stretch of time has, *of* a date being the one in which it lies."""
    found: dict[S, Counter[Kind]] = {}
    for summary in summaries:
        found.setdefault(of(summary.date), Counter())[summary.state.kind] += 1
    return found
