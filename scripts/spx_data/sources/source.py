"""What is asked of a source. Each has a folder in this room (`catalogue`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

from spx_data.errors import ApiDataNotFoundError, LargeRequestError
from spx_data.market.chains import Chain, Listed, ListedChain, Reported
from spx_data.market.contracts import Figures, Report
from spx_data.market.second_opinion import Reading
from spx_data.market.sessions import VendorHours, Window

if TYPE_CHECKING:
    import pyarrow as pa

    from spx_data.market.records import Rejects


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

    def figures(self, root: str, date: dt.date, report: Report) -> Figures:
        """What a *report* says of each contract of *root* on *date*: one request.

        Asked only of what the source has (`Capabilities`). Raises ApiDataNotFoundError where it says nothing.
        """
        ...

    def history(
        self, chain: Chain, window: Window, rejects: Rejects | None = None, *, contracts: int = 0
    ) -> Iterator[pa.RecordBatch]:
        """One chain's records at every stamp of *window*, as batches of the kind's `Schema.record`.

        How many *contracts* are listed bounds what is read (`theta.limits.history`); 0 where nobody knows.
        Bad rows are added to *rejects*; without it, an answer that holds one raises ApiResponseInvalidError.
        """
        ...

    def whole_date(
        self, root: str, date: dt.date, chains: Sequence[ListedChain], window: Window, max_dte: int | None
    ) -> Iterator[Part]:
        """All *chains* of *root* in one answer, where the API gives that (`Capabilities.whole_dates`).

        Their rows come in whatever order, those of other chains among them. An answer that breaks off gives
        what came of it, and then raises what broke it; *max_dte* limits what is asked for.
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


class Part(NamedTuple):
    """Some rows of one chain out of an answer about many; *entry* is None where nobody asked for that chain.

    They are doubtful where bad rows are among them or near, of which nobody knows whose they are.
    """

    entry: ListedChain | None
    records: pa.RecordBatch
    rows: int
    is_doubtful: bool
    reading: Reading


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
    in_flight: int | None = None  # at the terminal when it ended, itself among them; None where nobody counts


@dataclass
class Passage:
    """One request on its way through a gate that learns; *size* is told by whoever makes the request."""

    size: int = 0  # bytes of a whole answer about prices; 0 of any other
    in_flight: int | None = None  # when it ended


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


def history(
    source: Source, entry: ListedChain, windows: list[Window], rejects: Rejects | None = None
) -> Generator[pa.RecordBatch, None, None]:
    """The records of a listed chain in each of *windows*, joined; see `joined` and `Source.history`."""
    return joined(
        lambda window: source.history(entry.chain, window, rejects, contracts=entry.contracts), windows
    )


def joined(
    ask: Callable[[Window], Iterator[pa.RecordBatch]], windows: list[Window]
) -> Generator[pa.RecordBatch, None, None]:
    """What *ask* gives for each of *windows* in turn.

    A window that is too large for one answer is replaced in *windows* by its halves, so that one that asks
    again does not ask for the whole once more. One without data beside others that have some is asked once
    more, after them.

    Raises:
        LargeRequestError: a single stamp is too large.
        ApiDataNotFoundError: there is no record in any of them.
    """
    position, empty = 0, list[Window]()
    while position < len(windows):
        try:
            yield from ask(windows[position])
        except LargeRequestError:
            # It comes instead of an answer, so no record of this window was given yet.
            if not (halves := windows[position].halves()):
                raise
            windows[position : position + 1] = halves
            continue
        except ApiDataNotFoundError:
            empty.append(windows[position])
            if len(empty) == len(windows):
                raise
        position += 1
    for window in empty:
        with suppress(ApiDataNotFoundError):
            yield from ask(window)
