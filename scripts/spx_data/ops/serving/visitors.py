"""The connections of the server that are open, so that idle ones keep nobody out."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import Any

_ASKING_SECONDS, _ANSWERING_SECONDS = 20.0, 300.0  # that one may take to ask, and to be answered

_BOTH_WAYS = 2  # to read and to write, as `socket.SHUT_RDWR` has it

_log = logging.getLogger(__name__)


class Visitors:
    """The connections that are open: so many at a time, none for longer than a request or an answer's part.

    When all places are taken, the next one gets the place of the connection that has been idle longest, so a
    thousand idle connections keep nobody out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Since when (monotonic seconds), the first one first; those whose threads have yet to see their end.
        self._asking: dict[Any, float] = {}
        self._answered: dict[Any, float] = {}
        self._ending: set[Any] = set()
        self._said = False

    def enter(self, visitor: Any, most: int) -> bool:
        """Let the connection *visitor* in, unless *most* are in and each of them is being answered."""
        with self._lock:
            if len(self._asking) + len(self._answered) >= most:
                self._say(f"more than {most} connections at a time: idle ones are ended")
                if not self._asking or len(self._ending) >= most:
                    return False
                self._end(next(iter(self._asking)))
            self._asking[visitor] = time.monotonic()
        return True

    @property
    def are_many(self) -> bool:
        """Whether a connection was pushed out whose thread goes on."""
        return bool(self._ending)

    def has_asked(self, visitor: Any) -> None:
        """Note that *visitor* has asked, and is answered from now on."""
        with self._lock:
            if self._asking.pop(visitor, None) is not None:
                self._answered[visitor] = time.monotonic()

    def goes_on(self, visitor: Any) -> None:
        """Note that *visitor* has taken a part of its answer, and waits for the next one."""
        with self._lock:
            if visitor in self._answered:
                self._answered[visitor] = time.monotonic()

    def leave(self, visitor: Any) -> None:
        """Forget *visitor*."""
        with self._lock:
            self._asking.pop(visitor, None)
            self._answered.pop(visitor, None)
            self._ending.discard(visitor)

    def tire(self) -> None:
        """End the connections that take too long, a byte a second or not."""
        with self._lock:
            now = time.monotonic()
            for these, seconds in ((self._asking, _ASKING_SECONDS), (self._answered, _ANSWERING_SECONDS)):
                for visitor in [each for each, since in these.items() if now - since > seconds]:
                    self._end(visitor)

    def make_room(self, error: OSError) -> None:
        """End all that have not asked, since nobody else can be let in for *error*."""
        with self._lock:
            self._say(f"{error.strerror}: idle connections are ended (more room: `ulimit -n 4096`)")
            for visitor in list(self._asking):
                self._end(visitor)

    def _end(self, visitor: Any) -> None:
        """Let the thread of *visitor* find its connection ended."""
        self._asking.pop(visitor, None)
        self._answered.pop(visitor, None)
        self._ending.add(visitor)
        with suppress(OSError):
            visitor.shutdown(_BOTH_WAYS)

    def _say(self, words: str) -> None:
        if not self._said:
            self._said = True
            _log.warning("spx-data serve: %s. This is said once", words)
