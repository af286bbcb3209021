"""The locks at one terminal: the files of its slots, who is next, what others are seen to hold (`slots`)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from spx_data.store import locks, names

_LIMIT, _REQUEST = re.compile(r"limit-([0-9]+)\.lock"), re.compile(r"request-([0-9]+)\.lock")


class Place(NamedTuple):
    """The files of one terminal's slots; *instead_of* says why they are not in the usual folder."""

    folder: Path
    instead_of: str | None = None

    def slot(self, number: int) -> Path:
        """Locked during one request, as one of those that may be in flight; from 1 on."""
        return self.folder / f"request-{number}.lock"

    @property
    def pace(self) -> Path:
        """What was learned of how many requests the terminal bears at once (`pacing`)."""
        return self.folder / "pace.json"

    @property
    def learning(self) -> Path:
        """Locked by the one who learns."""
        return self.folder / "pace.lock"

    def limit(self, number: int) -> Path:
        """Locked, together, by all who are at work with a limit of so many requests."""
        return self.folder / f"limit-{number}.lock"

    def turn(self, queue: str) -> Path:
        """Locked by the one of those in the *queue* that gets the next slot."""
        return self.folder / f"turn-{queue}.lock"

    def following(self, queue: str) -> Path:
        """Locked by the one whose turn is after that."""
        return self.folder / f"next-{queue}.lock"


@dataclass(frozen=True)
class Lock:
    """A file that is locked, by one descriptor of it."""

    path: Path
    descriptor: int

    def taken(self) -> bool:
        """Whether it is ours now: nobody had it."""
        return locks.taken(self.descriptor, self.path)

    def share(self) -> None:
        """Hold it together with all who share it, until the descriptor is closed."""
        locks.wait(self.descriptor, self.path, shared=True)

    def is_held(self) -> bool:
        """Whether another descriptor holds it, alone or together with others."""
        if not self.taken():
            return True
        self.give_back()
        return False

    def is_held_alone(self) -> bool:
        """Whether another descriptor holds it; nobody takes those who ask this for one that does."""
        if not locks.taken(self.descriptor, self.path, shared=True):
            return True
        self.give_back()
        return False

    def wait(self) -> None:
        """Take it as soon as nobody has it."""
        locks.wait(self.descriptor, self.path)

    def give_back(self) -> None:
        """Give it back."""
        locks.give_back(self.descriptor, self.path)


@dataclass(frozen=True)
class Queue:
    """Those who wait for a slot, of all threads and processes: one of them at a time has the turn.

    Who is after that is known before the turn is given back. Else one that gives it back and wants it again
    would mostly be quicker than those whom the system has yet to wake, and one lake get it all.
    """

    next: Lock
    now: Lock
    here: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have the turn while the block lasts."""
        with self.here:
            self.next.wait()
            try:
                self.now.wait()
            finally:
                self.next.give_back()
            try:
                yield
            finally:
                self.now.give_back()


class Others:
    """What others at work at the terminal hold: their smaller limits, and slots beyond the own *limit*."""

    def __init__(self, place: Place, limit: int, lock: Callable[[Path], Lock]) -> None:
        self._place, self._limit, self._lock = place, limit, lock
        self._smaller: dict[int, Lock] = {}
        self._beyond: dict[int, Lock] = {}

    def least(self) -> int:
        """The smallest limit of all who are at work; its file is there before its owner asks for a slot."""
        for number in self._numbers(_LIMIT):
            if number < self._limit:
                lock = self._smaller.get(number) or self._lock(self._place.limit(number))
                self._smaller[number] = lock
                if lock.is_held():
                    return number
        return self._limit

    def hold_more(self) -> bool:
        """Whether a slot beyond the own limit is held."""
        for number in self._numbers(_REQUEST):
            if number > self._limit and number not in self._beyond:
                self._beyond[number] = self._lock(self._place.slot(number))
        return any(lock.is_held() for lock in self._beyond.values())

    def _numbers(self, form: re.Pattern[str]) -> list[int]:
        found = names.inside(str(self._place.folder), form)
        return sorted(int(name.partition("-")[2].removesuffix(names.LOCK)) for name in found)
