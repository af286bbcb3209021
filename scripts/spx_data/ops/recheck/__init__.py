"""Restatement radar: sealed dates fetched again and compared, cell by cell, with what is sealed.

A sealed day is never touched unless `recheck.restated` is `replace`, and then nothing of it is lost. What a
recheck finds is an event in the lake's journal, and a report where the source says something else today.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from spx_data.errors import ApiDataNotFoundError, DateValidationError, FileCorruptionError, SpxDataError
from spx_data.lake import passports, session_states
from spx_data.lake.verify import Standing, examine
from spx_data.market import sessions
from spx_data.market.sessions import Session
from spx_data.ops.recheck import versions
from spx_data.ops.recheck.compare import compare
from spx_data.ops.recheck.versions import (
    Action,
    Finding,
    Kind,
    Listing,
    Passport,
    is_of_other_api,
    write_report,
)
from spx_data.settings import Settings
from spx_data.store import dataset, faults, files, journal, locks, seals
from spx_data.store.journal import Event, Journal
from spx_data.store.layout import Layout

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """A date that was looked at again: what was found and where the report is, or the error instead."""

    date: dt.date
    finding: Finding | None = None
    action: Action | None = None
    folder: Path | None = None
    error: Exception | None = None


def recheck(settings: Settings) -> Iterator[Outcome]:
    """Look at each due date again; one bad date never stops the others.

    What every date would meet alike (the terminal is down, the disk is full) ends it: that outcome is the
    last one.
    """
    there, log = versions.aside(settings), Journal(settings.layout.lake_journal, versions.RECHECK)
    with alone(settings, versions.RECHECK):
        versions.drop_all(there.layout, stale_only=True)
        failed = False
        dates = dates_due(settings)
        hours = hours_of(settings, dates)
        for date in dates:
            outcome = _outcome(settings, there, date, hours.get(date))
            failed = failed or outcome.error is not None
            if not _ends_all(outcome.error):
                log.mention(journal.RECHECKED, date=date.isoformat(), **_event(outcome))
            yield outcome
            if _ends_all(outcome.error):
                return
        if not failed:  # else what is staged may be taken up
            with _tidying():
                versions.drop_all(there.layout)


def alone(settings: Settings, name: str) -> AbstractContextManager[None]:
    """Wait until nobody else is at work in the lake aside of that *name*."""
    lock = settings.layout.lock(name)
    return locks.locked(
        lock, waiting=lambda: _log.warning("another %s is at work (%s): waiting for its end", name, lock)
    )


def hours_of(settings: Settings, dates: Sequence[dt.date]) -> dict[dt.date, Session]:
    """The sessions of *dates* by the exchange calendar, which is loaded once."""
    found = sessions.between(settings.calendar, min(dates), max(dates)) if dates else []
    return {session.date: session for session in found}


@contextmanager
def _tidying() -> Iterator[None]:
    """Failing to remove what is no longer needed undoes no finding."""
    try:
        yield
    except SpxDataError as error:
        _log.warning("what was fetched again stays behind: %s", error)


def _ends_all(error: Exception | None) -> bool:
    return isinstance(error, SpxDataError) and error.surroundings


def _event(outcome: Outcome) -> dict[str, object]:
    """An outcome as fields of an event; a failed look counts too, or the same dates would always be next."""
    if outcome.error is not None:
        return {"changed": None, **journal.described(outcome.error)}
    assert outcome.finding is not None
    return {**outcome.finding.summary(), "action": outcome.action, "folder": outcome.folder}


def _outcome(settings: Settings, there: Settings, date: dt.date, session: Session | None) -> Outcome:
    try:
        finding = _look(settings, there, date, session)
        action, folder = None, None
        if finding.kind is not Kind.UNCHANGED:
            folder = new_folder(settings.layout, date)
            action = _act(settings, there, finding, folder)
        with _tidying():
            versions.drop(there.layout, date)
        return Outcome(date, finding, action, folder)
    except Exception as error:
        if not isinstance(error, SpxDataError):
            _log.error("%s: %s", date, traceback.format_exc())
        return Outcome(date, error=faults.of(error))


def _look(settings: Settings, there: Settings, date: dt.date, session: Session | None) -> Finding:
    """Fetch a sealed date again and compare; the sealed day's own bytes are checked before anything else."""
    before, sealed = sealed_passport(settings.layout, date), settings.layout.parquet(date)
    try:
        after = versions.fetch(there, date, session)
    except ApiDataNotFoundError as error:
        return Finding(date, before, None, compare(sealed, None), Listing((), (), {}), error.cause)
    dataset.check(settings.layout, after["dataset"])
    across = is_of_other_api(before, after)
    differences = compare(sealed, there.layout.parquet(date), across_apis=across)
    return Finding(date, before, after, differences, Listing.of(before, after))


def sealed_passport(layout: Layout, date: dt.date) -> Passport:
    """The passport of a sealed date, each byte of which is what was sealed.

    Raises:
        DateValidationError: the date is not sealed.
        FileCorruptionError: it is damaged, so there is nothing to compare with.
    """
    found = examine(layout, date, "bytes")
    if found.standing is Standing.DAMAGED:
        raise FileCorruptionError(
            f"the sealed day {date} is damaged and was not asked for again: "
            f"{'; '.join(map(str, found.findings))}",
            cure=f"`spx-data verify {date}` moves the damaged day away",
            path=layout.parquet(date),
            expected=dict(found.expected),
            actual=dict(found.found),
        )
    if found.standing is not Standing.HEALTHY:
        raise DateValidationError(
            f"{date} is not sealed: there is nothing to ask for again",
            cure=f"`spx-data process {date}` fills it",
        )
    return passports.read(layout, date, whole=True).document


def new_folder(layout: Layout, date: dt.date) -> Path:
    """A folder for the report on *date*, and for the version that is not the sealed one."""
    stamp = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S.%fZ}"
    return files.make_directory(layout.restatements(date) / stamp)


def _act(settings: Settings, there: Settings, finding: Finding, folder: Path) -> Action:
    """Report, keep or replace, as the settings say; a date without data has nothing to keep."""
    date, layout = finding.date, settings.layout
    write_report(finding, Action.REPORTED, folder)
    if settings.recheck.restated == "report" or finding.after is None:
        return Action.REPORTED
    if settings.recheck.restated == "keep":
        versions.keep(there.layout, date, folder / versions.AFTER)
        write_report(finding, Action.KEPT, folder)
        return Action.KEPT
    put_in_place(layout, there.layout, finding, folder)
    return Action.REPLACED


def put_in_place(layout: Layout, there: Layout, finding: Finding, folder: Path) -> None:
    """Let the version in the lake aside, *there*, be the sealed day; the one before goes to *folder*.

    Raises:
        SpxDataError: it could not be done; both versions are in *folder*, and a report that says so.
    """
    date, after = finding.date, finding.after
    assert after is not None
    versions.keep(there, date, folder / versions.AFTER)
    write_report(finding, Action.KEPT, folder)
    write_report(finding, Action.REPLACING, folder)
    # To the date it is the second half of a merge: readers of its journal after a stop know that word.
    log = Journal(layout.journal(date), "merge")
    with locks.alone(layout.day_lock(date)), log.attempt():
        versions.exchange(layout, date, folder)
        passport_sha256 = seals.read(layout.parquet(date)).passport
        log.mention(journal.SEALED, rows=after["rows"], **after["parquet"], passport_sha256=passport_sha256)
    write_report(finding, Action.REPLACED, folder)
    files.remove(folder / versions.AFTER)


def dates_due(settings: Settings) -> list[dt.date]:
    """The dates that this call rechecks: all that it names, else a sample of the sealed ones.

    A date named by itself is among them sealed or not; of a range, only what is sealed.
    """
    sealed = session_states.sealed_dates(settings.layout, settings.dates)
    ordered = by_last_look(sealed, journal.read(settings.layout.lake_journal))
    if settings.dates is None:
        return ordered[: settings.recheck.sample]
    return [date for date in settings.dates.single if date not in sealed] + ordered


def by_last_look(dates: Iterable[dt.date], events: Sequence[Event]) -> list[dt.date]:
    """*dates* in the order in which to look at them, by the lake's *events*.

    Never looked at comes first, then the look that is longest ago. Equals are ordered by a digest of the
    date, so that the first looks are spread over the lake instead of walking through its oldest month.
    """
    last = {
        str(event.get("date")): number
        for number, event in enumerate(events)
        if event["event"] == journal.RECHECKED
    }

    def place(date: dt.date) -> tuple[int, str]:
        day = date.isoformat()
        return last.get(day, -1), hashlib.sha256(day.encode()).hexdigest()

    return sorted(dates, key=place)
