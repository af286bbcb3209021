"""`spx-data gaps`: what is missing, why, and what filling it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.output import Column, Format, console, emit, format_option, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spx_data.market.dates import Dates
    from spx_data.ops.gaps import Gap, Plan
    from spx_data.status import Summary


@click.command(short_help="Show what is missing, why, and what it would take.")
@click.option("--start-date", "start", type=DATES, help="The first date; of a month or a year its first day.")
@click.option("--end-date", "end", type=DATES, help="The last date; of a month or a year its last day.")
@click.option(
    "--cores",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="The --cores of the run that the time is estimated for.",
)
@format_option()
@click.pass_context
def gaps(ctx: click.Context, start: Dates | None, end: Dates | None, cores: int, form: Format) -> None:
    r"""Show every session that is not sealed, in the order in which the next run fills them.

    The range of the config is looked at where no other is given. Priority: the newer, the more volatile the
    market around it and the less often tried, the more points (section `priority` of the config). Rows,
    size and time are what the nearest sealed dates took. The exit code is 1 where a date needs you.

    \b
    spx-data gaps
    spx-data gaps --start-date 2024-03 --end-date 2024-06
    spx-data gaps --start-date "last 30 days" --format json
    """
    from spx_data.cli import plan as plans
    from spx_data.ops.gaps import find, plan
    from spx_data.status import summaries

    call: Call = ctx.obj
    first, last = start.first if start else None, end.last if end else None
    if first and last and first > last:
        raise click.BadParameter(f"{last} is before --start-date {first}", param_hint="'--end-date'")
    known = summaries(call.settings, call.moment)
    found = find(call.settings, call.moment, first, last, summaries=known)
    if form == "table":
        due = [gap for gap in found if gap.due]
        planned = plan(call.settings, call.moment, None, cores, found=due)
        emit(plans.rows(found), plans.columns(), form, empty="no gaps")
        if found:
            _print_totals(found, planned)
        _print_incomplete(
            [line for line in known if (first or line.date) <= line.date <= (last or line.date)]
        )
    else:
        emit(plans.rows(found), [Column(name, name) for name in plans.fields()], form)
    if needy := sorted((gap for gap in found if gap.needs_you), key=lambda gap: gap.date):
        # On stderr, so that a list stays a list.
        say(f"spx-data: {_need(needy)}", err=True)
        ctx.exit(1)


def _print_totals(found: Sequence[Gap], planned: Plan) -> None:
    from spx_data.cli.plan import print_conflict, total_lines

    out = console()
    out.print()
    word = "gap" if len(found) == 1 else "gaps"
    out.print(f"{len(found):,} {word}, the next run takes {len(planned.gaps):,}")
    for line in total_lines(planned):
        out.print(line, markup=False, soft_wrap=True)
    for conflict in planned.conflicts:
        print_conflict(conflict, out)


def _print_incomplete(lines: Sequence[Summary]) -> None:
    """The sealed dates among *lines* that lack something: no gaps, for they can be read."""
    from spx_data.cli.tables import incomplete

    if count := sum(line.is_incomplete for line in lines):
        console().print(incomplete(count), markup=False, soft_wrap=True)


def _need(needy: Sequence[Gap]) -> str:
    """What only a person can end, with the command that does it."""
    from spx_data.lake.session_states import Kind
    from spx_data.ops.gaps.conflicts import named

    if len(needy) == 1:
        return f"{needy[0].date} needs you ({needy[0].kind}): {needy[0].cure}"
    cures = "spx-data retry --all-failed --force tries all parked dates anew"
    if any(gap.kind is not Kind.PARKED for gap in needy):
        cures = "--format json names the command for each"
    return f"{len(needy):,} dates need you: {named([gap.date for gap in needy])}. {cures}"
