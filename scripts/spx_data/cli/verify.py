"""`spx-data verify`: what is sealed, held against its checksums."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.output import Format, console, emit, format_option, say

if TYPE_CHECKING:
    from spx_data.lake.verify import Day
    from spx_data.lake.verify.damages import Depth
    from spx_data.market.dates import Dates

_FIELDS = ("date", "standing", "damages", "findings", "beside", "quarantine", "error")


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
@format_option()
@click.pass_context
def verify(
    ctx: click.Context,
    dates: tuple[Dates, ...],
    everything: bool,
    depth: Depth | None,
    workers: int | None,
    form: Format,
) -> None:
    r"""Re-check every byte of sealed dates; a damaged one goes to quarantine and becomes a gap.

    DATES are days, months, years, ranges like 2024-01-02..2024-02-01, or words like "last 30 days". The exit
    code is 1 when something was damaged: a day, its file of bad records, or the lake's dataset.json.

    \b
    Examples:
      spx-data verify
      spx-data verify 2024-03 2024-05-01
      spx-data verify "last 30 days" --depth bytes
    """
    from spx_data.cli.remarks import on_strangers
    from spx_data.cli.verification import print_report, watching
    from spx_data.lake.verify import verify as look
    from spx_data.market.dates import Dates

    if dates and everything:
        raise click.UsageError("name dates or give --all, not both", ctx)
    call: Call = ctx.obj
    within = Dates(tuple(part for named in dates for part in named.ranges)) if dates else None
    with watching(console(stderr=form != "table")) as observer:
        report = look(
            call.settings,
            within,
            depth=depth,
            workers=workers or os.cpu_count() or 1,
            observer=observer,
        )
    if form == "table":
        print_report(report)
    else:
        emit([_row(day) for day in report.days], [], form, fields=_FIELDS)
        on_strangers(report.tree)
        for wrong in report.dataset:
            say(f"spx-data: {wrong}", err=True)
    ctx.exit(int(not report.all_is_well))


def _row(day: Day) -> dict[str, Any]:
    examination = day.examination
    values = (
        day.date.isoformat(),
        str(examination.standing) if examination else None,
        [str(damage) for damage in examination.damages] if examination else [],
        [str(finding) for finding in examination.findings] if examination else [],
        [str(finding) for finding in examination.beside] if examination else [],
        day.folder,
        None if day.error is None else f"{type(day.error).__name__}: {day.error}",
    )
    return dict(zip(_FIELDS, values, strict=True))
