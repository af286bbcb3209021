"""A terminal inside the process that asks it: for tests.

The server runs in a thread with its own event loop; whoever holds the `Terminal`
talks to it over HTTP like any other client.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

from theta_simulator.blemishes import Blemish, Place
from theta_simulator.habits import Habit
from theta_simulator.market import Market
from theta_simulator.server import Server
from theta_simulator.settings import Settings
from theta_simulator.truth import Truth

T = TypeVar("T")
_SETTLE_SECONDS = 1.0


class Terminal:
    """A running terminal."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self.url = server.url

    @property
    def settings(self) -> Settings:
        """What was chosen about it."""
        return self._server.settings

    @property
    def market(self) -> Market:
        """The market it serves, without blemishes: the truth to compare with."""
        return self._server.market

    def places(self, day: date) -> list[Place]:
        """Return where its blemishes sit on *day*."""
        return self._server.places(day)

    @property
    def truth(self) -> Truth:
        """What it has, what it keeps from whom, and what its habits are about."""
        return Truth(self._server.served)

    def requests(self) -> list[dict[str, Any]]:
        """Return the finished requests, in order of arrival.

        Waits a moment for those whose last byte has just left.
        """
        return _run(self._loop, self._settled())

    def set_status(self, word: str) -> None:
        """Change what the status endpoints say; anything but CONNECTED cuts off data."""
        self._server.status = word

    def change(
        self,
        *,
        habits: tuple[Habit, ...] | None = None,
        blemishes: tuple[Blemish, ...] | None = None,
        today: date | None = None,
    ) -> None:
        """Have these from now on, and what is not named as before; what passes begins to count anew."""
        if self._server.replay:
            raise ValueError("a replay stays as it was recorded: it takes no habits, no blemishes, no date")
        named = {"habits": habits, "blemishes": blemishes, "today": today}
        changes: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        _run(self._loop, self._become(replace(self.settings, **changes)))

    async def _become(self, settings: Settings) -> None:
        """Change on the terminal's own loop, between two requests."""
        self._server.become(settings)

    async def _settled(self) -> list[dict[str, Any]]:
        """Return the records once nothing is in flight, or after a second."""
        deadline = self._loop.time() + _SETTLE_SECONDS
        while self._server.log.open and self._loop.time() < deadline:
            await asyncio.sleep(0.002)
        return self._server.log.requests()


@contextmanager
def running(settings: Settings) -> Iterator[Terminal]:
    """Run a terminal for the block; nothing is left of it afterwards."""
    server = Server(settings)  # it may refuse
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="theta-simulator", daemon=True)
    thread.start()
    try:
        _run(loop, server.start())
        yield Terminal(server, loop)
    finally:
        _run(loop, server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the terminal's loop and return its result."""
    return asyncio.run_coroutine_threadsafe(work, loop).result()
