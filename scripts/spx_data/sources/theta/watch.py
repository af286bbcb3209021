"""An end to every exchange: one that comes too slowly is hung up on, however it trickles.

The timeout of a read ends silence only. A byte now and then, in a header or in a body, would hold one of the
terminal's slots for ever.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from spx_data.sources.theta.ceilings import RATE

CHUNK = 1 << 16  # bytes that are read at a time, and so come to be known at once
_BEAT = 0.5  # seconds; how late a slow answer may be noticed
_HERE = threading.local()


class Watch:
    """One exchange under watch, whose reads each have so many seconds of *silence*.

    Its head may take twice as long in all, and then once that time may pass before its body has to come with
    `ceilings.RATE` on average. *is_late* once it was hung up on.
    """

    def __init__(self, silence: float) -> None:
        self.is_late = False
        self.bytes = 0  # of the body so far
        self._silence = silence
        self._begun = self._answered = 0.0
        self._socket: socket.socket | None = None
        self._over = threading.Event()

    def take(self, connection: socket.socket | None) -> None:
        """The exchange goes over *connection*."""
        self._socket = connection

    def answered(self) -> None:
        """The head of the answer is here."""
        self._answered = time.monotonic()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Watch while the block lasts, from now on: not while the request waits for a slot."""
        _HERE.watch, self._begun = self, time.monotonic()
        threading.Thread(target=self._look, name="watch", daemon=True).start()
        try:
            yield
        finally:
            self._over.set()
            _HERE.watch = None

    def _look(self) -> None:
        while not self._over.wait(min(_BEAT, self._silence / 2)):
            if self._is_too_slow() and self._socket is not None:
                self.is_late = True
                with suppress(OSError):  # it may have ended by itself
                    self._socket.shutdown(socket.SHUT_RDWR)
                return

    def _is_too_slow(self) -> bool:
        now = time.monotonic()
        if not self._answered:
            return now - self._begun > 2 * self._silence
        return self.bytes + CHUNK < RATE * (now - self._answered - self._silence)


def current() -> Watch | None:
    """The watch over what this thread asks, if there is one."""
    return getattr(_HERE, "watch", None)
