"""What `process*` and `retry` share: Snakemake on some dates, watched, stoppable, summed up at the end."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from types import FrameType

from spx_data.cli.call import Call
from spx_data.cli.output import say
from spx_data.cli.progress import Shown, print_summary, progress_shown
from spx_data.errors import RunFailedError
from spx_data.lake import endings, runs, session_states
from spx_data.lake.session_states import Kind, State
from spx_data.market import sessions
from spx_data.ops import engine
from spx_data.ops.engine import Started
from spx_data.ops.planning import Dated
from spx_data.ops.progress import Summary, summary_of
from spx_data.sources import profile
from spx_data.store import dataset
from spx_data.store.layout import Layout

_STOPPED = 130
_GRACEFULLY = "stopping: running jobs finish and nothing is lost; Ctrl-C again interrupts them"
_NOW = "interrupting: staged expirations stay, the next run goes on from them"
# What a person should look at; "no data" and "not yet" are answers.
_NEEDS_YOU = frozenset({Kind.FAILED, Kind.PARKED, Kind.CORRUPT, Kind.PARTIAL, Kind.MISSING})


def fill(call: Call, dates: Sequence[Dated], cores: int, batch_size: int | None = None) -> int:
    """Fill *dates*, each with its symbol, in their order, in batches; 0 when every date has its answer.

    A batch that fails does not stop the next; a workflow that cannot even begin does.

    Raises:
        AnotherRunError: a run is filling one of the lakes already.
        LakeMissingError: what was sealed here is gone, as where its disk is not mounted.
    """
    filled = {symbol: call.lakes[symbol].layout for symbol in dict.fromkeys(symbol for symbol, _ in dates)}
    for layout in filled.values():
        dataset.check_there(layout)
        runs.check_none(layout)
    if any(map(profile.is_first_contact, filled.values())):
        say(profile.OFFER, err=True)
    parts = [
        [(symbol, date) for symbol, date in dates if call.lakes[symbol].covers(date) is inside]
        for inside in (True, False)
    ]
    batches = [batch for part in parts for batch in _batches(part, batch_size)]
    for number, batch in enumerate(batches, start=1):
        if len(batches) > 1:
            first, last = min(date for _, date in batch), max(date for _, date in batch)
            say(f"batch {number} of {len(batches)}: {len(batch)} dates from {first} to {last}", err=True)
        if code := _filled(call, batch, cores, left=len(batches) - number):
            return code
    now, states = sessions.now(), list[State]()
    for symbol in filled:
        own = [date for of, date in dates if of == symbol]
        states += session_states.states_of(call.lakes[symbol], own, now).values()
    return int(any(state.kind in _NEEDS_YOU for state in states))


def _filled(call: Call, batch: Sequence[Dated], cores: int, *, left: int) -> int:
    """Run Snakemake on a *batch*, after which so many are *left*; 1 or more where none of them may follow."""
    lakes = {symbol: call.lakes[symbol].layout for symbol in dict.fromkeys(symbol for symbol, _ in batch)}
    with _stopping(lakes) as stops:
        started = engine.start(call.lakes, call.files, batch, cores, more=left > 0)
        with progress_shown(lakes, started.name) as shown:
            stops.are_for(started, shown)
            started.process.wait()
    if started.process.returncode < 0:
        # It was killed, so nobody has written down yet what became of its jobs.
        for layout in lakes.values():
            endings.settle_last(layout)
    summaries = _summarised(call, lakes, started)
    if stops.asked:
        return _STOPPED
    stopped_by_others = any(runs.was_stopped(layout, started.name) for layout in lakes.values())
    said = started.says() if len(summaries) < len(lakes) else []
    failure = None if said or stopped_by_others else _failure(lakes, started, summaries)
    for line in [*said, *([str(failure)] if failure else [])]:
        say(f"spx-data: {line}", err=True)
    if failure or (said and started.process.returncode and not summaries):
        return 1
    if left and (stopped_by_others or any(summary.left for summary in summaries)):
        # Every date comes to some end, unless the run was stopped, or killed.
        say(f"spx-data: stopped; not started (batches: {left})", err=True)
        return 1
    return 0


def _failure(
    lakes: Mapping[str, Layout], started: Started, summaries: Sequence[Summary]
) -> RunFailedError | None:
    """Why the run did not come to all of its dates, written down as well; None where it did."""
    left = sum(len(summary.left) for summary in summaries)
    failure = started.failure(began=bool(summaries), left=left)
    if failure:
        for layout in lakes.values():
            runs.mention_failure(layout, failure)
    return failure


def _batches(dates: Sequence[Dated], size: int | None) -> Iterator[list[Dated]]:
    rest = iter(dates)
    while batch := list(islice(rest, size or len(dates))):
        yield batch


@contextmanager
def _stopping(lakes: Mapping[str, Layout]) -> Iterator[_Stops]:
    """Ctrl-C, or a polite kill, stops the run of the block gracefully, and a second one now."""
    stops = _Stops(lakes)
    before = {number: signal.signal(number, stops.heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Stops:
    """Stops that were asked for, heard since before there is a run: those are followed once there is one."""

    def __init__(self, lakes: Mapping[str, Layout]) -> None:
        self.asked = 0
        self._lakes = lakes
        self._run: tuple[Started, Shown] | None = None
        self._followed, self._busy = 0, False

    def heard(self, _number: int, _frame: FrameType | None) -> None:
        """Follow a signal: a handler."""
        self.asked += 1
        self._follow_all()

    def are_for(self, started: Started, shown: Shown) -> None:
        """Have stops, those before as well, end *started*, and say so where it is *shown*."""
        self._run = started, shown
        self._follow_all()

    def _follow_all(self) -> None:
        # One that comes while another is followed would meet its half-written files: it is followed next.
        while self._run and not self._busy and self._followed < self.asked:
            self._followed, self._busy = self._followed + 1, True
            try:
                self._follow(*self._run, gracefully=self._followed == 1)
            finally:
                self._busy = False

    def _follow(self, started: Started, shown: Shown, *, gracefully: bool) -> None:
        begun = [each for each in engine.current(self._lakes.values()) if each[1].name == started.name]
        if not begun:
            started.process.terminate()  # it has not begun, so there is nothing to finish
        elif gracefully:
            shown.note(_GRACEFULLY)
            for layout, run in begun:
                engine.ask_to_stop(layout, run)
        else:
            shown.note(_NOW)
            for layout, run in begun:
                engine.stop_now(layout, run)


def _summarised(call: Call, lakes: Mapping[str, Layout], started: Started) -> list[Summary]:
    """Print what became of the run in each of *lakes*, and give it, but where it came to no date."""
    from spx_data.ops.health import met_otherwise

    summaries = []
    for symbol, layout in lakes.items():
        run = runs.last(layout)
        if run is None or run.name != started.name:
            continue
        summary = summary_of(layout, run)
        if started.says() and len(summary.left) == len(run.dates):
            continue
        with call.working_at(symbol):
            if call.lakes.several:
                say(f"{symbol}:")
            print_summary(summary)
            if said := met_otherwise(layout, run.dates):
                say(said)
        page = layout.dashboard
        if page.exists() and page.stat().st_mtime >= run.started_at.timestamp():
            say(f"Dashboard in {page}")
        summaries.append(summary)
    return summaries
