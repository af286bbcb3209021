"""`spx-data process`, `process-range`, `process-gaps`, `stop`: runs that are begun and ended."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATE, Call, cores_option, dates_argument
from spx_data.cli.gaps import PLAN, print_plan
from spx_data.cli.lists import View, gathered
from spx_data.cli.output import say
from spx_data.errors import DateValidationError
from spx_data.market.dates import Dates
from spx_data.text.words import counted

if TYPE_CHECKING:
    from spx_data.lake.runs import Run
    from spx_data.ops.gaps import Conflict, Gap, Plan

_dry_run = click.option(
    "--dry-run", "-n", is_flag=True, help="Show what would be filled, its size, time and conflicts."
)

_BEGIN_SECONDS = 15.0  # that a run that is still making its plan is given
_NOTE_SECONDS = 2.0  # from a run's lock to its note
_LOOK_SECONDS = 0.2
# What no run can do, by the calendar.
_IMPOSSIBLE = frozenset({"no-session", "future", "trading", "before-greeks"})
# What a person has to decide first.
_UNDECIDED = frozenset({"parked", "accepted"})


@click.command(short_help="Fill some trading dates.")
@dates_argument(required=True)
@_dry_run
@cores_option
@PLAN.options(of_lakes=False)
@click.pass_context
def process(ctx: click.Context, dates: Dates, dry_run: bool, cores: int, view: View) -> None:
    r"""Fill some trading dates.

    DATES are days, months, years, ranges like 2024-01-02..2024-02-01, or words like "last 5 days"; of a range
    the finished sessions are filled. A date that is sealed is left as it is. One that the source had nothing
    for is asked for again.

    \b
    Examples:
      spx-data process 2024-01-02
      spx-data process yesterday
      spx-data process 2024-01 2024-03-01..2024-03-15 --dry-run
      spx-data process "last 5 days"
    """
    _process(ctx, dates, dry_run, cores, view)


@click.command("process-range", short_help="Fill every session of a range.")
@click.argument("first", type=DATE, metavar="A")
@click.argument("last", type=DATE, metavar="B")
@_dry_run
@cores_option
@PLAN.options(of_lakes=False)
@click.pass_context
def process_range(
    ctx: click.Context, first: dt.date, last: dt.date, dry_run: bool, cores: int, view: View
) -> None:
    r"""Fill every session from A to B, both included, like `spx-data process A..B`.

    \b
    Examples:
      spx-data process-range 2024-01-02 2024-01-31
      spx-data process-range 2024-01-02 yesterday --dry-run
    """
    if last < first:
        raise click.UsageError(f"{last} is before {first}: swap them", ctx)
    _process(ctx, Dates(((first, last),)), dry_run, cores, view)


@click.command("process-gaps", short_help="Fill everything that is missing.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Dates per Snakemake call; default: processing.batch_size.",
)
@_dry_run
@cores_option
@PLAN.options(of_lakes=False)
@click.pass_context
def process_gaps(ctx: click.Context, batch_size: int | None, dry_run: bool, cores: int, view: View) -> None:
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
    gaps: list[tuple[str, Gap]] = []

    def look() -> int:
        planned = plan(call.settings, call.moment, None, cores, ask_terminal=dry_run)
        if dry_run:
            return _show(planned, view)
        gaps.extend((call.settings.product.symbol, gap) for gap in planned.gaps)
        return 0

    if dry_run:
        ctx.exit(gathered(look))
    code = call.in_each(look)
    if call.several:
        gaps.sort(key=lambda each: each[1].priority, reverse=True)  # each lake's own are in this order
    if gaps:
        size = batch_size or next(iter(call.lakes.values())).batch_size
        code |= fill(call, [(symbol, gap.date) for symbol, gap in gaps], cores, size)
    elif not code:
        say("nothing to do: no session is due")
        _tell(call)
    ctx.exit(code)


def _tell(call: Call) -> None:
    """Tell people and monitors that nothing was to be done: Snakemake, which tells of runs, is not called."""
    from spx_data.ops.notify import telling

    for line in telling.when_idle(call.lakes, call.moment):
        say(f"spx-data: {line}", err=True)


def _process(ctx: click.Context, dates: Dates, dry_run: bool, cores: int, view: View) -> None:
    """Fill *dates*, or show what that would mean."""
    from spx_data.cli.filling import fill

    call: Call = ctx.obj
    if dry_run:
        ctx.exit(gathered(lambda: _due(ctx, dates, cores, view, dry_run=True)[1]))
    due: list[tuple[str, dt.date]] = []

    def look() -> int:
        found, code = _due(ctx, dates, cores, view)
        due.extend((call.settings.product.symbol, date) for date in found)
        return code

    code = call.in_each(look)
    ctx.exit((fill(call, due, cores) if due else 0) or code)


def _due(
    ctx: click.Context, dates: Dates, cores: int, view: View, *, dry_run: bool = False
) -> tuple[list[dt.date], int]:
    """Those of *dates* that are to be filled in one lake, and the exit code for the others."""
    from spx_data.lake import naming, runs
    from spx_data.ops.gaps import plan

    call: Call = ctx.obj
    try:
        asked = naming.named(call.settings, dates, call.moment)
    except DateValidationError as error:
        raise click.UsageError(str(error), ctx) from error
    planned = plan(call.settings, call.moment, asked, cores, ask_terminal=dry_run)
    wrong = [conflict for conflict in planned.conflicts if conflict.what in _IMPOSSIBLE]
    if wrong and len(asked) == len({date for conflict in wrong for date in conflict.dates}):
        raise click.UsageError(". ".join(map(_words, wrong)), ctx)
    if dry_run:
        return [], _show(planned, view)
    undecided = [conflict for conflict in planned.conflicts if conflict.what in _UNDECIDED]
    for conflict in [*wrong, *undecided]:
        say(f"spx-data: {_words(conflict)}", err=True)
    runs.check_none(call.settings.layout)
    _ask_again(call, planned)
    left_out = {date for conflict in undecided for date in conflict.dates}
    due = [date for date in planned.dates if date not in left_out]
    if not due and not undecided:
        of = f"{call.at}: " if call.several else ""
        say(f"{of}nothing to do: " + ("it is sealed" if len(asked) == 1 else "all of them are sealed"))
    return due, int(bool(wrong or undecided))


def _ask_again(call: Call, planned: Plan) -> None:
    """A person who names a date wants it asked for, also where the source had nothing some days ago."""
    from spx_data.lake.acceptance import reopen

    for conflict in planned.conflicts:
        if conflict.what == "no-data":
            for date in conflict.dates:
                reopen(call.settings, date, "asked for with spx-data process")


def _show(planned: Plan, view: View) -> int:
    """Print the plan; gives the exit code, 1 when something is in its way."""
    print_plan(planned, view)
    return int(any(conflict.blocking for conflict in planned.conflicts))


def _words(conflict: Conflict) -> str:
    return f"{conflict.why}. {conflict.cure}" if conflict.cure else conflict.why


# stop ------------------------------------------------------------------------------------------------------


@click.command(short_help="Stop the run that fills this lake.")
@click.option("--now", is_flag=True, help="Interrupt running jobs; expirations in flight are fetched again.")
@click.pass_obj
def stop(call: Call, now: bool) -> None:
    r"""Stop the run that fills this lake; no other Snakemake is touched.

    Without --now running jobs finish, no more are started, and nothing is lost or done twice. Either way the
    next run goes on from the last completed expiration. Where nothing runs, a lock that a killed run left
    behind is taken away.

    \b
    Examples:
      spx-data stop
      spx-data stop --now
    """
    from spx_data.ops import engine

    at_work = _at_work(call)
    if not at_work:
        _nothing_runs(call, now)
        return
    for pid in dict.fromkeys(run.pid for run in at_work.values()):
        if now:
            say(f"interrupting process {pid} and its jobs")
        else:
            say(f"process {pid} is stopping; its running jobs finish first (--now interrupts them)")
    for symbol, run in at_work.items():
        # All of them first: what one run has begun in several lakes ends when each is told.
        engine.ask_to_stop(call.lakes[symbol].layout, run)
    for symbol, run in at_work.items():
        if now:
            engine.stop_now(call.lakes[symbol].layout, run)
        engine.ended(call.lakes[symbol].layout, run)
    for symbol, run in at_work.items():
        with call.working_at(symbol):
            _say_what_is_left(call, run)


def _at_work(call: Call) -> dict[str, Run]:
    """The runs at work, by symbol; one that is still making its plan is given time to begin.

    Raises:
        AnotherRunError: there is one, whose process is none that may be stopped from here.
    """
    from spx_data.lake import runs
    from spx_data.ops import engine

    layouts, begun = call.layouts, time.monotonic()
    while not (found := engine.current(layouts.values())) or not all(
        runs.process_of(layout, run) for layout, run in found
    ):
        passed = time.monotonic() - begun
        if passed > (_NOTE_SECONDS if found else _BEGIN_SECONDS) or not (found or engine.called_from(Path())):
            break
        time.sleep(_LOOK_SECONDS)
    for layout, run in found:
        runs.check_ours(layout, run)
    at_work = dict(found)
    return {symbol: at_work[layout] for symbol, layout in layouts.items() if layout in at_work}


def _nothing_runs(call: Call, now: bool) -> None:
    from spx_data.lake import runs
    from spx_data.ops import engine

    last_runs = [(layout, last) for layout in call.layouts.values() if (last := runs.last(layout))]
    orphans = list(
        dict.fromkeys(process for layout, last in last_runs for process in runs.processes(layout, last))
    )
    if orphans:
        ids = ", ".join(str(process.pid) for process in orphans)
        if not now:
            raise click.ClickException(
                f"the run has ended, but jobs of it still run (process {ids}). They end by themselves; "
                "`spx-data stop --now` ends them at once"
            )
        for layout, last in last_runs:
            engine.stop_now(layout, last)
        say(f"ended the jobs that a killed run left behind (process {ids})")
    if others := engine.called_from(Path()):
        ids = ", ".join(map(str, others))
        say(f"no run is filling this lake; Snakemake in this folder is left alone (process {ids})")
    elif not orphans:
        say("nothing is running")


def _say_what_is_left(call: Call, run: Run) -> None:
    from spx_data.cli.progress import print_summary
    from spx_data.lake import session_states
    from spx_data.market import sessions
    from spx_data.ops.progress import summary_of

    layout = call.settings.layout
    if call.lakes.several:
        say(f"{call.at}:")
    print_summary(summary_of(layout, run))
    states = session_states.states_of(call.settings, run.dates, sessions.now())
    begun = [date for date, state in states.items() if state.kind is session_states.Kind.PARTIAL]
    staged = sum(len(layout.receipts(date)) for date in begun)
    if staged:
        kept = f"{counted(staged, 'expiration')} of {counted(len(begun), 'date')}"
        say(f"staged and kept: {kept}; the next run goes on from there")
