"""Pages as they are made, on the terminal: where each is, or why there is none."""

from __future__ import annotations

import datetime as dt
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spx_data.cli.output import console, say
from spx_data.errors import SpxDataError
from spx_data.market.dates import Dates
from spx_data.report import Made, named_dates, newest_stale, write_dashboard, write_days
from spx_data.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

# Where the pages are that were made, the last one last; and whether none of them failed.
Outcome = tuple[list[Path], bool]


def make_dashboard(settings: Settings, moment: dt.datetime, *, debug: bool = False) -> Outcome:
    """Make the pages of the newest days that have none, and then the dashboard; print where they are.

    Raises:
        PermissionDeniedError, InsufficientDiskSpaceError: they cannot be written.
    """
    paths, well = _make(settings, moment, newest_stale(settings), debug)
    # After the days, for it leads to the pages that are there.
    paths.append(write_dashboard(settings, moment))
    say(str(paths[-1]))
    return paths, well


def make_days(
    settings: Settings, moment: dt.datetime, dates: Dates | None, *, debug: bool = False
) -> Outcome:
    """Make the pages of *dates*, all sealed ones where None, and print where they are.

    Raises:
        DateValidationError: none of them is sealed.
        PermissionDeniedError, InsufficientDiskSpaceError: they cannot be written.
    """
    return _make(settings, moment, named_dates(settings.layout, dates), debug)


def _make(settings: Settings, moment: dt.datetime, dates: Sequence[dt.date], debug: bool) -> Outcome:
    """Make the pages of *dates*: each path as soon as it is there, and in the end what got in the way."""
    to = console()
    paths, bad = [], []
    try:
        for made in _with_progress(write_days(settings, moment, dates), len(dates), to):
            if made.path:
                paths.append(made.path)
                to.print(str(made.path), markup=False, soft_wrap=True)
            else:
                bad.append(made)
    finally:  # also where the rest is not waited for
        for made in bad:
            if debug:
                traceback.print_exception(made.error)
            say(f"spx-data: no page of {made.date}: {_told(made)}", err=True)
    return paths, not bad


def _with_progress(outcomes: Iterable[Made], count: int, to: Console) -> Iterable[Made]:
    """*outcomes* with a bar below what is printed; in a pipe the paths say how far it is."""
    if not (count and to.is_terminal):
        return outcomes
    from rich.progress import track

    return track(outcomes, "making pages", total=count, console=to, transient=True)


def _told(made: Made) -> str:
    said = " ".join(str(made.error).split())
    if isinstance(made.error, SpxDataError):
        return said
    return f"unexpected {type(made.error).__name__}: {said}. spx-data --debug report {made.date} shows where"
