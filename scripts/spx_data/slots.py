"""How many requests are in flight at the terminal, over all processes of a lake.

The limit is so many files; whoever holds the lock of one holds a slot, during one request and no longer. The
system drops a lock with the process that dies, so no slot is ever lost, and no process keeps books about
another. As soon as a slot is free somebody has it, as long as anybody wants one.

Who is next is a lock as well, so all others who wait sleep in the kernel. There are two queues, and the one
at the back waits while anybody stands in the one at the front. At the front are listings, the later pages of
an answer, and the one job that leads: so dates end one after the other and not all at once, which would
leave the terminal idle while all of the next ones start, and the disk with many dates half staged.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from spx_data import disk, files, locks
from spx_data.layout import Layout

# How long a slot that another process gives back may go unnoticed: little beside what a request takes.
# Whoever looks oftener pays for it: 3 % of a core at 4 ms, 1 % at 10 ms.
_BEAT_SECONDS = 0.01


@contextmanager
def shared(layout: Layout, limit: int, *, brief: bool = False) -> Iterator[Slots]:
    """The *limit* slots of the lake, for one job while the block lasts.

    Whoever is *brief*, with a few requests in all, waits at the front and never leads.

    Raises:
        PermissionDeniedError, InsufficientDiskSpaceError, DeviceError: a lock cannot be opened.
        VolumeError: nothing can be locked there.
    """
    files.make_directory(layout.slots)
    with ExitStack() as opened:

        def lock(path: Path) -> int:
            with files.explained(path, "open"):
                descriptor = disk.open_to_append(path)
            opened.callback(os.close, descriptor)
            return descriptor

        yield Slots(layout, limit, lock, brief=brief)


class Slots:
    """One job's way to the slots of its lake, for all of its threads."""

    def __init__(self, layout: Layout, limit: int, lock: Callable[[Path], int], *, brief: bool) -> None:
        # A lock belongs to the descriptor, so those that this job holds are not among the free.
        self._folder = layout.slots
        self._free = [lock(layout.slot(number)) for number in range(1, limit + 1)]
        self._books, self._given_back = threading.Lock(), threading.Event()
        turns = [layout.turn(name) for name in ("front", "back")]
        self._front, self._back = (_Queue(lock(path), path) for path in turns)
        self._look = lock(layout.turn("front"))
        self._lead, self._leads, self._brief = lock(layout.lead), False, brief

    @contextmanager
    def slot(self, urgent: bool = False) -> Iterator[None]:
        """Hold a slot while the block lasts, once there is one; an *urgent* request waits at the front."""
        held = (
            self._from_the_front() if urgent or self._brief or self._is_leading() else self._from_the_back()
        )
        try:
            yield
        finally:
            # Told to the system now: a child process that was forked meanwhile has the descriptor as well.
            locks.give_back(held, self._folder)
            self._free.append(held)
            self._given_back.set()

    def _is_leading(self) -> bool:
        """Whether this job goes before others: one does at a time, from its first request to its end."""
        self._leads = self._leads or locks.taken(self._lead, self._folder)
        return self._leads

    def _from_the_front(self) -> int:
        with self._front.turn():
            while (held := self._taken()) is None:
                self._pause()
        return held

    def _from_the_back(self) -> int:
        with self._back.turn():
            while self._somebody_is_at_the_front() or (held := self._taken()) is None:
                self._pause()
        return held

    def _taken(self) -> int | None:
        """The descriptor of a slot that was free and now is ours."""
        with self._books:
            for number, descriptor in enumerate(self._free):
                if locks.taken(descriptor, self._folder):
                    return self._free.pop(number)
        return None

    def _pause(self) -> None:
        """Wait a beat, or until this job gives a slot back."""
        self._given_back.wait(_BEAT_SECONDS)
        self._given_back.clear()

    def _somebody_is_at_the_front(self) -> bool:
        if not locks.taken(self._look, self._folder):
            return True
        locks.give_back(self._look, self._folder)
        return False


class _Queue:
    """Those who wait for a slot, of all threads and processes: one of them at a time has the turn."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor, self._path, self._here = descriptor, path, threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have the turn while the block lasts."""
        with self._here:
            locks.wait(self._descriptor, self._path)
            try:
                yield
            finally:
                locks.give_back(self._descriptor, self._path)
