"""Pages for people to look at: the dashboard of a lake, and a page for each of its days.

Each is one HTML file that needs nothing but itself. They are read from the tree as everything is, and can be
thrown away: nothing reads them again.

What draws their charts is the extra `report` of the package: without it there are no pages, and all else
works (`check_installed`).

The page of a day that nobody asks for by name is made again once it is stale: its day was sealed after it, or
it was made by another release of this project or under other rules of quality. What it says of neighbouring
days is as old as the page.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from spx_data import __version__, status
from spx_data.config import shipped
from spx_data.errors import DateValidationError, FileCorruptionError, SpxDataError
from spx_data.lake import session_states
from spx_data.market.dates import Dates
from spx_data.settings import Settings
from spx_data.store import files, reads
from spx_data.store.layout import Layout
from spx_data.text import commands

if TYPE_CHECKING:
    from spx_data.report.many import Made

_log = logging.getLogger(__name__)
_HEAD = 512  # bytes: the release and the rules stand at the beginning of a page


def check_installed() -> None:
    """Make sure that what draws charts is there.

    Raises:
        MachineError: it is not.
    """
    shipped.check_extra("report")


def write_dashboard(
    settings: Settings, moment: dt.datetime, beside: Mapping[str, Settings] | None = None
) -> Path:
    """Write the dashboard of the lake at *moment*, which leads to those *beside* it; returns where it is.

    Raises:
        ConfigurationValidationError: there is no such calendar.
        MachineError: what draws charts is not installed.
        PermissionDeniedError, InsufficientDiskSpaceError: it cannot be written.
    """
    check_installed()
    from spx_data.report import dashboard, page, symbols

    target = settings.layout.dashboard
    switch = symbols.switch(beside or {}, settings.product.symbol)
    files.write_text(target, page.html(dashboard.page(settings, moment, switch=switch)))
    return target


def write_symbols(lakes: Mapping[str, Settings], moment: dt.datetime) -> Path:
    """Write the page of all *lakes*, by symbol, at *moment*; returns where it is.

    Raises like `write_dashboard`.
    """
    check_installed()
    from spx_data.report import page, symbols

    target = next(iter(lakes.values())).layout.symbols_page
    files.write_text(target, page.html(symbols.page(lakes, moment)))
    return target


def day_text(settings: Settings, moment: dt.datetime, date: dt.date) -> str:
    """The page of *date*, a sealed one.

    Raises:
        DateValidationError: it is not sealed.
        FileCorruptionError, MissingFileError: what is there is not what was sealed.
        MachineError: what draws charts is not installed.
    """
    check_installed()
    from spx_data.report import day, page

    return page.html(day.page(settings, moment, date))


def write_days(
    settings: Settings, moment: dt.datetime, dates: Collection[dt.date], processes: int | None = None
) -> Iterator[Made]:
    """Write the pages of *dates*; one of which there can be no page stops no other.

    They come in the order of the dates, whatever number of *processes* makes them; None is what suits.

    Raises:
        MachineError: what draws charts is not installed.
        PermissionDeniedError, InsufficientDiskSpaceError: no page can be written.
    """
    if not dates:
        return
    check_installed()
    from spx_data.report import many

    files.check_writable(settings.layout.dashboard.parent)
    summaries = status.summaries(settings, moment)
    yield from many.Pages(settings, moment, dates, summaries).make_all(processes)


def named_dates(layout: Layout, within: Dates | None) -> list[dt.date]:
    """The dates *within* of which there are to be pages: the sealed ones, and each named by itself.

    Raises:
        DateValidationError: there is none.
    """
    sealed = session_states.sealed_dates(layout, within)
    found = sorted({*sealed, *(within.single if within else ())})
    if not found:
        raise DateValidationError(
            "none of these dates is sealed, and only sealed days have a page",
            cure="`spx-data list` shows what is sealed, `spx-data gaps` what is missing",
            what="dates",
            reason="none is sealed",
        )
    return found


def after_a_run(
    settings: Settings, moment: dt.datetime, beside: Mapping[str, Settings] | None = None
) -> Path | None:
    """Write the newest days' pages and the dashboard where the settings ask for it; returns where that is.

    Of several lakes, the page of all is written with each that is *beside* the others.

    Whatever goes wrong is a warning: no run fails for a page.
    """
    if not settings.report.after_runs:
        return None
    try:
        for made in write_days(settings, moment, newest_stale(settings)):
            if made.error:
                _log.warning("no page of %s: %s", made.date, _told(made.error))
        if beside:
            write_symbols(beside, moment)
        return write_dashboard(settings, moment, beside)
    except Exception as error:  # the run has done its work, whatever becomes of its pages
        _log.warning("the dashboard is not that of this run: %s", _told(error))
        return None


def _told(error: Exception) -> str:
    return (
        commands.shown(str(error)) if isinstance(error, SpxDataError) else f"{type(error).__name__}: {error}"
    )


# Stale pages ------------------------------------------------------------------------------------------------


def rules_digest(settings: Settings) -> str:
    """The short digest of the rules by which days are judged."""
    return hashlib.sha256(json.dumps(settings.quality, default=dict).encode()).hexdigest()[:12]


def newest_stale(settings: Settings) -> list[dt.date]:
    """Those of the newest sealed dates whose page is stale; of so many as `report.day_pages` says."""
    count = settings.report.day_pages
    newest = session_states.sealed_dates(settings.layout)[-count:] if count else []
    return [date for date in newest if is_stale(settings, date)]


def is_stale(settings: Settings, date: dt.date) -> bool:
    """Whether the page of a sealed *date* is stale, or not there."""
    layout = settings.layout
    page = layout.day_page(date)
    try:
        with reads.reading(page) as stream:
            head = stream.read(_HEAD)
        return (
            page.stat().st_mtime < layout.sidecar(date).stat().st_mtime
            or f'"spx-data {__version__}"'.encode() not in head
            or f'"{rules_digest(settings)}"'.encode() not in head
        )
    except (OSError, FileCorruptionError):
        return True
