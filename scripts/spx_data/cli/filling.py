"""What `process*` and `retry` share: Snakemake on some dates, watched, stoppable, summed up at the end."""

from __future__ import annotations

import datetime as dt
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from types import FrameType

from spx_data.cli.call import Call
from spx_data.cli.output import say
from spx_data.cli.progress import Shown, print_summary, progress_shown
from spx_data.errors import RunFailedError
from spx_data.lake import endings, runs, session_states
from spx_data.lake.session_states import Kind
from spx_data.market import sessions
from spx_data.ops import engine
from spx_data.ops.engine import Started
from spx_data.ops.progress import Summary, summary_of
from spx_data.sources import profile
from spx_data.store import dataset

_STOPPED = 130
_GRACEFULLY = "stopping: running jobs finish and nothing is lost; Ctrl-C again interrupts them"
_NOW = "interrupting: staged expirations stay, the next run goes on from them"
# What a person should look at; "no data" and "not yet" are answers.
_NEEDS_YOU = frozenset({Kind.FAILED, Kind.PARKED, Kind.CORRUPT, Kind.PARTIAL, Kind.MISSING})


def fill(call: Call, dates: Sequence[dt.date], cores: int, batch_size: int | None = None) -> int:
    """Fill *dates* in their order, in batches; gives the exit code: 0 when every date has its answer.

    A batch that fails does not stop the next; a workflow that cannot even begin does.

    Raises:
        AnotherRunError: a run is filling this lake already.
        LakeMissingError: what was sealed here is gone, as where its disk is not mounted.
    """
    dataset.check_there(call.settings.layout)
    runs.check_none(call.settings.layout)
    if profile.is_first_contact(call.settings.layout):
        say(profile.OFFER, err=True)
    parts = [[date for date in dates if call.settings.covers(date) is inside] for inside in (True, False)]
    batches = [batch for part in parts for batch in _batches(part, batch_size)]
    for number, batch in enumerate(batches, start=1):
        if len(batches) > 1:
            first, last = min(batch), max(batch)
            say(f"batch {number} of {len(batches)}: {len(batch)} dates from {first} to {last}", err=True)
        more = number < len(batches)
        started = engine.start(call.settings, call.files, batch, cores, more=more)
        stopped = _watched(call, started)
        if started.process.returncode < 0:
            # It was killed, so nobody has written down yet what became of its jobs.
            endings.settle_last(call.settings.layout)
        summary = _summarised(call, started)
        if stopped:
            return _STOPPED
        said = started.says() if summary is None else []
        failure = None if said or _was_stopped(call, started) else _failure(call, started, summary)
        for line in [*said, *([str(failure)] if failure else [])]:
            say(f"spx-data: {line}", err=True)
        if failure or (said and started.process.returncode):
            return 1
        if more and (_was_stopped(call, started) or (summary and summary.left)):
            # Every date comes to some end, unless the run was stopped, or killed.
            say(
                f"spx-data: stopped; not started (batches: {len(batches) - number})",
                err=True,
            )
            return 1
    states = session_states.states_of(call.settings, dates, sessions.now())
    return int(any(state.kind in _NEEDS_YOU for state in states.values()))


def _was_stopped(call: Call, started: Started) -> bool:
    return runs.was_stopped(call.settings.layout, started.name)


def _failure(call: Call, started: Started, summary: Summary | None) -> RunFailedError | None:
    """Why the run did not come to all of its dates, written down as well; None where it did."""
    left = len(summary.left) if summary else 0
    failure = started.failure(began=summary is not None, left=left)
    if failure:
        runs.mention_failure(call.settings.layout, failure)
    return failure


def _batches(dates: Sequence[dt.date], size: int | None) -> Iterator[list[dt.date]]:
    rest = iter(dates)
    while batch := list(islice(rest, size or len(dates))):
        yield batch


def _watched(call: Call, started: Started) -> bool:
    """Show the run until Snakemake ends; says whether a person stopped it."""
    with (
        progress_shown(call.settings.layout, started.name) as shown,
        _stopping(call, started, shown) as asked,
    ):
        started.process.wait()
    return bool(asked)


@contextmanager
def _stopping(call: Call, started: Started, shown: Shown) -> Iterator[list[int]]:
    """Ctrl-C, or a polite kill, stops the run gracefully in the block, and a second one now."""
    asked: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        asked.append(number)
        run = runs.current(call.settings.layout)
        if run is None or run.name != started.name:
            started.process.terminate()  # it has not begun, so there is nothing to finish
        elif len(asked) == 1:
            shown.note(_GRACEFULLY)
            engine.ask_to_stop(call.settings.layout, run)
        else:
            shown.note(_NOW)
            engine.stop_now(call.settings.layout, run)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _summarised(call: Call, started: Started) -> Summary | None:
    """Print what became of the run, and give it; None where it never came to a date."""
    layout = call.settings.layout
    from spx_data.ops.health import met_otherwise

    run = runs.last(layout)
    if run is None or run.name != started.name:
        return None
    summary = summary_of(layout, run)
    if started.says() and len(summary.left) == len(run.dates):
        return None
    print_summary(summary)
    if said := met_otherwise(layout, run.dates):
        say(said)
    page = layout.dashboard
    if page.exists() and page.stat().st_mtime >= run.started_at.timestamp():
        say(f"Dashboard in {page}")
    return summary
