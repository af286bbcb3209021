"""The status log, a SQLite file, and its summary: rebuilt from the tree, never read to decide anything."""

from __future__ import annotations

import datetime as dt

from spx_data import sessions
from spx_data.config import Settings
from spx_data.status import database
from spx_data.status.history import History
from spx_data.status.overview import Overview

__all__ = ["Overview", "overview", "read", "rebuild"]


def read(settings: Settings, moment: dt.datetime) -> list[History]:
    """The history of every wanted session, and of every other date the tree knows, oldest first."""
    layout = settings.layout
    wanted = {session.date: session for session in sessions.wanted(settings, moment)}
    known = {dt.date.fromisoformat(path.stem) for path in layout.journals()}
    return [
        History.read(layout, date, wanted.get(date), moment, settings.patience)
        for date in sorted({*wanted, *known, *layout.dates_on_disk()})
    ]


def overview(settings: Settings, moment: dt.datetime) -> Overview:
    """What stands where, without touching the database."""
    return Overview.of(read(settings, moment))


def rebuild(settings: Settings, moment: dt.datetime) -> Overview:
    """Write the status log anew from the tree; returns its summary.

    Raises:
        DatabaseTransactionError: the database cannot be written.
    """
    histories = read(settings, moment)
    database.write(settings, histories)
    return Overview.of(histories)
