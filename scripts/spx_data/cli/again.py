"""`spx-data mend` and `recheck`: the source asked again about days that are sealed."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import click

from spx_data.cli.call import Call, dates_argument
from spx_data.cli.lists import in_each_lake
from spx_data.cli.output import Choice
from spx_data.cli.publish import mend_from_published
from spx_data.market.dates import Dates

if TYPE_CHECKING:
    from spx_data.settings import Settings


@click.command(short_help="Fetch what incomplete sealed days lack.")
@dates_argument()
@click.option(
    "--from-published", is_flag=True, help="Bring lost days back from where they are published, instead."
)
@in_each_lake
@click.pass_context
def mend(ctx: click.Context, dates: Dates | None, from_published: bool) -> None:
    r"""Ask again for the chains and contracts that sealed days lack, and seal these days anew.

    DATES are days, months, years, ranges like 2024-01-02..2024-02-01, or words like "last 30 days"; without
    any, all incomplete days. What was whole is not asked for, nothing that is sealed gets lost, and the
    version before stays in data/restatements. Runs do the same at their end, within `mend.requests`. The exit
    code is 1 when a day could not be asked about.

    With --from-published, days that were sealed once and are damaged or gone come back from publish.url, byte
    for byte, and those of DATES that were never here; the source is asked for nothing.

    \b
    Examples:
      spx-data mend
      spx-data mend 2024-03 2024-05-01
      spx-data mend --from-published
    """
    from spx_data.cli.outcomes import print_mended
    from spx_data.ops import mend as mending

    call: Call = ctx.obj
    if from_published:
        ctx.exit(mend_from_published(call, dates))
    settings = replace(call.settings, dates=dates or call.settings.dates)
    if mending.named(settings, call.moment):
        settings = _as_a_run(settings, "spx-data mend")
    ctx.exit(int(not print_mended(mending.mend(settings, call.moment))))


@click.command(short_help="Compare sealed days with what the source says today.")
@dates_argument()
@click.option(
    "--restated",
    type=Choice(("report", "keep", "replace")),
    help="What becomes of a day that the source has changed; recheck.restated unless told.",
)
@in_each_lake
@click.pass_context
def recheck(
    ctx: click.Context, dates: Dates | None, restated: Literal["report", "keep", "replace"] | None
) -> None:
    r"""Fetch sealed days again, and report cell by cell what the source has changed since.

    DATES are days, months, years, ranges like 2024-01-02..2024-02-01, or words like "last 30 days"; without
    any, the `recheck.sample` days that were not looked at for longest. With --restated report the sealed day
    stays as it is; keep puts the new version beside it; replace seals it, and puts the old one beside it. All
    of that is in data/restatements. The exit code is 1 when a day could not be asked about.

    \b
    Examples:
      spx-data recheck
      spx-data recheck 2024-01-02 "last 30 days"
      spx-data recheck 2024-01-02 --restated replace
    """
    from spx_data.cli.outcomes import print_rechecked
    from spx_data.ops import recheck as rechecking

    call: Call = ctx.obj
    settings = replace(call.settings, dates=dates or call.settings.dates)
    if restated:
        settings = replace(settings, recheck=settings.recheck._replace(restated=restated))
    if rechecking.dates_due(settings):
        settings = _as_a_run(settings, "spx-data recheck")
    ctx.exit(int(not print_rechecked(rechecking.recheck(settings))))


def _as_a_run(settings: Settings, command: str) -> Settings:
    """Be the lake's run from now on, as *command*; returns the settings with the terminal that was found."""
    from spx_data.fill.preflight import preflight
    from spx_data.lake import runs
    from spx_data.store import journal

    os.environ.setdefault(journal.RUN_VARIABLE, journal.new_run())
    runs.check_idle(settings.layout)
    runs.begin(settings.layout, command, [])
    return replace(settings, terminal=preflight(settings))
