"""A terminal that does not answer: what the jobs of a run know of it, for those who watch the run.

A job that waits for the terminal says so in a note beside its lock: since when, when it asks again, when it
gives up. The note counts as long as the lock is held, so a job that was killed waits for nothing. Whichever
job hears the terminal again takes all of these notes away.

A terminal that one date gave up on is not asked by the others as if nothing had happened. The job that gives
up leaves a note in the temp directory. While it is there, every job asks the terminal once how it is before
it asks for data: a terminal still in trouble costs each remaining date one request and no patience, and a
terminal that is back is used at once.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from spx_data.errors import SpxDataError, TerminalDisconnectedError, ThetaTerminalNotRunningError
from spx_data.sources.source import Source
from spx_data.store import files, foreign, journal, locks, names, reads
from spx_data.store.layout import Layout
from spx_data.text.words import duration

DOWN = (ThetaTerminalNotRunningError, TerminalDisconnectedError)

_MOST_BYTES = 1 << 14  # of a note; ours have some hundred
_FARTHEST = dt.timedelta(days=366)  # no note of a run tells of a moment beyond


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


# What is known of it ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outage:
    """A terminal that has not answered a run *since* that moment.

    Some job asks it *again* then, and the last to wait gives up at *until*; of one that all have given up on,
    *again* is None and *until* when the first did.
    """

    since: dt.datetime
    again: dt.datetime | None
    until: dt.datetime

    def words(self, zone: dt.tzinfo | None = None, *, standing: bool = False) -> str:
        """It in a line, with moments of *zone*, or else of this machine's clock.

        Where the text is *standing*, as on a page, moments are named that a screen counts down to.
        """
        found = f"terminal not answering since {_clock(self.since, zone)}"
        if self.again is None:
            return f"{found}; given up at {_clock(self.until, zone)}; each date left asks once"
        seconds = (self.again - _now()).total_seconds()
        if standing:
            soon = f"at {_clock(self.again, zone, seconds=True)}"
        else:
            soon = f"in {duration(seconds)}" if seconds >= 1 else "now"
        return f"{found}; asking again {soon}; giving up at {_clock(self.until, zone)}"


def _clock(moment: dt.datetime, zone: dt.tzinfo | None, *, seconds: bool = False) -> str:
    """A moment as a clock shows it, with its date where that is not today's."""
    there, today = moment.astimezone(zone), _now().astimezone(zone).date()
    time = f"{there:%H:%M:%S}" if seconds else f"{there:%H:%M}"
    return (time if there.date() == today else f"{there.date()} {time}") + (" UTC" if zone is dt.UTC else "")


def of_run(layout: Layout, run: str) -> Outage | None:
    """What jobs of the *run* at work know of a terminal that does not answer; None where it answers.

    Jobs that wait for it agree: it is away since the earliest moment, asked again at the soonest, given up at
    the latest.
    """
    waits = [found for path in layout.job_notes(run) if _is_at_work(path) and (found := _Wait.read(path))]
    given_up = _GivenUp.read(layout)
    told = [given_up] if given_up and given_up.run == run else []
    if waits:
        since = min([wait.since for wait in waits] + [found.since for found in told])
        return Outage(since, min(wait.again for wait in waits), max(wait.until for wait in waits))
    return Outage(told[0].since, None, told[0].at) if told else None


def _is_at_work(note: Path) -> bool:
    """Whether the job that left *note* lives."""
    with suppress(SpxDataError):
        return locks.is_held(note.with_suffix(names.LOCK))
    return False


def _document(path: Path) -> dict[str, Any]:
    """What a note says; nothing where there is none, or none of ours."""
    with suppress(SpxDataError, ValueError):
        found = foreign.parsed(reads.content(path, _MOST_BYTES))
        return found if isinstance(found, dict) else {}
    return {}


def _moment(document: dict[str, Any], name: str) -> dt.datetime:
    """A moment of a note; raises ValueError where that is none of any run."""
    with suppress(LookupError, TypeError, OverflowError):
        found = dt.datetime.fromisoformat(document[name])
        if found.tzinfo is not None and abs(found - _now()) < _FARTHEST:
            return found
    raise ValueError(name)


class _Wait(NamedTuple):
    """What a job's note says."""

    since: dt.datetime
    again: dt.datetime
    until: dt.datetime

    @classmethod
    def read(cls, path: Path) -> _Wait | None:
        document = _document(path)
        with suppress(ValueError):
            return cls(*(_moment(document, name) for name in cls._fields))
        return None

    def write(self, path: Path) -> None:
        files.write_json(path, {name: value.isoformat() for name, value in self._asdict().items()})


class _GivenUp(NamedTuple):
    """What the note of a job says that gave up, in some run, *at* a moment."""

    run: str
    since: dt.datetime
    at: dt.datetime

    @classmethod
    def read(cls, layout: Layout) -> _GivenUp | None:
        document = _document(layout.terminal_down)
        with suppress(ValueError):
            return cls(str(document.get("run")), _moment(document, "since"), _moment(document, "at"))
        return None


# The jobs -----------------------------------------------------------------------------------------------


class Waiting:
    """The threads of one job that wait for the terminal."""

    def __init__(self, layout: Layout) -> None:
        self.since: dt.datetime | None = None  # when this job first found it down, of the present outage
        self._layout, self._run = layout, os.environ.get(journal.RUN_VARIABLE) or str(os.getpid())
        self._job = layout.lake.job_lock(self._run, os.getpid())
        self._note = self._job.with_suffix(names.NOTE)
        self._books, self._waits = threading.Lock(), dict[int, tuple[dt.datetime, dt.datetime]]()

    def wait(self, seconds: float, most: float) -> None:
        """Say that this thread asks again in so many *seconds*, and gives up after *most* of them."""
        with self._books, suppress(SpxDataError):  # nobody's work depends on it
            now = _now()
            if not self._note.exists():  # it has answered somebody, or was never away
                self._waits.clear()
                self.since = now
            self._waits[threading.get_ident()] = now + dt.timedelta(0, seconds), now + dt.timedelta(0, most)
            self._write()

    def leave(self) -> None:
        """Say that this thread waits no more, whatever came of it."""
        with self._books, suppress(SpxDataError):
            if self._waits.pop(threading.get_ident(), None) is None:
                return
            if not self._note.exists():
                self._waits.clear()
            if self._waits:
                self._write()
            else:
                files.remove(self._note)

    def answered(self) -> None:
        """Say for all jobs of the run that the terminal answers."""
        with suppress(SpxDataError):
            for path in self._layout.lake.job_notes(self._run):
                files.remove(path)
        self.since = None

    def _write(self) -> None:
        if self._job.exists():  # else nobody could tell whether this process lives
            assert self.since
            again, until = zip(*self._waits.values(), strict=True)
            _Wait(self.since, min(again), max(until)).write(self._note)


@contextmanager
def heeded(layout: Layout, source: Source) -> Iterator[Waiting]:
    """Ask *source* for data in the block, unless it was found down and still is; note it if it goes down.

    Raises:
        ThetaTerminalNotRunningError, TerminalDisconnectedError: it is down.
    """
    waiting = Waiting(layout)
    try:
        if layout.terminal_down.exists():
            source.check()
            files.remove(layout.terminal_down)
        yield waiting
    except DOWN as error:
        _give_up(layout, error, waiting.since)
        raise


def _give_up(layout: Layout, error: SpxDataError, since: dt.datetime | None) -> None:
    """Leave a note for the jobs to come; who gave up before in this run knows the beginning."""
    run, now = os.environ.get(journal.RUN_VARIABLE, ""), _now()
    with locks.locked(layout.lock("outage")):
        before = _GivenUp.read(layout)
        known = before if before and before.run == run else _GivenUp(run, since or now, now)
        first = min(known.since, since or now)
        note = {"run": run, "since": first.isoformat(), "at": known.at.isoformat()}
        files.write_json(layout.terminal_down, {**note, "error": type(error).__name__, "cause": error.cause})
