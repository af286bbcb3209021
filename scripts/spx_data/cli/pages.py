"""`spx-data report`: pages to look at, of the lake and of its days, as files."""

from __future__ import annotations

import datetime as dt
import traceback
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.output import console, say
from spx_data.errors import SpxDataError
from spx_data.market.dates import Dates

if TYPE_CHECKING:
    from spx_data.report.many import Made
    from spx_data.settings import Settings

# Where the pages are that were made, the last one last; and whether none of them failed.
Outcome = tuple[list[Path], bool]


@click.command(short_help="Write HTML pages: the dashboard and days.")
@click.argument("dates", type=DATES, required=False)
@click.option("--open", "show", is_flag=True, help="Open the last page in your browser.")
@click.pass_context
def report(ctx: click.Context, dates: Dates | None, show: bool) -> None:
    r"""Make the dashboard and the pages of the newest days, or the pages of DATES; print where they are.

    Without DATES: those of the newest sealed days (`report.day_pages`) that have none, or one from before
    their seal or of another release, and then the dashboard. DATES are trading dates: a day, a month, a year,
    a range, or several with commas; each that is sealed gets its page anew. A page is one HTML file that
    needs nothing but itself. The exit code is 1 where a page could not be made.

    \b
    spx-data report --open
    spx-data report 2024-01-02 --open
    spx-data report 2024-01
    spx-data config set report.after_runs true    the dashboard after every run
    """
    call: Call = ctx.obj
    paths: list[Path] = []

    def make() -> int:
        if dates is None:
            made, well = make_dashboard(call.settings, call.moment, call.lakes, debug=call.debug)
        else:
            made, well = make_days(call.settings, call.moment, dates, debug=call.debug)
        paths.extend(made)
        return int(not well)

    code = call.in_each(make)
    if dates is None and call.several:
        from spx_data.report import write_symbols

        paths.append(write_symbols(call.lakes, call.moment))
        say(str(paths[-1]))
    if show and paths:
        _open(paths[-1])
    ctx.exit(code)


def _open(page: Path) -> None:
    """Show *page* in the browser of the system, or in that of the variable BROWSER."""
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        raise click.ClickException(
            f"no browser could be started. Open {page} yourself, name a browser in the variable BROWSER,"
            " or look from another machine: `spx-data serve`"
        )


def make_dashboard(
    settings: Settings,
    moment: dt.datetime,
    beside: Mapping[str, Settings] | None = None,
    *,
    debug: bool = False,
) -> Outcome:
    """Make the pages of the newest days that have none, and then the dashboard; print where they are.

    The dashboard leads to those of the lakes *beside* it, by symbol.

    Raises:
        PermissionDeniedError, InsufficientDiskSpaceError: they cannot be written.
    """
    from spx_data.report import kept, write_dashboard

    paths, well = _make(settings, moment, kept.newest_stale(settings), debug)
    # After the days, for it leads to the pages that are there.
    paths.append(write_dashboard(settings, moment, beside))
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
    from spx_data.report import named_dates, write_dashboard

    outcome = _make(settings, moment, named_dates(settings.layout, dates), debug)
    if outcome[0] and not settings.layout.dashboard.exists():  # to which pages lead
        write_dashboard(settings, moment)
    return outcome


def _make(settings: Settings, moment: dt.datetime, dates: Sequence[dt.date], debug: bool) -> Outcome:
    """Make the pages of *dates*: each path as soon as it is there, and in the end what got in the way.

    For *debug* in this process alone, which has the tracebacks.
    """
    from spx_data.cli.screen import bar
    from spx_data.report import write_days

    to, processes = console(), 1 if debug else None
    paths, bad = [], []
    try:
        # In a pipe the paths say how far it is.
        with bar("making pages", "pages", to) if to.is_terminal else nullcontext() as show:
            for number, made in enumerate(write_days(settings, moment, dates, processes), start=1):
                if made.path:
                    paths.append(made.path)
                    to.print(str(made.path), markup=False, soft_wrap=True)
                else:
                    bad.append(made)
                if show:
                    show(number, len(dates), "")
    finally:  # also where the rest is not waited for
        for made in bad:
            if debug:
                traceback.print_exception(made.error)
            say(f"spx-data: no page of {made.date}: {_told(made)}", err=True)
    return paths, not bad


def _told(made: Made) -> str:
    said = " ".join(str(made.error).split())
    if isinstance(made.error, SpxDataError):
        return said
    return f"unexpected {type(made.error).__name__}: {said}. spx-data --debug report {made.date} shows where"
