"""`spx-data report`: pages to look at, of the lake and of its days."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATES, Call

if TYPE_CHECKING:
    from pathlib import Path

    from spx_data.dates import Dates


@click.command(short_help="Make pages to look at: the dashboard, and days.")
@click.argument("dates", type=DATES, required=False)
@click.option("--open", "show", is_flag=True, help="Open the page in your browser.")
@click.pass_obj
def report(call: Call, dates: Dates | None, show: bool) -> None:
    r"""Make the dashboard, with the pages of the newest days; or the pages of DATES.

    Each page is one HTML file that needs nothing but itself. `report.after_runs` makes the dashboard after
    every run.

    \b
    spx-data report --open
    spx-data report 2024-01-02 --open
    """
    paths = _dashboard(call) if dates is None else _days(call, dates)
    for path in paths:
        click.echo(path)
    if show:
        webbrowser.open(paths[-1].resolve().as_uri())


def _dashboard(call: Call) -> list[Path]:
    from spx_data.report import write_dashboard, write_newest_days

    days = write_newest_days(call.settings, call.moment)
    return [*days, write_dashboard(call.settings, call.moment)]


def _days(call: Call, dates: Dates) -> list[Path]:
    from spx_data import ledger
    from spx_data.report import write_day

    sealed = ledger.sealed_dates(call.settings.layout, dates) or [dates.first]
    return [write_day(call.settings, call.moment, date) for date in sealed]
