"""The pace of one terminal, shared by all processes of a user: a small file beside its slots.

Whoever changes it holds a lock, which the system drops with the process that dies, and the file is replaced
as a whole: a process may be killed at any moment. What is lost, torn or foreign is a pace that knows nothing:
then the limit is in force as it is. The pace says how many slots are taken, never which; where it cannot be
written, requests go on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from spx_data.errors import ApiRateLimitError, SpxDataError
from spx_data.sources.pace import Pace
from spx_data.sources.slot_locks import Lock, Place
from spx_data.sources.source import Passage
from spx_data.store import files, reads

_MOST_BYTES = 1 << 14


class Pacing:
    """One job's view of its terminal's pace, for all of its threads."""

    def __init__(self, place: Place, lock: Lock, clock: Callable[[], float] = time.time) -> None:
        self._path, self._lock, self._clock = place.pace, lock, clock
        self._here = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._pace = Pace()

    def allowed(self, limit: int) -> int:
        """How many requests may be in flight now, under *limit*."""
        return self._known().allowed(limit)

    @contextmanager
    def watched(self, count: Callable[[], tuple[int, int]]) -> Iterator[Passage]:
        """Learn from the request that is made while the block lasts.

        *count* says, at its end, how many are in flight and what the smallest limit is.
        """
        passage, begun, clock = Passage(), self._clock(), time.monotonic()
        try:
            yield passage
        except ApiRateLimitError:
            if limit := self._counted(passage, count):
                with self._changing() as pace:
                    pace.has_refused(limit, passage.in_flight or 0, begun, self._clock())
            raise
        except BaseException:
            self._counted(passage, count)
            raise
        seconds = time.monotonic() - clock
        if limit := self._counted(passage, count):
            with self._changing() as pace:
                told = (passage.in_flight or 0, begun, self._clock(), passage.size, seconds)
                pace.has_answered(limit, *told)

    def _counted(self, passage: Passage, count: Callable[[], tuple[int, int]]) -> int | None:
        """The smallest limit, after *passage* has learned how many are in flight.

        None where that cannot be seen: then the request teaches nothing, and is what it is.
        """
        with suppress(SpxDataError):
            passage.in_flight, limit = count()
            return limit
        return None

    @contextmanager
    def _changing(self) -> Iterator[Pace]:
        """The pace as it stands, for this process alone; what the block makes of it is written.

        What cannot be written is known to this process until the file says otherwise.
        """
        with self._here:  # a lock belongs to the descriptor, which all threads of a job have in common
            with suppress(SpxDataError):
                self._lock.wait()
            try:
                pace = self._known()
                pace.since = min(pace.since, self._clock())  # a clock may have been set back
                yield pace
                with suppress(SpxDataError), files.atomic(self._path, lasting=False) as stream:
                    stream.write(pace.as_text().encode())
            finally:
                with suppress(SpxDataError):
                    self._lock.give_back()

    def _known(self) -> Pace:
        try:
            found = self._path.stat()
        except OSError:
            return self._pace
        if (seen := (found.st_mtime_ns, found.st_ino)) != self._seen:
            with suppress(SpxDataError, OSError):
                self._pace, self._seen = Pace.of_text(reads.content(self._path, _MOST_BYTES)), seen
        return self._pace


def known(place: Place) -> Pace:
    """What is known of the terminal whose slots are at *place*."""
    with suppress(SpxDataError, OSError):
        return Pace.of_text(reads.content(place.pace, _MOST_BYTES))
    return Pace()
