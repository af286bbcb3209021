"""The state of each session, from files alone.

`state` is a pure function of a session's evidence and the clock, and everything else asks it: the
workflow's targets, the status log, the gaps. The SQLite log is never read.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import takewhile
from typing import NamedTuple

from spx_data.errors import ApiDataNotFoundError, FileCorruptionError
from spx_data.lake import calendar, endings
from spx_data.market.dates import Dates
from spx_data.market.products import Product
from spx_data.market.sessions import Session
from spx_data.settings import Patience, Settings
from spx_data.store import journal, seals, tree
from spx_data.store.journal import Event
from spx_data.store.layout import Layout
from spx_data.text.words import counted


class Kind(StrEnum):
    """What a session is to us."""

    SEALED = "sealed"
    MISSING = "missing"  # not tried yet, or gone
    PARTIAL = "partial"  # begun, some of it staged, not ended in an error
    FAILED = "failed"  # the last try ended in an error; what is staged of it is sealed in the end
    PARKED = "parked"  # nothing of it in so many runs that it is left alone until somebody asks for it
    NO_DATA = "no-data"  # the source says so, and is asked again, or the exchange was closed
    PENDING = "pending"  # the source cannot have it yet, or says so
    CORRUPT = "corrupt"  # sealed once, and no longer what was sealed
    ACCEPTED = "accepted"  # a person said: leave it, with a reason


class Evidence(NamedTuple):
    """What the tree says about one session."""

    sealed: bool = False
    begun: bool = False  # something is staged
    remains: bool = False  # some of the three sealed files are there, but they make no sealed day
    quarantined: bool = False  # damaged files of it were moved away
    events: Sequence[Event] = ()


class State(NamedTuple):
    """A session's kind, whether the next run is to fill it, and why.

    *tries* counts the failing runs since the date was last whole or reopened, without those that failed for
    the terminal's, the disk's or the settings' sake. Without an *error*, nothing is wrong with a date for
    which there is no data: the exchange was closed.
    """

    kind: Kind
    due: bool = False
    reason: str = ""
    tries: int = 0
    error: str | None = None  # the last error's type
    cure: str = ""  # that error's

    @property
    def is_settled(self) -> bool:
        """Whether the date is rightly without data: by a person's word, or by the vendor's calendar."""
        return self.kind is Kind.ACCEPTED or (self.kind is Kind.NO_DATA and self.error is None)

    def what_helps(self, date: dt.date) -> str:
        """What a person can do about *date*, which is in this state: a cure; empty where waiting is right."""
        match self.kind:
            case Kind.PARKED:
                return f"`spx-data retry {date} --force` retries it"
            case Kind.ACCEPTED:
                return f"`spx-data accept {date} --undo` opens it again"
        return f"`spx-data process {date}` fills it" if self.due else ""

    @property
    def words(self) -> str:
        """The kind, with what a person should know about it."""
        if not self.reason or self.kind in {Kind.MISSING, Kind.PARTIAL}:
            return self.kind.value
        if self.kind in {Kind.FAILED, Kind.PARKED}:
            after = f" after {self.tries} failing runs" if self.kind is Kind.PARKED else ""
            return f"{self.kind.value}{after}: {self.error}: {self.reason}"
        return f"{self.kind.value}: {self.reason}"


def state(
    evidence: Evidence, session: Session | None, moment: dt.datetime, patience: Patience, product: Product
) -> State:
    """The one state of a session of *product* at *moment*.

    A date that the calendar does not know (*session* is None) is never pending.
    """
    if evidence.sealed:
        return State(Kind.SEALED)
    events = evidence.events
    # What was sealed or moved away since is another matter than what a person spoke of.
    word = next((event for event in reversed(events) if event["event"] in _WORDS), None)
    if word is not None and word["event"] == journal.ACCEPTED:
        return State(Kind.ACCEPTED, reason=word.get("reason", ""))
    closes = session.options_close(product) if session else None
    if closes is not None and moment < closes:
        return State(Kind.PENDING, reason=f"trades until {closes:%H:%M} New York time")
    last = next((event for event in reversed(events) if is_outcome(event)), None)
    tries = len(set(failing_runs(events)))
    match last and last["event"]:
        case journal.NO_DATA:
            return _no_data(evidence, closes, moment, patience, tries)
        case journal.FAILED:
            return _failed(last or {}, events, tries, patience)
        case journal.QUARANTINED:
            reason = f"quarantined: {', '.join((last or {}).get('damages', []))}"
            return State(Kind.CORRUPT, True, reason, tries, FileCorruptionError.__name__)
    return _never_ended(evidence, last, tries)


_WORDS = frozenset({journal.ACCEPTED, journal.REOPENED, journal.SEALED, journal.QUARANTINED})
_FRESH_STARTS = frozenset({journal.SEALED, journal.QUARANTINED, journal.REOPENED})
_OUTCOMES = frozenset(
    {journal.FAILED, journal.SEALED, journal.FINISHED, journal.QUARANTINED, journal.REOPENED}
)

# How long the source's first "no data" for a date stands, its second, and so on; the last for all others. It
# is nearly always a day that comes late, so the first questions are close together, as those of a nightly and
# an hourly run are. A weekly run over years costs a source that has nothing one request a root.
PAUSES = (
    dt.timedelta(hours=1),
    dt.timedelta(hours=6),
    dt.timedelta(days=1),
    dt.timedelta(days=3),
    dt.timedelta(days=7),
)
# Words of the vendor's calendar for a day without trading (docs/wire.md, 11.4).
CLOSED = ("full_close", "weekend")


def is_outcome(event: Event) -> bool:
    """Whether *event* ends a try of the whole date (one expiration without data does not)."""
    if event["event"] == journal.NO_DATA:
        return "expiration" not in event
    return event["event"] in _OUTCOMES


def _since_the_start(events: Sequence[Event]) -> Iterator[tuple[int, Event]]:
    """The events since the last fresh start with their places, the newest first."""
    return takewhile(lambda item: item[1]["event"] not in _FRESH_STARTS, reversed(list(enumerate(events))))


def failing_runs(events: Sequence[Event]) -> Iterator[str | int]:
    """The runs that failed since the last fresh start, for reasons that lie with the date."""
    for number, event in _since_the_start(events):
        if event["event"] == journal.FAILED and not event.get("surroundings"):
            yield event.get("run") or number


def is_last_try(settings: Settings, date: dt.date) -> bool:
    """Whether the date has failed in so many runs before this one that `max_attempts` is reached with it.

    It is sealed then as it is. Runs count as in `State.tries`; where max_attempts is null, no try is ever the
    last.
    """
    most = settings.patience.max_attempts
    if most is None:
        return False
    events = endings.with_the_lost(settings.layout, journal.read(settings.layout.journal(date)))
    this = os.environ.get(journal.RUN_VARIABLE, "")
    return len(set(failing_runs(events)) - {this}) + 1 >= most


def _failed(last: Event, events: Sequence[Event], tries: int, patience: Patience) -> State:
    """The state of a date whose last try failed: held where any of its tries has staged a chain.

    What is staged is sealed in the end (decision 31), so that only a date with nothing at all is parked.
    """
    reason, error, cure = last.get("cause") or "no reason recorded", last.get("error"), _text(last, "cure")
    failures = (event for _, event in _since_the_start(events) if event["event"] == journal.FAILED)
    if any(_number(event, "staged") for event in failures):
        return State(Kind.FAILED, True, f"{_held(last, tries, patience)}: {reason}", tries, error, cure)
    if patience.max_attempts is not None and tries >= patience.max_attempts:
        return State(Kind.PARKED, False, reason, tries, error, cure)
    return State(Kind.FAILED, True, reason, tries, error, cure)


def _held(last: Event, tries: int, patience: Patience) -> str:
    """What a date waits for that has something staged, and how long."""
    chains = _number(last, "chains")
    what = f"held: {counted(chains, 'chain')} cannot be had" if chains else "held"
    if patience.max_attempts is None:
        return f"{what}; never sealed as it is, for processing.max_attempts is null"
    # The run that would be the last failing one seals (`is_last_try`).
    if (left := patience.max_attempts - 1 - tries) > 0:
        return f"{what}; sealed as it is after {counted(left, 'more failing run')}"
    return f"{what}; the next run seals it as it is"


def _number(event: Event, name: str) -> int:
    """A count in an event, or among the fields of its error; 0 where there is none."""
    fields = event.get("fields")
    found = event.get(name, fields.get(name) if isinstance(fields, dict) else None)
    return found if isinstance(found, int) else 0


def _text(event: Event, name: str) -> str:
    found = event.get(name)
    return found if isinstance(found, str) else ""


def _no_data(
    evidence: Evidence, closes: dt.datetime | None, moment: dt.datetime, patience: Patience, tries: int
) -> State:
    """What the source's "no data" means.

    Before a session's publication is due it means "not yet", and asking again costs little. After that it
    stands for a while, the longer the oftener it was given (`PAUSES`). Where the vendor's calendar has the
    date as closed, it stands for good.
    """
    answers = [event for _, event in _since_the_start(evidence.events) if _is_no_data(event)]
    word = next((word for event in answers if (word := _text(event, "vendor"))), "")
    if word in CLOSED:
        reason = f"unscheduled closure: the vendor's calendar says {word}"
        return State(Kind.NO_DATA, False, reason, tries)
    asked, error = _at(answers[0]), ApiDataNotFoundError.__name__
    due = _due(closes, patience)
    if moment < due:
        return State(Kind.PENDING, True, "the source has nothing yet", tries, error)
    times = len({event.get("run") or event["at"] for event in answers if _at(event) >= due})
    again = asked + PAUSES[min(times, len(PAUSES)) - 1] if times else due
    if moment < again:
        told = f"{_text(answers[0], 'cause')}; asked again from {again:%Y-%m-%d %H:%M} UTC on"
        return State(Kind.NO_DATA, False, told.removeprefix("; "), tries, error)
    if evidence.begun:
        return State(Kind.PARTIAL, True, "begun and not finished", tries, error)
    reason = f"asked again: the source had nothing {counted(times, 'time')} since it was due"
    return State(Kind.MISSING, True, reason, tries, error)


def _due(closes: dt.datetime | None, patience: Patience) -> dt.datetime:
    """When the source must have the day; where the calendar knows no session, it always must."""
    if closes is None:
        return dt.datetime.min.replace(tzinfo=dt.UTC)
    return closes + dt.timedelta(hours=patience.publication_hours)


def _at(event: Event) -> dt.datetime:
    return dt.datetime.fromisoformat(event["at"])


def _is_no_data(event: Event) -> bool:
    return event["event"] == journal.NO_DATA and is_outcome(event)


def _never_ended(evidence: Evidence, last: Event | None, tries: int) -> State:
    """The state of a date whose last try left no verdict that still stands."""
    was_whole = last is not None and last["event"] in {journal.SEALED, journal.FINISHED}
    if evidence.remains and (was_whole or not evidence.events) and not evidence.begun:
        reason = "what was sealed is not whole any more; `spx-data verify` says what is lost"
        return State(Kind.CORRUPT, True, reason, tries, FileCorruptionError.__name__)
    if evidence.begun:
        return State(Kind.PARTIAL, True, "begun and not finished", tries)
    if evidence.quarantined and last is None:
        return State(Kind.CORRUPT, True, "quarantined", tries, FileCorruptionError.__name__)
    return State(Kind.MISSING, True, "not on disk" if evidence.events else "never tried", tries)


def gather(layout: Layout, date: dt.date) -> Evidence:
    """The evidence about *date* in the tree; the journal is read only where it can matter."""
    if seals.is_sealed(layout.parquet(date)):
        return Evidence(sealed=True)
    return Evidence(
        begun=layout.listing(date).exists() or bool(layout.receipts(date)),
        remains=any(path.exists() for path in layout.sealed_files(date)),
        quarantined=layout.quarantine(date).is_dir(),
        events=endings.with_the_lost(layout, journal.read(layout.journal(date))),
    )


def states(settings: Settings, moment: dt.datetime) -> dict[Session, State]:
    """The state of every wanted session, oldest first."""
    wanted = calendar.wanted(settings, moment)
    return {session: current_state(settings, session.date, session, moment) for session in wanted}


def states_of(settings: Settings, dates: Sequence[dt.date], moment: dt.datetime) -> dict[dt.date, State]:
    """The state of each of *dates*, in their order, whether the settings want them or not."""
    if not dates:
        return {}
    known = {session.date: session for session in calendar.known(settings, min(dates), max(dates))}
    return {date: current_state(settings, date, known.get(date), moment) for date in dates}


def current_state(settings: Settings, date: dt.date, session: Session | None, moment: dt.datetime) -> State:
    """The state of *date* as its files say at *moment*; *session* is None where the calendar knows none."""
    return state(gather(settings.layout, date), session, moment, settings.patience, settings.product)


def missing_dates(states: Mapping[Session, State], within: Dates | None = None) -> list[dt.date]:
    """The trading dates that the next run should fill, newest first; of those *within*, where given."""
    due = (session.date for session, state in states.items() if state.due)
    return sorted((date for date in due if within is None or date in within), reverse=True)


def sealed_dates(layout: Layout, within: Dates | None = None) -> list[dt.date]:
    """The trading dates that are sealed, oldest first; of those *within*, where given."""
    dates = (date for date in tree.dates(layout) if within is None or date in within)
    return [date for date in dates if seals.is_sealed(layout.parquet(date))]
