"""A job's line to the terminal: the source, with every request and every retry written to the journal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from spx_data.errors import ApiConnectionError, SpxDataError
from spx_data.settings import Settings, Terminal
from spx_data.sources import access, catalogue, profile, slots
from spx_data.sources.catalogue import Capabilities
from spx_data.sources.outage import DOWN, Waiting, heeded
from spx_data.sources.profile import Profile
from spx_data.sources.retry import retrying
from spx_data.sources.source import Exchange, Source
from spx_data.store import journal
from spx_data.store.journal import Journal

T = TypeVar("T")

_SLOWER = 10.0  # times what was seen: an answer may be that late
_IN_TROUBLE = (ApiConnectionError, *DOWN)


@dataclass(frozen=True)
class SourceSession:
    """An open line to the terminal for one stage of one date."""

    source: Source
    journal: Journal
    wait_factor: float
    waiting: Waiting
    profile: Profile | None = None  # of this very API, where the terminal was probed

    @classmethod
    @contextmanager
    def open(
        cls, settings: Settings, date: dt.date, stage: str, *, brief: bool = False
    ) -> Iterator[SourceSession]:
        """A line while the block lasts; the journal gets the try's start and its end, good or bad.

        A *brief* session asks little, and before others who wait for the terminal.
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
            source = access.connect(
                terminal, layout.temp, audit, shared.slot, expect=expect, records=settings.records
            )
            try:
                with heeded(layout, source) as waiting:
                    yield cls(source, log, terminal.retry_wait_factor, waiting, mine)
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
                self.waiting.answered()
            return call()

        def told(error: SpxDataError, number: int, wait: float, left: float) -> None:
            nonlocal in_trouble
            in_trouble = isinstance(error, _IN_TROUBLE)
            if isinstance(error, DOWN):
                self.waiting.wait(wait, left)
            described = journal.described(error)
            self.journal.record(journal.RETRIED, **about, **described, attempt=number, wait=round(wait, 3))

        try:
            found = retrying(attempt, wait_factor=self.wait_factor, observer=told)
        except ApiConnectionError:
            self.source.check()
            raise
        finally:
            self.waiting.leave()
        self.waiting.answered()
        return found


def _patient(terminal: Terminal, known: Profile | None) -> Terminal:
    """*terminal*, waited for ten times as long as it took when it was probed, if that is more."""
    slowest = known.speed.slowest_first_byte_seconds if known else None
    seconds = max(terminal.history_timeout_seconds, _SLOWER * (slowest or 0.0))
    return replace(terminal, history_timeout_seconds=seconds)
