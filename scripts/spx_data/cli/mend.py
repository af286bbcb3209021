"""`spx-data mend`: what sealed days lack is asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATES, Call

if TYPE_CHECKING:
    from spx_data.market.dates import Dates
    from spx_data.settings import Settings


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
    from dataclasses import replace

    from spx_data.cli.mends import print_outcomes
    from spx_data.market.dates import Dates
    from spx_data.ops import mend as mending

    call: Call = ctx.obj
    settings = call.settings
    if dates:
        settings = replace(settings, dates=Dates(tuple(part for named in dates for part in named.ranges)))
    if mending.named(settings, call.moment):
        settings = _as_a_run(settings)
    well = print_outcomes(mending.mend(settings, call.moment))
    ctx.exit(int(not well))


def _as_a_run(settings: Settings) -> Settings:
    """Be the lake's run from now on; returns the settings with the terminal that was found."""
    import os
    from dataclasses import replace

    from spx_data.fill.preflight import preflight
    from spx_data.lake import runs
    from spx_data.store import journal

    os.environ.setdefault(journal.RUN_VARIABLE, journal.new_run())
    runs.check_idle(settings.layout)
    runs.begin(settings.layout, "spx-data mend", [])
    return replace(settings, terminal=preflight(settings))
