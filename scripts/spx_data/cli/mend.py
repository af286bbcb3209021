"""`spx-data mend`: what sealed days lack is asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATES, Call

if TYPE_CHECKING:
    from spx_data.dates import Dates


@click.command(short_help="Ask again for what incomplete sealed days lack.")
@click.argument("dates", type=DATES, nargs=-1, metavar="[DATES...]")
@click.pass_context
def mend(ctx: click.Context, dates: tuple[Dates, ...]) -> None:
    r"""Ask again for the chains and contracts that sealed days lack, and seal these days anew.

    DATES are days, months, years, ranges like 2024-01-02..2024-02-01, or words like "last 30 days"; without
    any, all incomplete days. What was whole is not asked for, nothing that is sealed gets lost, and the
    version before stays in data/restatements. Runs do the same at their end, within `mend.requests`. The exit
    code is 1 when a day could not be asked about.

    \b
    Examples:
      spx-data mend
      spx-data mend 2024-03 2024-05-01
    """
    import os
    from dataclasses import replace

    from spx_data import journal, runs
    from spx_data import mend as mending
    from spx_data.cli.mends import print_outcomes
    from spx_data.dates import Dates
    from spx_data.fill.preflight import preflight

    call: Call = ctx.obj
    settings = call.settings
    if dates:
        settings = replace(settings, dates=Dates(tuple(part for named in dates for part in named.ranges)))
    os.environ.setdefault(journal.RUN_VARIABLE, journal.new_run())
    runs.check_idle(settings.layout)
    runs.begin(settings.layout, "spx-data mend", [])
    settings = replace(settings, terminal=preflight(settings))
    ctx.exit(int(not print_outcomes(mending.mend(settings, call.moment))))
