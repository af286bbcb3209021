"""A job's line to the terminal: the source, with every request and every retry written to the journal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeVar

from spx_data import journal, slots, theta
from spx_data.errors import ApiConnectionError, SpxDataError
from spx_data.fill import outage
from spx_data.journal import Journal
from spx_data.retry import retrying
from spx_data.settings import Settings
from spx_data.theta import Source

if TYPE_CHECKING:
    from spx_data.theta.transport import Exchange

T = TypeVar("T")

_IN_TROUBLE = (ApiConnectionError, *outage.DOWN)


@dataclass(frozen=True)
class Line:
    """An open line to the terminal for one stage of one date."""

    source: Source
    journal: Journal
    wait_factor: float

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, date: dt.date, stage: str, *, brief: bool = False) -> Iterator[Line]:
        """A line while the block lasts; the journal gets the try's start and its end, good or bad.

        Whoever is *brief* asks little, and before others who wait for the terminal.
        """
        layout, terminal = settings.layout, settings.terminal
        log = Journal(layout.journal(date), stage)

        def audit(exchange: Exchange) -> None:
            log.record(journal.REQUEST, **asdict(exchange))

        with log.attempt(), slots.shared(layout, terminal.max_concurrent_requests, brief=brief) as shared:
            source = theta.connect(terminal, layout.temp, audit, shared.slot)
            try:
                with outage.heeded(layout, source):
                    yield cls(source, log, terminal.retry_wait_factor)
            finally:
                source.close()

    def ask(self, call: Callable[[], T], **about: object) -> T:
        """The result of *call*, retried by its errors' policies; *about* goes into the journal with each.

        A terminal in trouble is asked how it is before it is asked for data again (wire-facts, section 8),
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
