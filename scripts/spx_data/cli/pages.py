"""Pages as they are made, on the terminal: where each is, or why there is none."""

from __future__ import annotations

import datetime as dt
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from spx_data.cli.output import console
from spx_data.dates import Dates
from spx_data.errors import SpxDataError
from spx_data.report import Made, named_dates, newest_stale, write_dashboard, write_days
from spx_data.settings import Settings

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
    click.echo(paths[-1])
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
    """Make the pages of *dates*; says what came of each as soon as it is there."""
    paths, well = [], True
    for made in _with_progress(write_days(settings, moment, dates), len(dates)):
        if made.path:
            paths.append(made.path)
            click.echo(made.path)
            continue
        well = False
        if debug:
            traceback.print_exception(made.error)
        click.echo(f"spx-data: no page of {made.date}: {_told(made)}", err=True)
    return paths, well


def _with_progress(outcomes: Iterable[Made], count: int) -> Iterable[Made]:
    """*outcomes* with a bar above which the lines appear; in a pipe the lines say how far it is."""
    to = console()
    if not (count and to.is_terminal):
        return outcomes
    from rich.progress import track

    return track(outcomes, "making pages", total=count, console=to, transient=True)


def _told(made: Made) -> str:
    said = " ".join(str(made.error).split())
    if isinstance(made.error, SpxDataError):
        return said
    return f"unexpected {type(made.error).__name__}: {said}. spx-data --debug report {made.date} shows where"
