"""How a run is getting on: read from its journals, its staging and its processes; nothing is written.

`Watcher` reads, `tally` hears one date's events, `figures` makes numbers of them: the latter two are given
everything they need, the clock included. A run need not know that it is watched, nor who started it.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from spx_data.errors import SpxDataError
from spx_data.fill.listing import Listing
from spx_data.lake import runs
from spx_data.lake.runs import Run
from spx_data.ops.progress import figures
from spx_data.ops.progress.figures import DateProgress, Failure, Progress, Sealed, Speed, Summary
from spx_data.ops.progress.tally import Key, Staging, Standing, Tally
from spx_data.sources import outage
from spx_data.store import foreign, journal, reads, staging
from spx_data.store.journal import Event
from spx_data.store.layout import Layout

if TYPE_CHECKING:
    import psutil

__all__ = [
    "INTERVAL_VARIABLE",
    "QUIET_VARIABLE",
    "DateProgress",
    "Failure",
    "Followed",
    "Progress",
    "Sealed",
    "Speed",
    "Summary",
    "Watcher",
    "summary_of",
    "together",
]

QUIET_VARIABLE = "SPX_DATA_QUIET"  # set by who shows the progress of a run itself
INTERVAL_VARIABLE = "SPX_DATA_PROGRESS_SECONDS"  # between two lines in a pipe or a log file
# To find the run's processes, the environment of every process is read.
_PROCESSES_SECONDS = 5


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Followed(NamedTuple):
    """A run in one lake; where it is at work in several, the *symbol* tells them apart."""

    layout: Layout
    run: Run
    symbol: str = ""


def together(followed: Sequence[Followed]) -> Run:
    """One run of all that are *followed*: the same call of the workflow, at work in several lakes."""
    return followed[0].run._replace(dates=tuple(date for each in followed for date in each.run.dates))


class Watcher:
    """Watches a run from outside, in each of its lakes; every look reads what is new since the last one."""

    def __init__(self, *followed: Followed, clock: Callable[[], dt.datetime] = _now) -> None:
        self._followed, self._clock = followed, clock
        self._run = together(followed)
        self._dates = [
            _Date(
                Tally(date, run.name, symbol=symbol if len(followed) > 1 else ""),
                _Tail(layout.journal(date)),
                _Folder(layout, date),
            )
            for layout, run, symbol in followed
            for date in run.dates
        ]
        self._looked = False
        self._processes: list[psutil.Process] = []
        self._processes_at: dt.datetime | None = None

    def look(self) -> Progress:
        """The run as it stands now."""
        moment = self._clock()
        self._read()
        for tally in self._tallies:
            tally.forget(moment - figures.HORIZON)
        told = (outage.of_run(each.layout, self._run.name) for each in self._followed)
        away = next(filter(None, told), None)
        return figures.progress(self._run, self._tallies, moment, self._memory(moment), away)

    def summary(self) -> Summary:
        """What the run came to, up to now."""
        self._read()
        return figures.summary(self._run, self._tallies)

    @property
    def _tallies(self) -> list[Tally]:
        return [date.tally for date in self._dates]

    def _read(self) -> None:
        for tally, tail, folder in self._dates:
            if tally.standing is Standing.DONE:
                continue  # nothing comes after that
            news = tail.news()
            # A date that waits has in its folder what earlier runs left there, and nothing comes to it.
            if not self._looked or news or tally.standing is Standing.AT_WORK:
                tally.stand(folder.read())
            for event in news:
                tally.hear(event)
        self._looked = True

    def _memory(self, moment: dt.datetime) -> int | None:
        """Bytes of memory that the run's processes hold; None where none can be seen."""
        import psutil

        due = (
            self._processes_at is None or (moment - self._processes_at).total_seconds() >= _PROCESSES_SECONDS
        )
        if due:
            self._processes, self._processes_at = self._found_processes(), moment
        sizes = []
        for process in self._processes:
            with suppress(psutil.Error):
                sizes.append(process.memory_info().rss)
        return sum(sizes) or None

    def _found_processes(self) -> list[psutil.Process]:
        found = (process for each in self._followed for process in runs.processes(each.layout, each.run))
        return list(dict.fromkeys(found))


def summary_of(layout: Layout, run: Run) -> Summary:
    """What *run* came to."""
    return Watcher(Followed(layout, run)).summary()


class _Date(NamedTuple):
    """One date of a run, and where it is read."""

    tally: Tally
    tail: _Tail
    folder: _Folder


@dataclass
class _Tail:
    """The end of a journal that has not been read yet."""

    path: Path
    offset: int = 0

    def news(self) -> list[Event]:
        """The events that came since the last call; a line that is still being written waits."""
        try:
            with reads.reading(self.path) as stream:
                if stream.seek(0, os.SEEK_END) < self.offset:
                    self.offset = 0  # what was read has been compressed, and the file begins anew
                stream.seek(self.offset)
                block = stream.read(foreign.MOST_JOURNAL_BYTES)
        except (OSError, SpxDataError):
            return []
        whole = block[: block.rfind(b"\n") + 1]
        self.offset += len(whole)
        return [event for line in whole.splitlines() if (event := journal.parse(line))]


class _Folder:
    """A date's staging folder: what was read of it once is not read again unless it changed."""

    def __init__(self, layout: Layout, date: dt.date) -> None:
        self._layout, self._date = layout, date
        self._listing: Listing | None = None
        self._stamp: int | None = None
        self._staged: dict[Key, tuple[int, int]] = {}

    def read(self) -> Staging:
        """What stands in the folder now; nothing where it cannot be read."""
        try:
            self._read_listing()
            listing = self._listing
            if listing is None:
                return Staging()
            present = {path.name for path in self._layout.receipts(self._date)}
        except (SpxDataError, OSError):
            return Staging()
        listed, staged = {}, {}
        for entry in listing.chains:
            chain = entry.chain
            key = (chain.root, chain.expiration.isoformat())
            listed[key] = entry.contracts
            checkpoint = self._layout.checkpoint(self._date, chain.root, chain.expiration)
            if checkpoint.receipt.name not in present:
                continue
            if key not in self._staged and (found := staging.staged(checkpoint, listing.identity(entry))):
                self._staged[key] = (found.rows, found.bytes)
            if key in self._staged:
                staged[key] = self._staged[key]
        return Staging(listed, staged)

    def _read_listing(self) -> None:
        path = self._layout.listing(self._date)
        try:
            stamp = path.stat().st_mtime_ns
        except FileNotFoundError:
            self._listing = self._stamp = None
            return
        if stamp != self._stamp:
            self._listing, self._stamp, self._staged = Listing.of_json(reads.read_json(path)), stamp, {}
