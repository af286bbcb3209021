"""Answers kept in memory, the least recently asked for given up first."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

from theta_simulator.answers import Answer, Paged


class AnswerCache:
    """Builds each answer once, even when several ask for it at the same time."""

    def __init__(self, limit: int) -> None:
        """Keep at most *limit* bytes of bodies."""
        self._limit = limit
        self._kept: OrderedDict[Hashable, Answer | Paged] = OrderedDict()
        self._building: dict[Hashable, asyncio.Task[Answer | Paged]] = {}
        self._bytes = 0

    async def get(self, key: Hashable, build: Callable[[], Awaitable[Answer | Paged]]) -> Answer | Paged:
        """Return the answer under *key*, built now if it is not kept."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key not in self._building:
            self._building[key] = asyncio.create_task(self._build(key, build))
        # A client that gives up must not take the answer away from the others.
        return await asyncio.shield(self._building[key])

    async def _build(self, key: Hashable, build: Callable[[], Awaitable[Answer | Paged]]) -> Answer | Paged:
        """Build one answer and keep it if it fits."""
        try:
            answer = await build()
        finally:
            del self._building[key]
        if answer.size <= self._limit:
            self._kept[key] = answer
            self._bytes += answer.size
        while self._bytes > self._limit:
            self._bytes -= self._kept.popitem(last=False)[1].size
        return answer

    async def settle(self) -> None:
        """Wait until nothing is being built."""
        await asyncio.gather(*self._building.values(), return_exceptions=True)
