"""One trading date in a line: what lists, estimates, trends and alerts need of its history."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from spx_data.lake.session_states import Kind, State
from spx_data.status import traffic
from spx_data.status.digest import Digest
from spx_data.status.history import History
from spx_data.status.traffic import Numbers
from spx_data.store import journal
from spx_data.store.journal import Event

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
    quality: Digest | None = None  # what `status.digest` says of a sealed date that was judged
    traffic: Numbers = ()  # its requests by the day they were made: see `status.traffic`
    troubles: tuple[Trouble, ...] = field(default=())

    @classmethod
    def of(cls, history: History) -> Facts:
        """The facts in a date's history."""
        passport = history.passport or {}
        completeness, parquet = passport.get("completeness", {}), passport.get("parquet", {})
        underlying = passport.get("underlying") or {}
        requests = history.of_kind(journal.REQUEST)
        unknown = [str(each) for each in completeness.get("unknown") or []]
        return cls(
            chains=history.chains_with_rows,
            contracts=completeness.get("contracts_received"),
            contracts_missing=completeness.get("contracts_missing"),
            complete=completeness.get("complete"),
            unknown=unknown[:_UNKNOWN],
            unknown_count=len(unknown) + (completeness.get("unknown_more") or 0),
            rows=history.chain_rows,
            bytes=parquet.get("bytes", 0),
            staged_bytes=history.chain_bytes,
            sha256=parquet.get("sha256"),
            started_at=history.started_at,
            completed_at=history.completed_at,
            sealed_at=history.sealed_at,
            created_at=history.events[0]["at"] if history.events else None,
            updated_at=history.events[-1]["at"] if history.events else None,
            duration_ms=history.duration_ms,
            requests=len(requests),
            requests_failed=sum(not journal.is_answered(event) for event in requests),
            runs=len({event["run"] for event in history.of_kind(journal.STARTED)}),
            memory_peak_mb=history.memory_peak_mb,
            underlying_open=underlying.get("open"),
            underlying_high=underlying.get("high"),
            underlying_low=underlying.get("low"),
            underlying_close=underlying.get("close"),
            quality=history.digest,
            traffic=traffic.facts(requests),
            troubles=tuple(_troubles(history)),
        )


def _troubles(history: History) -> Iterator[Trouble]:
    for event in history.troubles:
        yield Trouble.of(event, history.date.isoformat(), history.sealed_at)


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
