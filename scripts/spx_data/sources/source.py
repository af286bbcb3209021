"""What a source is: what it can do, and what is asked of it. Each has a folder in this room (`catalogue`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

from spx_data.market.sessions import Window

if TYPE_CHECKING:
    import pyarrow as pa

    from spx_data.market.chains import Chain, Listed, Reported
    from spx_data.market.records import Rejects
    from spx_data.market.sessions import VendorHours


class Capabilities(NamedTuple):
    """What a source can do by one of its APIs, for whoever must know before it is asked.

    *tiers* are subscriptions by the requests that they let through at once; *greeks_versions* the models that
    can be asked for, and where that is one, it is the source's only one.
    """

    api: str
    address: str | None  # where it is looked for unless told otherwise; None where it must be told
    formats: tuple[str, ...]  # of histories: csv, json, ndjson
    greeks_versions: tuple[str, ...]
    tiers: Mapping[int, str]
    calendar: bool  # whether it has a stock market's calendar (`Source.hours`)
    from_the_open: bool  # whether there are records at the opening, before the underlying's first price
    eod: bool = True  # whether it has an end-of-day report
    single_contracts: bool = True  # whether a contract can be asked for by itself

    @property
    def has_one_greeks_version(self) -> bool:
        """Whether it has one model, whatever is asked for."""
        return len(self.greeks_versions) == 1

    def greeks_version(self, asked: str) -> str:
        """The model that histories have where *asked* is what the settings say."""
        return self.greeks_versions[0] if self.has_one_greeks_version else asked


class Source(Protocol):
    """A source of one API, open, as the rest of the library sees it."""

    @property
    def api(self) -> str:
        """The API it speaks, by the name in its `Capabilities`."""
        ...

    @property
    def base_url(self) -> str:
        """Where it listens."""
        ...

    @property
    def greeks_version(self) -> str:
        """The greeks model behind its history."""
        ...

    def check(self) -> None:
        """Raise ThetaTerminalNotRunningError or TerminalDisconnectedError unless it can serve now."""
        ...

    def expirations(self, root: str) -> tuple[dt.date, ...]:
        """Every expiration of *root* ever listed, as it is listed (see `chains.true_expiration`), ascending.

        Raises ApiDataNotFoundError where it knows no such root.
        """
        ...

    def listing(self, root: str, date: dt.date) -> Listed:
        """The chains of *root* with quotes on *date*; raises ApiDataNotFoundError where there are none."""
        ...

    def eod(self, root: str, date: dt.date) -> Reported:
        """The chains that the end-of-day report of *date* names for *root*: one request, a second witness.

        Raises ApiDataNotFoundError where it names none.
        """
        ...

    def history(
        self, chain: Chain, window: Window, rejects: Rejects | None = None, *, contracts: int = 0
    ) -> Iterator[pa.RecordBatch]:
        """One chain's greeks at every stamp of *window*, as batches of `schema.RECORD`.

        How many *contracts* are listed bounds what is read (`ceilings.history`); 0 where nobody knows.
        Bad rows are added to *rejects*; without it, an answer that holds one raises ApiResponseInvalidError.
        """
        ...

    def contract_history(
        self, chain: Chain, right: str, strike: float, window: Window, rejects: Rejects | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Like `history`, of one contract of *chain* asked for by itself; *right* is C or P."""
        ...

    def hours(self, date: dt.date, /) -> VendorHours | None:
        """The stock market's hours on *date* by the vendor's calendar; None where the API has none."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Sighting(NamedTuple):
    """A source that answered: where, which API it speaks, its status word, and how long that took."""

    base_url: str
    api: str
    word: str
    seconds: float


class Exchange(NamedTuple):
    """One request and what came of it; *status* 0 means that no answer came."""

    url: str
    status: int
    bytes: int
    seconds: float


class Tapped(NamedTuple):
    """An answer as it came over the wire, before anybody has read it, a refusal too."""

    url: str
    status: int
    headers: Mapping[str, str]  # by their names in lower case
    body: BinaryIO  # as it came, packed if so; valid during the call, and its position is kept
    first_byte_seconds: float
    seconds: float


Observer = Callable[[Exchange], None]  # told every exchange, for the journal
Tap = Callable[[Tapped], None]  # told every answer as it came
# Held while the source is at work on a request, and called with whether that continues an answer: a terminal
# soon forgets pages nobody asks for.
Gate = Callable[[bool], AbstractContextManager[object]]
