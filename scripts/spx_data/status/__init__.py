"""The status log, a SQLite file: what lists and pages read of the lake, and nothing decides by.

Each reader refreshes it from the tree: a date's files are read again only where one of their signatures
(size, time of the last change, inode) or the date's state is another than the log has. Whether a date is
sealed, and its state, is looked up every time. Where the log cannot be written, the files answer alone.
"""

from __future__ import annotations

import datetime as dt
import gc
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple

from spx_data.errors import SpxDataError
from spx_data.lake import calendar
from spx_data.settings import Settings
from spx_data.status import database, quality, tables
from spx_data.status.database import Change, Log
from spx_data.status.history import History, Looker, Sight
from spx_data.status.summary import Facts, Overview, Summary, Trouble
from spx_data.store import tree
from spx_data.store.tree import Tree

__all__ = ["Facts", "Overview", "Summary", "Trouble", "overview", "read", "rebuild", "refresh", "summaries"]


def read(settings: Settings, moment: dt.datetime) -> Iterator[History]:
    """The history of every wanted session, and of every other date the tree knows, oldest first.

    One at a time: the events of ten years fill hundreds of megabytes.
    """
    return (sight.history() for sight in _sights(settings, moment))


def summaries(settings: Settings, moment: dt.datetime, walked: Tree | None = None) -> list[Summary]:
    """The summary of every wanted session, and of every other date the tree knows, oldest first.

    *walked* is what `tree.walk` has given, where that is done already.
    """
    with _no_cycles():
        looked_ns, log = time.time_ns(), database.read(settings.layout.database)
        sights = list(_sights(settings, moment, walked))
        if _is_news(sights, log, looked_ns):
            with suppress(SpxDataError):
                return _refreshed(settings, sights, log, looked_ns)
        return [Summary(sight.date, sight.state, _facts(sight, log)) for sight in sights]


def overview(settings: Settings, moment: dt.datetime, walked: Tree | None = None) -> Overview:
    """What stands where; *walked* as for `summaries`."""
    return Overview(summaries(settings, moment, walked))


def refresh(settings: Settings, moment: dt.datetime) -> Overview:
    """Bring the status log up to date; returns its summary.

    Raises:
        DatabaseSchemaError: what stands there was not written by this project.
        DatabaseConnectionError, DatabaseTransactionError: the database cannot be written.
    """
    return _written(settings, moment, database.read(settings.layout.database))


def rebuild(settings: Settings, moment: dt.datetime) -> Overview:
    """Write the status log anew from the tree, like `refresh`, whatever there is of it."""
    return _written(settings, moment, database.NO_LOG)


def _written(settings: Settings, moment: dt.datetime, log: Log) -> Overview:
    from spx_data.sources.retry import retrying  # here, because lists ask once, and need not load it

    with _no_cycles():
        looked_ns, sights = time.time_ns(), list(_sights(settings, moment))
        return Overview(retrying(lambda: _refreshed(settings, sights, log, looked_ns)))


@contextmanager
def _no_cycles() -> Iterator[None]:
    """Keep Python from looking for cycles in what has none: hundreds of thousands of events."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _sights(settings: Settings, moment: dt.datetime, walked: Tree | None = None) -> Iterator[Sight]:
    """Every wanted session and every other date the tree knows, oldest first."""
    layout = settings.layout
    wanted = {session.date: session for session in calendar.wanted(settings, moment)}
    known = {dt.date.fromisoformat(path.stem) for path in layout.journals()}
    on_disk = walked.dates if walked else tree.dates(layout)
    looker = Looker(settings, moment)
    return (looker.at(date, wanted.get(date)) for date in sorted({*wanted, *known, *on_disk}))


def _is_known(sight: Sight, log: Log) -> bool:
    there = log.dates.get(sight.date)
    return there is not None and there.sources == sight.sources and sight.settled(log.looked_ns)


def _is_news(sights: Sequence[Sight], log: Log, now_ns: int) -> bool:
    """Whether *log* lacks what it could keep; what is still changing is not worth writing it for."""
    if not any(sight.changed_ns for sight in sights):
        return False
    if log.file is None:
        return True
    lost = log.dates.keys() - {sight.date for sight in sights}
    return bool(lost) or any(sight.settled(now_ns) and not _is_known(sight, log) for sight in sights)


def _facts(sight: Sight, log: Log) -> Facts:
    return log.dates[sight.date].facts if _is_known(sight, log) else Facts.of(sight.history())


def _refreshed(settings: Settings, sights: Sequence[Sight], log: Log, looked_ns: int) -> list[Summary]:
    """The summaries of *sights*, which stand in the log then."""
    with database.changing(settings, log, looked_ns) as change:
        log, found, read = change.log, list[Summary](), set[dt.date]()
        for date in log.dates.keys() - {sight.date for sight in sights}:
            change.forget(date)
        for sight in sights:
            if _is_known(sight, log):
                found.append(Summary(sight.date, sight.state, _facts(sight, log)))
                continue
            history = sight.history()
            facts = Facts.of(history)
            change.forget(sight.date)
            change.put(tables.rows_of(history, facts, sight.sources))
            read.add(sight.date)
            found.append(Summary(sight.date, sight.state, facts))
        _score(change, settings, found, read)
        change.configure(settings)
    return found


def _score(change: Change, settings: Settings, found: Sequence[Summary], read: set[dt.date]) -> None:
    """Bring the scores up to date: those of the dates *read*, or all where what they hang on has changed."""
    habits = quality.habits(found)
    hang_on = json.dumps([[astuple(habit) for habit in habits.values()], settings.quality])
    every = change.rests_on(hang_on)
    for summary, digest in quality.judged(found):
        if every or summary.date in read:
            day = quality.day(summary.date, digest, settings.quality, habits)
            change.put(tables.rows_of_judged(day, summary.facts.sealed_at))
