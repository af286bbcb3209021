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
        self._most = None if queue is None else outstanding + queue
        self._inside = 0
        self._turns: set[asyncio.Task[bool]] = set()

    @asynccontextmanager
    async def slot(self, least_seconds: float = 0.0) -> AsyncIterator[None]:
        """Hold a slot for the block; raise `Full` if there is not even room to wait.

        With *least_seconds* the slot stays busy so long at least, although nobody waits for the answer any
        more: a request that is given up while it waits gets its slot too, when its turn comes.
        """
        if self._most is not None and self._inside >= self._most:
            raise Full
        self._inside += 1
        loop = asyncio.get_running_loop()
        turn = loop.create_task(self._slots.acquire())
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)
        try:
            await asyncio.shield(turn)
        except asyncio.CancelledError:
            if not least_seconds:
                turn.cancel()
            # The slot may have been given in this very moment: then it is given back.
            turn.add_done_callback(lambda done: self._abandoned(done, least_seconds))
            raise
        until = loop.time() + least_seconds
        try:
            yield
        finally:
            if (left := until - loop.time()) > 0.0:
                loop.call_later(left, self._release)
            else:
                self._release()

    def stop(self) -> None:
        """Let nobody wait any more."""
        for turn in self._turns:
            turn.cancel()

    def _release(self) -> None:
        self._inside -= 1
        self._slots.release()

    def _abandoned(self, turn: asyncio.Task[bool], seconds: float) -> None:
        """Keep the slot that nobody waits for any more as long as the request would have."""
        if turn.cancelled():
            self._inside -= 1
        else:
            asyncio.get_running_loop().call_later(seconds, self._release)
