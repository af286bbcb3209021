"""How many requests are served at a time, how many may wait, who is turned away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Full(Exception):
    """No slot is free and nobody else may wait."""


class Admission:
    """Slots for requests, given in order of arrival."""

    def __init__(self, outstanding: int, queue: int | None) -> None:
        """Serve *outstanding* at a time and let *queue* wait; None lets everybody wait."""
        self._slots = asyncio.Semaphore(outstanding)
        self._queue = queue
        self._waiting = 0

    @asynccontextmanager
    async def slot(self, least_seconds: float = 0.0) -> AsyncIterator[None]:
        """Hold a slot for the block, and so long at least; raise `Full` if there is not even room to wait."""
        if self._slots.locked() and self._queue is not None and self._waiting >= self._queue:
            raise Full
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        loop = asyncio.get_running_loop()
        until = loop.time() + least_seconds
        try:
            yield
        finally:
            if (left := until - loop.time()) > 0.0:
                loop.call_later(left, self._slots.release)
            else:
                self._slots.release()
