"""A job's line to the terminal: the source, with every request and every retry written to the journal.

A terminal that one date gave up on is not asked by the others as if nothing had happened. The job that gives
up leaves a note in the temp directory. While it is there, every job asks the terminal once how it is before
it asks for data: a terminal still in trouble costs each remaining date one request and no patience, and a
terminal that is back is used at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from spx_data.errors import (
    ApiConnectionError,
    SpxDataError,
    TerminalDisconnectedError,
    ThetaTerminalNotRunningError,
)
from spx_data.settings import Settings, Terminal
from spx_data.sources import access, catalogue, profile, slots
from spx_data.sources.catalogue import Capabilities
from spx_data.sources.profile import Profile
from spx_data.sources.retry import retrying
from spx_data.sources.source import Exchange, Source
from spx_data.store import files, journal, locks
from spx_data.store.journal import Journal
from spx_data.store.layout import Layout

DOWN = (ThetaTerminalNotRunningError, TerminalDisconnectedError)


@contextmanager
def heeded(layout: Layout, source: Source) -> Iterator[None]:
    """Ask *source* for data in the block, unless it was found down and still is; note it if it goes down.

    Raises:
        ThetaTerminalNotRunningError, TerminalDisconnectedError: it is down.
    """
    try:
        if layout.terminal_down.exists():
            source.check()
            files.remove(layout.terminal_down)
        yield
    except DOWN as error:
        _note(layout, error)
        raise


def _note(layout: Layout, error: SpxDataError) -> None:
    note = {"error": type(error).__name__, "cause": error.cause}
    locks.claim_json(layout.terminal_down, note, layout.lock("outage"))


T = TypeVar("T")

_SLOWER = 10.0  # times what was seen: an answer may be that late
_IN_TROUBLE = (ApiConnectionError, *DOWN)


@dataclass(frozen=True)
class SourceSession:
    """An open line to the terminal for one stage of one date."""

    source: Source
    journal: Journal
    wait_factor: float
    profile: Profile | None = None  # of this very API, where the terminal was probed

    @classmethod
    @contextmanager
    def open(
        cls, settings: Settings, date: dt.date, stage: str, *, brief: bool = False
    ) -> Iterator[SourceSession]:
        """A line while the block lasts; the journal gets the try's start and its end, good or bad.

        Whoever is *brief* asks little, and before others who wait for the terminal.
        """
        layout = settings.layout
        known = profile.known(layout.profile)
        terminal = _patient(settings.terminal, known)
        log = Journal(layout.journal(date), stage)

        def audit(exchange: Exchange) -> None:
            log.record(journal.REQUEST, **exchange._asdict())

        with log.attempt(), ExitStack() as opened:
            if terminal.base_url is None or terminal.api == catalogue.AUTO:  # a run has found it before
                terminal = access.locate(terminal)
            limit = terminal.max_concurrent_requests
            shared = opened.enter_context(slots.shared(layout, str(terminal.base_url), limit, brief=brief))
            mine = known if known is not None and known.api == terminal.api else None
            expect = mine.wire if mine else None
            source = access.connect(terminal, layout.temp, audit, shared.slot, expect=expect)
            try:
                with heeded(layout, source):
                    yield cls(source, log, terminal.retry_wait_factor, mine)
            finally:
                source.close()

    @property
    def capabilities(self) -> Capabilities:
        """What the source can do."""
        return catalogue.capabilities(self.source.api)

    def ask(self, call: Callable[[], T], **about: object) -> T:
        """The result of *call*, retried by its errors' policies; *about* goes into the journal with each.

        A terminal in trouble is asked how it is before it is asked for data again (docs/wire.md, 8),
        and once more when patience is over: so a broken connection is told from a terminal that is gone.
        """
        in_trouble = False

        def attempt() -> T:
            if in_trouble:
                self.source.check()
            return call()

        def told(error: SpxDataError, number: int, wait: float) -> None:
            nonlocal in_trouble
            in_trouble = isinstance(error, _IN_TROUBLE)
            described = journal.described(error)
            self.journal.record(journal.RETRIED, **about, **described, attempt=number, wait=round(wait, 3))

        try:
            return retrying(attempt, wait_factor=self.wait_factor, observer=told)
        except ApiConnectionError:
            self.source.check()
            raise


def _patient(terminal: Terminal, known: Profile | None) -> Terminal:
    """*terminal*, waited for ten times as long as it took when it was probed, if that is more."""
    slowest = known.speed.slowest_first_byte_seconds if known else None
    seconds = max(terminal.history_timeout_seconds, _SLOWER * (slowest or 0.0))
    return replace(terminal, history_timeout_seconds=seconds)
