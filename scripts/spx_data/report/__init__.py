"""Pages for people to look at: the dashboard of a lake, and a page for each of its days.

Each is one HTML file that needs nothing but itself. They are read from the tree as everything is, and can be
thrown away: nothing reads them again.
"""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path

from spx_data import files, ledger
from spx_data.errors import SpxDataError
from spx_data.layout import Layout
from spx_data.settings import Settings

__all__ = ["after_a_run", "write_dashboard", "write_day", "write_newest_days"]

_log = logging.getLogger(__name__)


def write_dashboard(settings: Settings, moment: dt.datetime) -> Path:
    """Write the dashboard of the lake at *moment*; returns where it is.

    Raises:
        ConfigurationValidationError: there is no such calendar.
        PermissionDeniedError, InsufficientDiskSpaceError: it cannot be written.
    """
    from spx_data.report import dashboard, page

    target = settings.layout.dashboard
    files.write_text(target, page.html(dashboard.page(settings, moment), settings.layout))
    return target


def write_day(settings: Settings, moment: dt.datetime, date: dt.date) -> Path:
    """Write the page of *date*, a sealed one; returns where it is.

    Raises:
        DateValidationError: it is not sealed.
        FileCorruptionError, MissingFileError: what is there is not what was sealed.
        PermissionDeniedError, InsufficientDiskSpaceError: it cannot be written.
    """
    from spx_data.report import day, page

    target = settings.layout.day_page(date)
    files.write_text(target, page.html(day.page(settings, moment, date), settings.layout))
    return target


def write_newest_days(settings: Settings, moment: dt.datetime) -> list[Path]:
    """Write the pages of the newest sealed dates, of those that have none of their own age; returns them.

    `report.day_pages` says of how many. A date of which there can be none is a warning.
    """
    count = settings.report.day_pages
    newest = ledger.sealed_dates(settings.layout)[-count:] if count else []
    written = []
    for date in newest:
        if _is_stale(settings.layout, date):
            try:
                written.append(write_day(settings, moment, date))
            except SpxDataError as error:
                _log.warning("no page of %s: %s", date, error)
    return written


def after_a_run(settings: Settings, moment: dt.datetime) -> None:
    """Write the dashboard and the newest days' pages where the settings ask for it.

    Whatever goes wrong is a warning: no run fails for a page.
    """
    if not settings.report.after_runs:
        return
    try:
        write_newest_days(settings, moment)
        write_dashboard(settings, moment)
    except SpxDataError as error:
        _log.warning("the dashboard is not that of this run: %s", error)


def _is_stale(layout: Layout, date: dt.date) -> bool:
    """Whether the page of a sealed *date* is missing, or older than its seal."""
    page = layout.day_page(date)
    return not page.exists() or page.stat().st_mtime < layout.sidecar(date).stat().st_mtime
