"""`spx-data verify`: what is sealed, held against its checksums."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATES, Call

if TYPE_CHECKING:
    from spx_data.dates import Dates
    from spx_data.integrity.damages import Depth


@click.command(short_help="Re-check every byte of sealed dates.")
@click.argument("dates", type=DATES, nargs=-1, metavar="[DATES...]")
@click.option(
    "--all", "everything", is_flag=True, help="Every sealed date, which is also what no date means."
)
@click.option(
    "--depth",
    type=click.Choice(["pages", "bytes"]),
    help="bytes hashes each file; pages also reads every page and row; verify.depth unless told.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Days looked at side by side; one a core unless told."
)
@click.pass_context
def verify(
    ctx: click.Context, dates: tuple[Dates, ...], everything: bool, depth: Depth | None, workers: int | None
) -> None:
    r"""Re-check every byte of sealed dates; a damaged one goes to quarantine and becomes a gap.

    DATES are days, months, years, ranges like 2024-01-02..2024-02-01, or words like "last 30 days". The exit
    code is 1 when something was damaged.

    \b
    Examples:
      spx-data verify
      spx-data verify 2024-03 2024-05-01
      spx-data verify "last 30 days" --depth bytes
    """
    from spx_data.cli.verification import print_report, watching
    from spx_data.dates import Dates
    from spx_data.integrity import verify as look

    if dates and everything:
        raise click.UsageError("name dates or give --all, not both", ctx)
    call: Call = ctx.obj
    within = Dates(tuple(part for named in dates for part in named.ranges)) if dates else None
    with watching() as observer:
        report = look(
            call.settings,
            within,
            depth=depth,
            workers=workers or os.cpu_count() or 1,
            observer=observer,
        )
    print_report(report)
    ctx.exit(int(not report.all_is_well))
