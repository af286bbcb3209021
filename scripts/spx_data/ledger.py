"""The state of each session, from files alone.

`state` is a pure function of a session's evidence and the clock, and everything else asks it: the
workflow's targets, the status log, the gaps. The SQLite log is never read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from spx_data import files, journal, sessions
from spx_data.config import Settings
from spx_data.errors import ApiDataNotFoundError
from spx_data.journal import Event
from spx_data.layout import Layout
from spx_data.sessions import Session


class Kind(StrEnum):
    """What a session is to us (requirements, C3)."""

    SEALED = "sealed"
    MISSING = "missing"  # never tried
    PARTIAL = "partial"  # begun, some of it staged, not ended in an error
    FAILED = "failed"  # the last try ended in an error
    NO_DATA = "no-data"  # the source says so


@dataclass(frozen=True)
class Evidence:
    """What the tree says about one session."""

    sealed: bool
    begun: bool  # something is staged
    events: Sequence[Event] = ()


@dataclass(frozen=True)
class State:
    """A session's kind, with the reason, the number of tries that failed and the last error's type."""

    kind: Kind
    reason: str = ""
    tries: int = 0
    error: str | None = None

    @property
    def is_gap(self) -> bool:
        """Whether the next run should fill it."""
        return self.kind not in {Kind.SEALED, Kind.NO_DATA}


def state(evidence: Evidence, moment: dt.datetime, recheck_days: float) -> State:
    """The one state of a session at *moment*.

    A date without data is a gap again once its evidence is *recheck_days* old.
    """
    if evidence.sealed:
        return State(Kind.SEALED)
    tries = sum(event["event"] == journal.FAILED for event in evidence.events)
    last = next((event for event in reversed(evidence.events) if is_outcome(event)), None)
    if last is not None and last["event"] == journal.NO_DATA:
        age = moment - dt.datetime.fromisoformat(last["at"])
        if age < dt.timedelta(days=recheck_days):
            return State(Kind.NO_DATA, last.get("cause", ""), tries, ApiDataNotFoundError.__name__)
    if last is not None and last["event"] == journal.FAILED:
        return State(Kind.FAILED, last.get("cause") or "no reason recorded", tries, last.get("error"))
    if evidence.begun:
        return State(Kind.PARTIAL, "begun and not finished", tries)
    return State(Kind.MISSING, "never tried" if not evidence.events else "not on disk", tries)


def is_outcome(event: Event) -> bool:
    """Whether *event* ends a try of the whole date (one expiration without data does not)."""
    if event["event"] == journal.NO_DATA:
        return "expiration" not in event
    return event["event"] in {journal.FAILED, journal.SEALED, journal.FINISHED}


def gather(layout: Layout, date: dt.date) -> Evidence:
    """The evidence about *date* in the tree; the journal is read only where it can matter."""
    if files.is_sealed(layout.parquet(date)):
        return Evidence(sealed=True, begun=False)
    return Evidence(
        sealed=False,
        begun=layout.listing(date).exists() or bool(layout.receipts(date)),
        events=journal.read(layout.journal(date)),
    )


def states(settings: Settings, moment: dt.datetime) -> dict[Session, State]:
    """The state of every wanted session, oldest first."""
    return {
        session: state(gather(settings.layout, session.date), moment, settings.no_data_recheck_days)
        for session in sessions.wanted(settings, moment)
    }


def missing_dates(states: Mapping[Session, State]) -> list[dt.date]:
    """The trading dates that the next run should fill, newest first."""
    return sorted((session.date for session, state in states.items() if state.is_gap), reverse=True)
