"""How tries ended that could not say it themselves: their job was killed, or never came to its first line.

A try that has begun and has no end counts as failed, unless its run is at work or was stopped on purpose.
What outlives the jobs writes that into the journal: Snakemake's own process at the end of a run, and the
next run for one that died as a whole. Until then readers of the journal are told it (`with_the_lost`).
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import shlex
import signal
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from spx_data.errors import JobCrashedError, JobDiedError, SpxDataError
from spx_data.lake import runs
from spx_data.lake.alike import likeness
from spx_data.store import journal, reads, seals
from spx_data.store.journal import Event, Journal
from spx_data.store.layout import Layout

# The stage of each rule that works on a date.
STAGES = {"fetch_expirations": "list", "download_expirations": "download", "merge_date": "merge"}

_LAST_BYTES = 1 << 16
_STEPS = frozenset({journal.STARTED, journal.FINISHED, journal.FAILED, journal.SEALED, journal.STOPPED})
_CURE = "Run the workflow again: it goes on from what is staged"
# What a library does to a process on data that it cannot bear; every other signal comes from outside.
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE})
_MEANINGS = {
    signal.SIGKILL: "the system does that where memory runs out; so does kill -9",
    signal.SIGTERM: "somebody, or the machine's shutdown, ended it",
    signal.SIGHUP: "its terminal was closed",
    signal.SIGBUS: "a file that it was reading went away, or the disk failed",
}
_SIGNAL = re.compile(r"died with <Signals\.(SIG[A-Z0-9]+)")
_LOG = re.compile(r" 2> (.+)' returned non-zero exit status 1\.")  # as the rules call their scripts
_STATUS = re.compile(r"returned non-zero exit status (\d+)")


def with_the_lost(layout: Layout, events: Sequence[Event]) -> Sequence[Event]:
    """The *events* of a date, and a failure at their end where its last try has none and nobody is at it."""
    begun = _open_try(events)
    if begun is None or begun["run"] in _excused(layout):
        return events
    at = next(event["at"] for event in reversed(events) if event["run"] == begun["run"])
    told = {"at": at, "event": journal.FAILED, "stage": begun["stage"], "run": begun["run"]}
    lost = journal.checked({**told, **journal.described(_lost())})
    return [*events, *filter(None, [lost])]


def _open_try(events: Sequence[Event]) -> Event | None:
    """The start of the last try among *events*; None where it has come to an end."""
    last = next((event for event in reversed(events) if _is_step(event)), None)
    return last if last is not None and last["event"] == journal.STARTED else None


def _is_step(event: Event) -> bool:
    if event["event"] == journal.NO_DATA:
        return "expiration" not in event
    return event["event"] in _STEPS


def _excused(layout: Layout) -> set[str]:
    """The runs whose tries may be without an end: the one at work, and one that was asked to stop."""
    named = (runs.current(layout), runs.last(layout))
    return {run.name for run in named if run and (run is named[0] or runs.was_stopped(layout, run.name))}


def _lost() -> JobDiedError:
    return JobDiedError("its job ended without a word: killed, out of memory, or the power went", cure=_CURE)


# The end of a run ---------------------------------------------------------------------------------------


class Death(NamedTuple):
    """What the engine said of a job that failed: its rule, the job's log, and the engine's own words.

    *elsewhere* is what the executor said that had sent it to other machines.
    """

    rule: str
    log: Path
    words: str
    elsewhere: str = ""


class EngineErrors(logging.Filter):
    """Hears Snakemake's log: *jobs* has its words about each job that failed.

    Snakemake tells an error's cause, and then, from the same thread, which job it was: some twenty lines. Of
    a job whose log ends like that of one before there is one line.
    """

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[int, str] = {}
        self.elsewhere: dict[int, str] = {}
        self._said: dict[int | None, tuple[str, int]] = {}  # by thread: the cause, and how many were alike
        self._alike: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Take note of one error; says whether Snakemake is to print it."""
        if record.levelno < logging.ERROR:
            return True
        job = getattr(record, "jobid", None)
        if job is None:
            words = record.getMessage()
            before = self._before(words)
            self._said[record.thread] = words, before
            return not before
        self.jobs[job], before = self._said.pop(record.thread, ("", 0))
        # Behind its first sentence is advice, which is for any workflow.
        self.elsewhere[job] = str(getattr(record, "rule_msg", None) or "").partition(". ")[0]
        if before:
            logs = ", ".join(map(str, getattr(record, "log", None) or ()))
            # An event would have it formatted as a whole report.
            record.__dict__.update(
                event=None, msg=f"{record.getMessage()}: like {before:,} before it ({logs})", args=()
            )
        return True

    def _before(self, words: str) -> int:
        """How many jobs failed before for the reason that a job has in its log, which *words* name."""
        found, why = _LOG.search(words), ""
        with suppress(ValueError, OSError):  # it may be a rule of somebody else's, who calls things otherwise
            why = _last_line(Path(*shlex.split(found[1]))) if found else ""
        if not why:
            return 0
        key = likeness(why)
        self._alike[key] += 1
        return self._alike[key] - 1


def settle(
    layout: Layout,
    run: str,
    dates: Iterable[dt.date],
    deaths: Mapping[dt.date, Death] | None = None,
    *,
    stopped: bool,
) -> None:
    """Give each try of *run* that has no end one: stopped, if that was wanted, or else failed.

    *deaths* are what the engine said of the dates' jobs; a job that never came to its first line left
    nothing but that. What cannot be written into a journal stays as it is.
    """
    for date in dates:
        if seals.is_sealed(layout.parquet(date)):
            continue
        mine = [event for event in journal.read(layout.journal(date)) if event["run"] == run]
        begun, death = _open_try(mine), (deaths or {}).get(date)
        if begun is None and (death is None or _told(mine, STAGES[death.rule])):
            continue
        stage = begun["stage"] if begun else STAGES[death.rule] if death else ""
        error = _of_death(death) if death else _lost()
        log = Journal(layout.journal(date), stage)
        if stopped:
            log.mention(journal.STOPPED, run=run)
        else:
            log.mention(journal.FAILED, **journal.described(error), seconds=0.0, run=run)


def settle_last(layout: Layout) -> None:
    """Do that for the last run of the lake, which is over; one that came to its end has settled it all."""
    run = runs.last(layout)
    if run is not None:
        settle(layout, run.name, run.dates, stopped=runs.was_stopped(layout, run.name))


def _told(events: Sequence[Event], stage: str) -> bool:
    """Whether the last try of *stage* has said how it ended."""
    last = next((event for event in reversed(events) if event["stage"] == stage and _is_step(event)), None)
    return last is not None and last["event"] != journal.FINISHED


def _of_death(death: Death) -> JobDiedError:
    """The error that *death* was."""
    if death.elsewhere:
        cause = f"the job {death.rule} failed on another machine: {' '.join(death.elsewhere.split())}"
        return JobDiedError(cause, cure=_CURE, rule=death.rule, log=str(death.log))
    signalled, status = _SIGNAL.search(death.words), _STATUS.search(death.words)
    if signalled:
        return _of_signal(death, signalled[1])
    how = f"ended with status {status[1]}" if status else "could not be run"
    why = _last_line(death.log) or " ".join(death.words.split()) or "nobody said why"
    return JobDiedError(f"the job {death.rule} {how}: {why}", cure=_CURE, rule=death.rule, log=str(death.log))


def _of_signal(death: Death, name: str) -> JobDiedError:
    number = signal.Signals[name] if name in signal.Signals.__members__ else None
    fields = {"rule": death.rule, "log": str(death.log), "signal": name}
    if number in _CRASHES:
        return JobCrashedError(f"the job {death.rule} crashed ({name})", cure=_CURE, **fields)
    meaning = f": {_MEANINGS[number]}" if number in _MEANINGS else ""
    return JobDiedError(f"the job {death.rule} was ended by {name}{meaning}", cure=_CURE, **fields)


def _last_line(log: Path) -> str:
    """The last line in a job's log that says something; empty where there is none."""
    try:
        lines = reads.end(log, _LAST_BYTES).decode(errors="replace").splitlines()
    except SpxDataError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
