"""Answers kept in memory, the least recently asked for given up first."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

from theta_simulator.answers import Answer, Paged


class Answers:
    """So many bytes of answers by their keys, for any thread."""

    def __init__(self, limit: int) -> None:
        """Keep at most *limit* bytes of bodies."""
        self._limit = limit
        self._kept: OrderedDict[Hashable, Answer | Paged] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def find(self, key: Hashable) -> Answer | Paged | None:
        """Return the answer under *key*; None where there is none."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: Hashable, answer: Answer | Paged) -> None:
        """Keep an *answer* if it fits; others may have to go."""
        with self._lock:
            if key not in self._kept and answer.size <= self._limit:
                self._kept[key] = answer
                self._bytes += answer.size
            while self._bytes > self._limit:
                self._bytes -= self._kept.popitem(last=False)[1].size

    def get(self, key: Hashable, build: Callable[[], Answer | Paged]) -> Answer | Paged:
        """Return the answer under *key*; *build* makes it where there is none."""
        if (answer := self.find(key)) is None:
            answer = build()
            self.keep(key, answer)
        return answer


class AnswerCache:
    """Builds each answer once, even when several ask for it at the same time."""

    def __init__(self, limit: int) -> None:
        """Keep at most *limit* bytes of bodies."""
        self._kept = Answers(limit)
        self._building: dict[Hashable, asyncio.Task[Answer | Paged]] = {}

    async def get(self, key: Hashable, build: Callable[[], Awaitable[Answer | Paged]]) -> Answer | Paged:
        """Return the answer under *key*, built now if it is not kept."""
        if answer := self._kept.find(key):
            return answer
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
        self._kept.keep(key, answer)
        return answer

    async def settle(self) -> None:
        """Wait until nothing is being built."""
        await asyncio.gather(*self._building.values(), return_exceptions=True)
