"""Pages for people to look at: the dashboard of a lake, and a page for each of its days.

Each is one HTML file that needs nothing but itself. They are read from the tree as everything is, and can be
thrown away: nothing reads them again.

What draws their charts is the extra `report` of the package: without it there are no pages, and all else
works (`check_installed`).

The page of a day is made anew, where nobody asks for it by name, once it is stale: the day was sealed after
it, or it was made by another release of this project. What it says of the days around it, and by the weights
of the config, is as old as the page.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spx_data import __version__, status
from spx_data.config import shipped
from spx_data.errors import (
    DateValidationError,
    FileCorruptionError,
    InsufficientDiskSpaceError,
    SpxDataError,
)
from spx_data.lake import session_states
from spx_data.market.dates import Dates
from spx_data.settings import Settings
from spx_data.status import Summary
from spx_data.store import files, reads
from spx_data.store.layout import Layout
from spx_data.text import commands

_HEAD = 512  # bytes: the release stands at the beginning of a page

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """What came of the page of one date: where it is, or the error that got in its way."""

    date: dt.date
    path: Path | None = None
    error: Exception | None = None


def check_installed() -> None:
    """Make sure that what draws charts is there.

    Raises:
        MachineError: it is not.
    """
    shipped.check_extra("report")


def write_dashboard(settings: Settings, moment: dt.datetime) -> Path:
    """Write the dashboard of the lake at *moment*; returns where it is.

    Raises:
        ConfigurationValidationError: there is no such calendar.
        MachineError: what draws charts is not installed.
        PermissionDeniedError, InsufficientDiskSpaceError: it cannot be written.
    """
    check_installed()
    from spx_data.report import dashboard, page

    target = settings.layout.dashboard
    files.write_text(target, page.html(dashboard.page(settings, moment)))
    return target


def day_text(
    settings: Settings,
    moment: dt.datetime,
    date: dt.date,
    together: Collection[dt.date] = (),
    summaries: Sequence[Summary] | None = None,
) -> str:
    """The page of *date*, a sealed one; it leads to those beside it that there are, or are made *together*.

    Raises:
        DateValidationError: it is not sealed.
        FileCorruptionError, MissingFileError: what is there is not what was sealed.
        MachineError: what draws charts is not installed.
    """
    check_installed()
    from spx_data.report import day, page

    return page.html(day.page(settings, moment, date, together, summaries))


def write_days(settings: Settings, moment: dt.datetime, dates: Collection[dt.date]) -> Iterator[Made]:
    """Write the pages of *dates*, one after the other; one of which there can be no page stops no other.

    Raises:
        MachineError: what draws charts is not installed.
        PermissionDeniedError, InsufficientDiskSpaceError: no page can be written.
    """
    check_installed()
    files.check_writable(settings.layout.dashboard.parent)
    summaries = status.summaries(settings, moment) if dates else None
    for date in dates:
        try:
            target = settings.layout.day_page(date)
            files.write_text(target, day_text(settings, moment, date, dates, summaries))
            yield Made(date, target)
        except InsufficientDiskSpaceError:
            raise  # as it would be for every other date
        except Exception as error:  # whatever it is, the other dates get their pages
            yield Made(date, error=error)


def named_dates(layout: Layout, within: Dates | None) -> list[dt.date]:
    """The dates of which somebody who names *within* wants pages: the sealed ones, and each named by itself.

    Raises:
        DateValidationError: there is none.
    """
    sealed = session_states.sealed_dates(layout, within)
    found = sorted({*sealed, *(within.single if within else ())})
    if not found:
        raise DateValidationError(
            "none of these dates is sealed, and only sealed days have a page",
            cure="`spx-data list` shows what is sealed, `spx-data gaps` what is in the way of the others",
            what="dates",
            reason="none is sealed",
        )
    return found


def newest_stale(settings: Settings) -> list[dt.date]:
    """Those of the newest sealed dates whose page is stale; of so many as `report.day_pages` says."""
    count = settings.report.day_pages
    newest = session_states.sealed_dates(settings.layout)[-count:] if count else []
    return [date for date in newest if is_stale(settings.layout, date)]


def is_stale(layout: Layout, date: dt.date) -> bool:
    """Whether the page of a sealed *date* is missing, older than its seal, or of another release."""
    page = layout.day_page(date)
    try:
        with reads.reading(page) as stream:
            head = stream.read(_HEAD)
        return (
            page.stat().st_mtime < layout.sidecar(date).stat().st_mtime
            or f'"spx-data {__version__}"'.encode() not in head
        )
    except (OSError, FileCorruptionError):
        return True


def after_a_run(settings: Settings, moment: dt.datetime) -> Path | None:
    """Write the newest days' pages and the dashboard where the settings ask for it; returns where that is.

    Whatever goes wrong is a warning: no run fails for a page.
    """
    if not settings.report.after_runs:
        return None
    try:
        for made in write_days(settings, moment, newest_stale(settings)):
            if made.error:
                _log.warning("no page of %s: %s", made.date, _told(made.error))
        return write_dashboard(settings, moment)
    except Exception as error:  # the run has done its work, whatever becomes of its pages
        _log.warning("the dashboard is not that of this run: %s", _told(error))
        return None


def _told(error: Exception) -> str:
    return (
        commands.shown(str(error)) if isinstance(error, SpxDataError) else f"{type(error).__name__}: {error}"
    )
