"""`spx-data process`, `process-range`, `process-gaps`: dates chosen, handed to Snakemake, watched."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATE, Call, cores_option
from spx_data.cli.output import Format, format_option, say

if TYPE_CHECKING:
    from spx_data.ops.gaps import Conflict, Plan

_dry_run = click.option(
    "--dry-run", "-n", is_flag=True, help="Show the work, its size, time and conflicts; do nothing."
)

# What no run can do, whoever asks; the calendar says so.
_IMPOSSIBLE = frozenset({"no-session", "future", "trading"})
# What a person has to decide first.
_UNDECIDED = frozenset({"parked", "accepted"})


@click.command(short_help="Fill one trading date, or a few.")
@click.argument("dates", type=DATE, nargs=-1, required=True, metavar="DATE...")
@_dry_run
@cores_option
@format_option()
@click.pass_context
def process(ctx: click.Context, dates: tuple[dt.date, ...], dry_run: bool, cores: int, form: Format) -> None:
    r"""Fill one trading date, or a few.

    A date that is sealed is left as it is. One that the source had nothing for is asked for again.

    \b
    Examples:
      spx-data process 2024-01-02
      spx-data process yesterday
      spx-data process 2024-01-02 2024-01-03 --dry-run
    """
    _process(ctx, list(dates), dry_run, cores, form)


@click.command("process-range", short_help="Fill every session of a range.")
@click.argument("first", type=DATE, metavar="A")
@click.argument("last", type=DATE, metavar="B")
@_dry_run
@cores_option
@format_option()
@click.pass_context
def process_range(
    ctx: click.Context, first: dt.date, last: dt.date, dry_run: bool, cores: int, form: Format
) -> None:
    r"""Fill every session from A to B, both included.

    \b
    Examples:
      spx-data process-range 2024-01-02 2024-01-31
      spx-data process-range 2024-01-02 yesterday --dry-run
    """
    from spx_data.lake import calendar

    call: Call = ctx.obj
    if last < first:
        raise click.UsageError(f"{last} is before {first}: swap them", ctx)
    found = [session.date for session in calendar.known(call.settings, first, last)]
    if not found:
        raise click.UsageError(f"there is no session of {call.settings.calendar} from {first} to {last}", ctx)
    _process(ctx, found, dry_run, cores, form)


@click.command("process-gaps", short_help="Fill everything that is missing.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Dates handed to Snakemake at a time; processing.batch_size unless told.",
)
@_dry_run
@cores_option
@format_option()
@click.pass_context
def process_gaps(ctx: click.Context, batch_size: int | None, dry_run: bool, cores: int, form: Format) -> None:
    r"""Fill everything that is missing, in the order that `spx-data gaps` shows.

    One bad date never stops the others. The exit code is 1 when some date needs you.

    \b
    Examples:
      spx-data process-gaps
      spx-data process-gaps --dry-run
      spx-data process-gaps --batch-size 20
    """
    from spx_data.cli.filling import fill
    from spx_data.ops.gaps import plan

    call: Call = ctx.obj
    planned = plan(call.settings, call.moment, None, cores, ask_terminal=dry_run)
    if dry_run:
        _show(ctx, planned, form)
    elif planned.dates:
        ctx.exit(fill(call, planned.dates, cores, batch_size or call.settings.batch_size))
    else:
        say("nothing to do: no session is due")


def _process(ctx: click.Context, asked: Sequence[dt.date], dry_run: bool, cores: int, form: Format) -> None:
    """Fill the dates that were *asked* for, or show what that would mean."""
    from spx_data.cli.filling import fill
    from spx_data.lake import runs
    from spx_data.ops.gaps import plan

    call: Call = ctx.obj
    planned = plan(call.settings, call.moment, asked, cores, ask_terminal=dry_run)
    wrong = [conflict for conflict in planned.conflicts if conflict.what in _IMPOSSIBLE]
    if wrong and len(asked) == len({date for conflict in wrong for date in conflict.dates}):
        raise click.UsageError(_words(wrong[0]), ctx)
    if dry_run:
        _show(ctx, planned, form)
        return
    undecided = [conflict for conflict in planned.conflicts if conflict.what in _UNDECIDED]
    for conflict in [*wrong, *undecided]:
        say(f"spx-data: {_words(conflict)}", err=True)
    runs.check_none(call.settings.layout)
    _ask_again(call, planned)
    left_out = {date for conflict in undecided for date in conflict.dates}
    dates = [date for date in planned.dates if date not in left_out]
    code = fill(call, dates, cores) if dates else 0
    if not dates and not undecided:
        say("nothing to do: " + ("it is sealed" if len(asked) == 1 else "all of them are sealed"))
    ctx.exit(code or int(bool(wrong or undecided)))


def _ask_again(call: Call, planned: Plan) -> None:
    """A person who names a date wants it asked for, also where the source had nothing some days ago."""
    from spx_data.lake.acceptance import reopen

    for conflict in planned.conflicts:
        if conflict.what == "no-data":
            for date in conflict.dates:
                reopen(call.settings, date, "asked for with spx-data process")


def _show(ctx: click.Context, planned: Plan, form: Format) -> None:
    """Print the plan; the exit code is 1 when something is in its way."""
    from spx_data.cli.plan import print_plan

    print_plan(planned, form)
    ctx.exit(int(any(conflict.blocking for conflict in planned.conflicts)))


def _words(conflict: Conflict) -> str:
    return f"{conflict.why}. {conflict.cure}" if conflict.cure else conflict.why
