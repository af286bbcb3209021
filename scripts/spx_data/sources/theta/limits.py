"""What an answer may be at most, by what was asked: how many rows, bytes and pages, how slow, how late.

The terminal is a program on somebody's machine, and what answers at its address may be anything. Whatever
comes from there has an end: here is where. Each ceiling is far above what was ever seen. The timeout of a
read ends silence only: a byte now and then, in a header or in a body, would hold one of the terminal's slots
for ever, so every exchange that comes too slowly is hung up on (`Watch`).
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from spx_data.market.sessions import Window


class Stage(Enum):
    """What was asked: which cures can help hangs on it."""

    STATUS = "the question how it is"
    CALENDAR = "a date's hours"
    EXPIRATIONS = "a list of expirations"
    LISTING = "a list of contracts"
    REPORT = "a report on a date's contracts"
    HISTORY = "a chain's history"
    CONTRACT = "a contract's history"

    @property
    def is_history(self) -> bool:
        """Whether `thetadata.format` is what its answers come in."""
        return self in (Stage.HISTORY, Stage.CONTRACT)

    @property
    def is_brief(self) -> bool:
        """Whether its answers are short, and come at once."""
        return self in (Stage.STATUS, Stage.CALENDAR, Stage.EXPIRATIONS)


_STAGES = (
    (re.compile(r"/(?:mdds|fpss)/status$"), Stage.STATUS),
    (re.compile(r"/calendar/"), Stage.CALENDAR),
    (re.compile(r"/list/expirations"), Stage.EXPIRATIONS),
    (re.compile(r"/list/"), Stage.LISTING),
    (re.compile(r"/(?:hist|history|bulk_hist)/.*(?:eod|open_interest)"), Stage.REPORT),
    (re.compile(r"/v2/hist/"), Stage.CONTRACT),
)


def stage_of(url: str) -> Stage:
    """What *url* asks for (docs/wire.md, 2, 4, 5 and 11)."""
    parts = urlsplit(url)
    for pattern, stage in _STAGES:
        if pattern.search(parts.path):
            return stage
    strike = parse_qs(parts.query).get("strike", ["*"])
    return Stage.HISTORY if strike == ["*"] else Stage.CONTRACT


LINE = 1 << 20  # bytes; a row of the longest spelling has 560
RATE = 1 << 14  # bytes a second that must come on average, once an answer has begun: so its time has an end
PAGES = 200  # of one answer: a page of v2 has up to 500,000 rows (docs/wire.md, 1.2)

_ROW = 1 << 10  # bytes
_MOST_CONTRACTS = 10_000  # of one chain; SPX had 1,618 in July 2022
_FEW_CONTRACTS = 1_000
_TWICE = 2  # a listing may know half of a chain, and rows come twice at times (docs/wire.md, 13)


class Ceiling(NamedTuple):
    """The most that an answer may be, all of its pages together."""

    rows: int
    bytes: int

    def after(self, size: int) -> Ceiling:
        """The most that the pages may be which follow one of *size* bytes."""
        return Ceiling(self.rows, self.bytes - size)


def _of(rows: int) -> Ceiling:
    return Ceiling(rows, _ROW * (rows + 64))


WORD = _of(1)
HOURS = _of(10)
EXPIRATIONS = _of(20_000)  # of all times: one a day for eighty years
CONTRACTS = _of(200_000)  # of a root on a date; SPX with SPXW had 21,000 in January 2024
REPORT = _of(2 * CONTRACTS.rows)  # a contract may have two rows in it (docs/wire.md, 6)


def history(window: Window, contracts: int) -> Ceiling:
    """The most that the history of so many *contracts* may be; of 0, which stands for a number unknown, any.

    Rows come at the stamps of *window*, each once or, from double builds, twice.
    """
    most = max(contracts, _FEW_CONTRACTS) if contracts else _MOST_CONTRACTS
    return _of(_TWICE * most * window.stamps)


_LONG = 86_400.0  # seconds, of what a header may say
_MOST = 1_500.0  # seconds; answers after 1,400 s were seen (docs/wire.md, 16)


class Patience:
    """How long answers of each kind are waited for, by what was seen since this process began.

    A request that is given up stays at work in the terminal, so asking again with the same patience would
    fail again, and hold another of its slots.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[tuple[str, Stage], float] = {}

    def of(self, base_url: str, stage: Stage, at_least: float) -> float:
        """The seconds of silence that a request is given."""
        with self._lock:
            return max(at_least, self._seconds.get((base_url, stage), 0.0))

    def grown(self, base_url: str, stage: Stage, waited: float) -> float | None:
        """The seconds for the next request, after one *waited* in vain; None where they do not grow."""
        if stage.is_brief or waited >= _MOST:
            return None
        with self._lock:
            found = max(self._seconds.get((base_url, stage), 0.0), min(2 * waited, _MOST))
            self._seconds[base_url, stage] = found
            return found


def seconds_told(header: str) -> float | None:
    """The seconds that a Retry-After header asks for: a number, or a date (RFC 9110, section 10.2.3)."""
    if header.isascii() and header.replace(".", "", 1).isdigit():
        return min(float(header), _LONG)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError, TypeError, IndexError):  # it raises what the parts of a date raise
        return None
    return min(max(0.0, moment.timestamp() - time.time()), _LONG)


CHUNK = 1 << 16  # bytes that are read at a time, and so come to be known at once
_BEAT = 0.5  # seconds; how late a slow answer may be noticed
_HERE = threading.local()


class Watch:
    """One exchange under watch, whose reads each have so many seconds of *silence*.

    Its head may take twice as long in all, and then once that time may pass before its body has to come with
    `RATE` on average. *is_late* once it was hung up on.
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
