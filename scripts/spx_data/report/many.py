"""The pages of many days, made by as many processes as there are cores.

What a page holds does not depend on which process makes it, or after which others. A process takes the memory
of one page; results are paths.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import threading
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path

from spx_data.errors import InsufficientDiskSpaceError, MachineError
from spx_data.report import page
from spx_data.report.day import page as page_of
from spx_data.settings import Settings
from spx_data.status import Summary
from spx_data.store import cores, files, modes
from spx_data.text import commands
from spx_data.text.commands import Caller

# Fewer pages for each process would not pay for its start: it loads libraries for two seconds.
_WORTH_A_PROCESS = 4


@dataclass(frozen=True)
class Made:
    """What came of the page of one date: where it is, or the error that got in its way."""

    date: dt.date
    path: Path | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class Pages:
    """The pages of *dates*, which lead to each other, at one moment; *summaries* are `status.summaries`."""

    settings: Settings
    moment: dt.datetime
    dates: Collection[dt.date]
    summaries: Sequence[Summary]

    def make(self, date: dt.date) -> Made:
        """Write the page of *date*.

        Raises:
            InsufficientDiskSpaceError: as it would be for every other date.
        """
        target = self.settings.layout.day_page(date)
        try:
            found = page_of(self.settings, self.moment, date, self.dates, self.summaries)
            files.write_text(target, page.html(found))
        except InsufficientDiskSpaceError:
            raise
        except Exception as error:  # whatever it is, the other dates get their pages
            return Made(date, error=error)
        return Made(date, target)

    def make_all(self, processes: int | None = None) -> Iterator[Made]:
        """Write the page of each date, in their order, with so many *processes*; None is what suits.

        Raises:
            InsufficientDiskSpaceError: no more pages can be written.
            MachineError: a process was ended by somebody else.
        """
        most = len(self.dates) // _WORTH_A_PROCESS
        count = min(cores.usable(), most) if processes is None else processes
        return _side_by_side(self, count) if count > 1 else map(self.make, self.dates)


# Side by side -------------------------------------------------------------------------------------------


class _Worker:
    """What a process that makes pages was given when it started."""

    pages: Pages


def _begin(pages: Pages, caller: Caller) -> None:
    folder, snakefile = (Path(each) if each else None for each in (caller.folder, caller.snakefile))
    commands.called_by(caller.configfiles, folder, snakefile)
    modes.restrict(owner_only=pages.settings.owner_only)
    _Worker.pages = pages
    # Who waits for a page to make waits for ever where nobody is left who would ask for one.
    threading.Thread(target=_end_with_the_caller, daemon=True).start()


def _end_with_the_caller() -> None:
    if caller := parent_process():
        caller.join()
        os._exit(1)


def _make(date: dt.date) -> Made:
    return _Worker.pages.make(date)


def _side_by_side(pages: Pages, count: int) -> Iterator[Made]:
    """Make *pages* in *count* processes; a few dates are under way at a time, whatever their number.

    A caller that stops asking, or Ctrl-C, waits for the pages that are being made, and no other is begun.
    """
    # Not forked: a fork of a process that has threads may hang.
    pool = ProcessPoolExecutor(
        count, get_context("spawn"), initializer=_begin, initargs=(pages, commands.caller())
    )
    try:
        yield from _in_order(pool, pages.dates, 2 * count)
    except BrokenProcessPool as error:
        raise MachineError(
            "a process that made pages was killed, maybe for want of memory",
            cure="Free some memory and call it again; pages that were made are there",
            operation="make pages",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(pool: ProcessPoolExecutor, dates: Collection[dt.date], most: int) -> Iterator[Made]:
    left = iter(dates)
    with _interrupts_held():  # for good in processes that are started here
        begun = deque(pool.submit(_make, date) for date in islice(left, most))
    while begun:
        yield begun.popleft().result()
        begun.extend(pool.submit(_make, date) for date in islice(left, 1))


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C in the block is heard at its end; never by a process that is started in it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
