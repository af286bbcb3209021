"""How many answers are read at once: few, however many come in.

Whoever reads an answer has tens of megabytes in hand: a block of it, its columns, and what is made of them.
So that memory does not grow with the requests in flight, an answer beyond a few waits for its reader in its
scratch file; its request is over, and no slot is held. The bound is advice: an answer whose reader has gone
and never said so keeps others waiting for a while, and out never (decision 80).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# As many as the usual limit of requests, 4, has threads: they keep two cores and Python's one lock busy.
_MOST = 6
_PATIENCE = 60.0  # seconds; a reader on two busy cores needs one, of JSON ten


class Desks:
    """The places of a process where answers are read; threads share them."""

    def __init__(self, many: int = _MOST, patience: float = _PATIENCE) -> None:
        """There are so *many*, and one is waited for with *patience*, in seconds."""
        self._patience = patience
        self._free = threading.Semaphore(many)
        self._there: set[threading.Thread] = set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Have a desk while the block lasts; a thread that has one already needs no other."""
        reader = threading.current_thread()
        if reader in self._there:
            yield
            return
        had = self._free.acquire(timeout=self._patience)
        self._there.add(reader)
        try:
            yield
        finally:  # maybe by another thread, which ends what this one began to read
            self._there.remove(reader)
            if had:
                self._free.release()
