"""The Theta Terminal behind one small interface, whichever API version it speaks.

`connect` finds the terminal and its version and returns a `Source`: which chains had quotes on a date, the
history of one chain or one contract for that date, and the vendor's calendar. Facts of the wire:
`../shared/thetadata/wire-facts.md` of the project.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from spx_data.errors import SpxDataError, ThetaTerminalNotRunningError, WrongApiError
from spx_data.settings import Api, Terminal, Window
from spx_data.theta import errors, health

if TYPE_CHECKING:
    import pyarrow as pa

    from spx_data.records import Rejects
    from spx_data.theta.calendar import VendorHours
    from spx_data.theta.chains import Chain, Listed, Reported
    from spx_data.theta.transport import Exchange, Gate

_APIS: tuple[Api, ...] = ("v3", "v2")

# Where a terminal listens unless told otherwise (wire-facts, sections 1 and 11).
_DEFAULT_URLS = {"v3": "http://127.0.0.1:25503", "v2": "http://127.0.0.1:25510"}


class Source(Protocol):
    """A terminal, as the rest of the library sees it."""

    @property
    def api(self) -> str:
        """The API version it speaks: v3 or v2."""
        ...

    @property
    def base_url(self) -> str:
        """Where it listens."""
        ...

    @property
    def greeks_version(self) -> str:
        """The vendor's greeks model behind its history: latest or 1."""
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
        self, chain: Chain, window: Window, rejects: Rejects | None = None
    ) -> Iterator[pa.RecordBatch]:
        """One chain's greeks at every stamp of *window*, as batches of `schema.RECORD`.

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


@dataclass(frozen=True)
class Sighting:
    """A terminal that answered: where, which API it speaks, its status word, and how long that took."""

    base_url: str
    api: Api
    word: str
    seconds: float


def locate(terminal: Terminal, *, patient: bool = False) -> Terminal:
    """*terminal* with the address and the API version that were found, connected to its server.

    v3 is tried first, then v2. Whoever is *patient* asks again, as often as the errors' policies say, a
    terminal that answers and cannot serve yet; where nothing listens, that is said at once.

    Raises:
        ThetaTerminalNotRunningError: nothing answers, or the terminal is not logged in.
        TerminalDisconnectedError: the terminal has lost its server.
        WrongApiError: it speaks another version than `thetadata.api` says.
    """

    def look() -> Terminal:
        try:
            found = sight(terminal)
        except ThetaTerminalNotRunningError as error:
            raise error if "status" in error.fields else error.final() from None
        health.check(found.word, found.base_url)
        return replace(terminal, base_url=found.base_url, api=found.api)

    if not patient:
        return look()
    from spx_data.retry import retrying  # here, because `status` asks once, and need not load it

    return retrying(look, wait_factor=terminal.retry_wait_factor)


def sight(terminal: Terminal) -> Sighting:
    """What answers at *terminal*'s address, or at the usual ones, whatever it says about itself.

    Raises:
        ThetaTerminalNotRunningError: nothing answers.
        WrongApiError: it speaks another version than `thetadata.api` says.
        SpxDataError: see `health.glanced`.
    """
    found: dict[str, SpxDataError] = {}
    for api in _APIS:
        base_url = terminal.base_url or _DEFAULT_URLS[api]
        begun = time.monotonic()
        try:
            word = health.glanced(base_url, api, terminal.timeout_seconds)
        except SpxDataError as error:
            found[api] = error
            continue
        _check_version(terminal, api, base_url)
        return Sighting(base_url, api, word, time.monotonic() - begun)
    raise _nothing_found(terminal, found)


def _check_version(terminal: Terminal, api: str, base_url: str) -> None:
    if terminal.api not in {"auto", api}:
        raise WrongApiError(
            f"the terminal at {base_url} speaks {api}, but thetadata.api is {terminal.api}",
            cure=f"Set thetadata.api to auto or {api}",
            what="thetadata.api",
            reason=f"the terminal speaks {api}",
        )


def _nothing_found(terminal: Terminal, found: dict[str, SpxDataError]) -> SpxDataError:
    """The most telling of the errors met while looking."""
    telling = [
        error
        for error in found.values()
        if "status" in error.fields or not isinstance(error, ThetaTerminalNotRunningError)
    ]
    if telling:
        # A terminal that does not know the other version's path is none the worse for it.
        return min(telling, key=lambda error: isinstance(error, WrongApiError))
    addresses = terminal.base_url or " (v3) nor ".join(_DEFAULT_URLS.values()) + " (v2)"
    details = str(next(iter(found.values())).fields.get("details", ""))
    return errors.not_running(addresses, details)


def connect(
    terminal: Terminal,
    scratch: Path,
    observer: Callable[[Exchange], None] | None = None,
    gate: Gate = nullcontext,
) -> Source:
    """The terminal's API as a `Source`; *scratch* is a folder for bodies on their way.

    *observer* is told every exchange; *gate* is held while the terminal is at work on one.
    A *terminal* that went through `locate` is taken at its word; another is located first.
    """
    from spx_data.theta.transport import Transport, ignore
    from spx_data.theta.v2 import V2
    from spx_data.theta.v3 import V3

    if terminal.api == "auto" or terminal.base_url is None:
        terminal = locate(terminal)
    transport = Transport(
        str(terminal.base_url),
        scratch=scratch,
        connect_seconds=terminal.timeout_seconds,
        observer=observer or ignore,
        gate=gate,
    )
    return V3(transport, terminal) if terminal.api == "v3" else V2(transport, terminal)
