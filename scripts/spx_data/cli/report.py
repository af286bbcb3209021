"""`spx-data report`: pages to look at, of the lake and of its days."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATES, Call

if TYPE_CHECKING:
    from pathlib import Path

    from spx_data.market.dates import Dates


@click.command(short_help="Make pages to look at: the dashboard, and days.")
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
    from spx_data.cli import pages

    call: Call = ctx.obj
    if dates is None:
        paths, well = pages.make_dashboard(call.settings, call.moment, debug=call.debug)
    else:
        paths, well = pages.make_days(call.settings, call.moment, dates, debug=call.debug)
    if show and paths:
        _open(paths[-1])
    ctx.exit(int(not well))


def _open(page: Path) -> None:
    """Show *page* in the browser of the system, or in that of the variable BROWSER."""
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        raise click.ClickException(
            f"no browser could be started here. Open {page} yourself, name a browser in the variable BROWSER,"
            " or look from another machine: spx-data serve"
        )
