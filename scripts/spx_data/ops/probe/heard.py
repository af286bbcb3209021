"""What a probe has heard: each question with its answers as they came, and what the product reads in them."""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, BinaryIO

from spx_data.errors import NEVER, ApiDataNotFoundError, SpxDataError, WrongApiError
from spx_data.fill.lacking import Contract
from spx_data.market.chains import Chain, Listed, ListedChain, Reported, true_expiration
from spx_data.market.products import Product
from spx_data.market.second_opinion import Reading
from spx_data.market.sessions import Session, VendorHours, Window
from spx_data.quality.panel import clock
from spx_data.settings import Settings
from spx_data.sources import access, slots
from spx_data.sources.retry import retrying
from spx_data.sources.source import Source, Tapped
from spx_data.store import files

if TYPE_CHECKING:
    import polars as pl


# A replay of a recording tells in headers of these names what its original took, and how long its body was.
RECORDED_FIRST_BYTE = "x-recorded-first-byte-seconds"
RECORDED_SECONDS = "x-recorded-seconds"
RECORDED_BYTES = "x-recorded-bytes"
_LONGEST_SILENCE = 120.0  # seconds
_HIDDEN = ("date", "set-cookie")  # headers that are no habit of a terminal


def target_of(url: str) -> str:
    """Path and query of *url*."""
    return "/" + url.split("://", 1)[-1].partition("/")[2]


class Topic(StrEnum):
    """What a question of the plan is for."""

    STATUS = "status"
    EXPIRATIONS = "expirations"  # the list of expirations
    LISTING = "listing"  # of the ordinary day
    ORDINARY = "ordinary day"  # its own expiration where it has one; the lake's window
    LIVING = "ordinary day, living chain"
    HALF_DAY = "half day"  # a chain that lives on
    HALF_DAY_EXPIRING = "half day, expiring chain"
    THIRD_FRIDAY = "third Friday"  # the AM-settled chain on the morning of its settlement
    CLOCK_CHANGE = "change of clocks"  # the session before it, a chain that expires after it
    LAST_SESSION = "last session"  # a living chain, in a window wider than the regular hours
    TODAY = "today"
    LISTING_TODAY = "listing of today"
    CONTRACT = "contract by itself"  # of the ordinary day's chain, in each transport format
    NEVER_QUOTED = "contract never quoted"
    NO_SESSION = "no session"
    FLOOR = "earliest date"
    EOD = "end-of-day report"  # of the ordinary day
    CALENDAR = "calendar"  # of the half day


# The questions about whole chains at every stamp, those of the ordinary day first.
CHAINS = (
    Topic.ORDINARY,
    Topic.LIVING,
    Topic.HALF_DAY,
    Topic.HALF_DAY_EXPIRING,
    Topic.CLOCK_CHANGE,
    Topic.LAST_SESSION,
    Topic.TODAY,
    Topic.THIRD_FRIDAY,
)


@dataclass(frozen=True, eq=False)
class Raw:
    """One answer as it came, a refusal too; its body is a nameless file, packed if it came so."""

    target: str  # path and query: no address
    status: int
    headers: Mapping[str, str]  # by their names in lower case
    body: BinaryIO
    first_byte_seconds: float
    seconds: float
    size: int  # of the original body

    def content(self, most: int = -1) -> bytes:
        """The body, or its first *most* bytes."""
        self.body.seek(0)
        return self.body.read(most)

    @property
    def sha256(self) -> str:
        """Of the body."""
        self.body.seek(0)
        return hashlib.file_digest(self.body, "sha256").hexdigest()  # type: ignore[arg-type]


@dataclass
class Heard:
    """One question, and everything that came of it; what was not asked for is None."""

    topic: Topic
    date: dt.date | None = None
    root: str | None = None
    chain: Chain | None = None
    window: Window | None = None
    right: str | None = None  # C or P, of a contract by itself
    strike: float | None = None  # dollars
    format: str = "csv"
    raws: list[Raw] = field(default_factory=list)  # pages, and tries again
    error: SpxDataError | None = None  # the answer could not be had, or not be read
    together: int = 1  # requests that were in flight with it at most, itself included

    expirations: Sequence[dt.date] | None = None  # as they are listed
    listed: Listed | None = None
    reported: Reported | None = None
    hours: VendorHours | None = None
    # By strike, right and timestamp; of a whole chain those of the contracts that tell.
    records: pl.DataFrame | None = None
    rows: int = 0  # records of the whole answer
    there: frozenset[Contract] = frozenset()  # its contracts, as right and strike
    nulls: Mapping[str, int] = field(default_factory=dict)  # records without a value, by column
    bad: Mapping[str, int] = field(default_factory=dict)  # rows set aside, by reason
    examples: Mapping[str, str] = field(default_factory=dict)  # one of them as it came, by reason
    # Targets to which no answer came, each with how many of *raws* had come before.
    lost: list[tuple[int, str]] = field(default_factory=list)
    reading: Reading = "typed"  # what it took to read the good ones

    @property
    def has_rows(self) -> bool:
        """Whether the answer is a table with records."""
        return self.records is not None and len(self.records) > 0

    @property
    def was_answered(self) -> bool:
        """Whether there is an answer that was read, or one that there is nothing."""
        return self.error is None or isinstance(self.error, ApiDataNotFoundError)

    @property
    def begins(self) -> str:
        """When its records begin, in words."""
        assert self.records is not None
        return clock(self.records["timestamp"].sort()[0])

    @property
    def contract(self) -> Contract | None:
        """The contract that was asked for by itself."""
        return None if self.right is None or self.strike is None else (self.right, self.strike)

    @property
    def name(self) -> str:
        """A chain and its date in words."""
        assert self.chain
        own = true_expiration(self.chain.listed)
        return f"{self.chain.root} {self.date}" + ("" if own == self.date else f" expiring {own}")

    @property
    def is_last_day(self) -> bool:
        """Whether the chain expires on the date that was asked for."""
        return self.chain is not None and true_expiration(self.chain.listed) == self.date


@dataclass
class Story:
    """All that was heard, in the order of the questions; and what was not asked, and why."""

    api: str
    base_url: str
    moment: dt.datetime
    full: bool
    product: Product
    heard: list[Heard] = field(default_factory=list)
    sessions: set[Session] = field(default_factory=set)  # of the exchange's calendar, those looked at
    unasked: dict[Topic, str] = field(default_factory=dict)
    ended_by: SpxDataError | None = None  # what ended the probe before its time
    cut_short: bool = False  # the budget was used up before the plan's last question
    # What a look worked out that others look at too, and the records it is of; it is kept by `times`.
    worked_out: tuple[list[pl.DataFrame], list[Any]] = field(default=([], []), compare=False, repr=False)

    def of(self, *topics: Topic) -> Iterator[Heard]:
        """What was heard on these topics, in order."""
        return (each for each in self.heard if each.topic in topics)

    def one(self, topic: Topic) -> Heard | None:
        """The first that was heard on a topic."""
        return next(self.of(topic), None)

    def entry(self, chain: Chain | None, *topics: Topic) -> ListedChain | None:
        """A chain as the listing of its date has it, of those that were asked for on these topics."""
        for heard in self.of(*topics):
            if chain and heard.listed and (heard.root, heard.date) == (chain.root, chain.date):
                return next((each for each in heard.listed.chains if each.chain.listed == chain.listed), None)
        return None

    @property
    def raws(self) -> list[Raw]:
        """Every answer, in order."""
        return [raw for each in self.heard for raw in each.raws]


@dataclass(frozen=True)
class Limits:
    """What a probe may take: requests, seconds after which no other question is asked, and contracts."""

    requests: int
    seconds: float
    contracts: int


SHORT, FULL = Limits(15, 300.0, 3), Limits(40, 900.0, 8)


class SpentError(SpxDataError, retry=NEVER):
    """The budget of requests or of time is used up."""


class Budget:
    """The requests that are left; every one that is sent counts, tries again and pages too."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._lock, self._begun = limits, threading.Lock(), time.monotonic()
        self.spent = 0

    @property
    def left(self) -> int:
        """Requests; none when time is up."""
        late = time.monotonic() - self._begun > self._limits.seconds
        return 0 if late else self._limits.requests - self.spent

    def spend(self) -> None:
        """Count a request; raises SpentError where none is left."""
        with self._lock:
            if self.left < 1:
                raise SpentError("the probe's budget is used up")
            self.spent += 1


class ProbeLine:
    """The terminal of a probe; open while its answers are needed."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._settings, self._here, self._open = settings, threading.local(), ExitStack()
        self.budget = Budget(limits)
        self._scratch = files.make_directory(settings.layout.temp)
        self._sources: dict[str, Source] = {}
        self.terminal = settings.terminal

    @contextmanager
    def open(self) -> Iterator[Heard]:
        """Find the terminal and its API; gives the answers to the question how it is.

        Raises:
            ThetaTerminalNotRunningError, TerminalDisconnectedError, WrongApiError: no terminal can be asked.
        """
        with self._open:
            yield self._found()

    def hears(self, heard: Heard) -> None:
        """Keep the answers to what this thread asks from now on with *heard*."""
        self._here.heard = heard

    def _found(self) -> Heard:
        """Find the terminal and its API: the answers to the question how it is."""
        heard = Heard(Topic.STATUS)
        terminal, failed = self._settings.terminal, list[SpxDataError]()
        for api, base_url in access.addresses(terminal):
            self.terminal = replace(terminal, api=api, base_url=base_url)
            self._sources.clear()
            limit = terminal.max_concurrent_requests
            shared = slots.shared(self._settings.layout, base_url, limit, brief=True, steady=True)
            self._slots = self._open.enter_context(shared)
            self.hears(heard)
            try:
                retrying(self.source().check, wait_factor=terminal.retry_wait_factor)
            except SpxDataError as error:
                failed.append(error)
                self.budget.spent = len(heard.raws)  # where nothing listens, nothing was asked
                heard.error = error
                if len(heard.raws) and not isinstance(error, WrongApiError):
                    break  # it is there, and says how it is
                continue
            heard.error = None
            return heard
        telling = [error for error in failed if not isinstance(error, WrongApiError)] or failed
        raise telling[-1] if heard.raws else telling[0]

    def source(self, form: str | None = None) -> Source:
        """The terminal, asked for histories in one transport format."""
        form = form or self.terminal.format
        if form not in self._sources:
            silence = min(self.terminal.history_timeout_seconds, _LONGEST_SILENCE)
            terminal = replace(self.terminal, format=form, history_timeout_seconds=silence)
            source = access.connect(
                terminal, self._scratch, gate=self._gate, tap=self._keep, records=self._settings.records
            )
            self._open.callback(source.close)
            self._sources[form] = source
        return self._sources[form]

    @contextmanager
    def _gate(self, continues: bool) -> Iterator[None]:
        self.budget.spend()
        with self._slots.slot(continues):
            yield

    def _keep(self, tapped: Tapped) -> None:
        """Keep an answer with the question that this thread asks."""
        body = self._open.enter_context(files.spool(self._scratch))
        tapped.body.seek(0)
        shutil.copyfileobj(tapped.body, body)
        told = tapped.headers
        raw = Raw(
            target=target_of(tapped.url),
            status=tapped.status,
            headers={
                name: value
                for name, value in told.items()
                if name not in _HIDDEN and not name.startswith("x-recorded")
            },
            body=body,
            first_byte_seconds=_figure(told, RECORDED_FIRST_BYTE, tapped.first_byte_seconds),
            seconds=_figure(told, RECORDED_SECONDS, tapped.seconds),
            size=int(_figure(told, RECORDED_BYTES, body.tell())),
        )
        self._here.heard.raws.append(raw)


def _figure(headers: Mapping[str, str], name: str, measured: float) -> float:
    """What a replay tells of its original, or what was measured."""
    try:
        return float(headers.get(name, measured))
    except ValueError:
        return measured
