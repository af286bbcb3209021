"""`spx-data stop`: end the run at work, and explain what a killed one left behind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import Call
from spx_data.cli.output import say

if TYPE_CHECKING:
    from spx_data.lake.runs import Run

_BEGIN_SECONDS = 15.0
_NOTE_SECONDS = 2.0  # from a run's lock to its note
_LOOK_SECONDS = 0.2


@click.command(short_help="Stop the run that fills this lake.")
@click.option(
    "--now", is_flag=True, help="Interrupt running jobs; expirations in flight are fetched again later."
)
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

    layout = call.settings.layout
    run = _at_work(call)
    if run is None:
        _nothing_runs(call, now)
        return
    if now:
        say(f"interrupting process {run.pid} and its jobs")
        engine.stop_now(layout, run)
    else:
        say(f"process {run.pid} is told to stop; its running jobs finish first (--now interrupts them)")
        engine.ask_to_stop(layout, run)
    engine.ended(layout, run)
    _say_what_is_left(call, run)


def _at_work(call: Call) -> Run | None:
    """The run at work; one that is still making its plan is given time to begin.

    Raises:
        AnotherRunError: there is one, whose process is none that may be stopped from here.
    """
    from spx_data.lake import runs
    from spx_data.ops import engine

    layout, begun = call.settings.layout, time.monotonic()
    while (run := runs.current(layout)) is None or not runs.process_of(layout, run):
        passed = time.monotonic() - begun
        if passed > (_NOTE_SECONDS if run else _BEGIN_SECONDS) or not (run or engine.called_from(Path())):
            break
        time.sleep(_LOOK_SECONDS)
    if run:
        runs.check_ours(layout, run)
    return run


def _nothing_runs(call: Call, now: bool) -> None:
    from spx_data.lake import runs
    from spx_data.ops import engine

    layout, last = call.settings.layout, runs.last(call.settings.layout)
    orphans = list(runs.processes(layout, last)) if last else []
    if orphans and last:
        ids = ", ".join(str(process.pid) for process in orphans)
        if not now:
            raise click.ClickException(
                f"the run itself is gone, jobs of it go on (process {ids}). They end by themselves; "
                "spx-data stop --now ends them at once"
            )
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
    print_summary(summary_of(layout, run), overlays=call.overlays)
    states = session_states.states_of(call.settings, run.dates, sessions.now())
    begun = [date for date, state in states.items() if state.kind is session_states.Kind.PARTIAL]
    staged = sum(len(layout.receipts(date)) for date in begun)
    if staged:
        say(f"staged and kept: {staged:,} expirations of {len(begun)} dates; the next run goes on from there")
