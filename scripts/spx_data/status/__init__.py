"""The status log, a SQLite file, and its summary: rebuilt from the tree, never read to decide anything."""

from __future__ import annotations

import datetime as dt

from spx_data import sessions
from spx_data.config import Settings
from spx_data.status import database
from spx_data.status.history import History
from spx_data.status.overview import Overview
from spx_data.status.summary import Facts, Summary, Trouble

__all__ = ["Facts", "Overview", "Summary", "Trouble", "overview", "read", "rebuild", "summaries"]


def read(settings: Settings, moment: dt.datetime) -> list[History]:
    """The history of every wanted session, and of every other date the tree knows, oldest first."""
    layout = settings.layout
    wanted = {session.date: session for session in sessions.wanted(settings, moment)}
    known = {dt.date.fromisoformat(path.stem) for path in layout.journals()}
    return [
        History.read(layout, date, wanted.get(date), moment, settings.patience)
        for date in sorted({*wanted, *known, *layout.dates_on_disk()})
    ]


def summaries(settings: Settings, moment: dt.datetime) -> list[Summary]:
    """The summary of every wanted session, and of every other date the tree knows, oldest first."""
    return [_summary(history) for history in read(settings, moment)]


def _summary(history: History) -> Summary:
    return Summary(history.date, history.state, Facts.of(history))


def overview(settings: Settings, moment: dt.datetime) -> Overview:
    """What stands where, without touching the database."""
    return Overview.of(summaries(settings, moment))


def rebuild(settings: Settings, moment: dt.datetime) -> Overview:
    """Write the status log anew from the tree; returns its summary.

    Raises:
        DatabaseTransactionError: the database cannot be written.
    """
    histories = read(settings, moment)
    database.write(settings, histories)
    return Overview.of([_summary(history) for history in histories])
