"""How a source is found and connected to, whichever it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from spx_data.errors import SpxDataError, ThetaTerminalNotRunningError
from spx_data.market import columns
from spx_data.settings import Terminal
from spx_data.sources import catalogue
from spx_data.sources.profile import Wire
from spx_data.sources.retry import retrying
from spx_data.sources.source import Gate, Observer, Sighting, Source, Tap


def locate(terminal: Terminal, *, patient: bool = False) -> Terminal:
    """*terminal* with the address and the API version that were found, connected to its server.

    A *patient* caller asks again, as often as the errors' policies say, a
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
        catalogue.access(found.api).check(found)
        return replace(terminal, base_url=found.base_url, api=found.api)

    if not patient:
        return look()
    return retrying(look, wait_factor=terminal.retry_wait_factor)


def sight(terminal: Terminal) -> Sighting:
    """What answers at *terminal*'s address, or at the usual ones, whatever it says about itself.

    Raises:
        ThetaTerminalNotRunningError: nothing answers.
        WrongApiError: it speaks another API than `thetadata.api` says.
        SpxDataError: see the source's own.
    """
    errors = list[SpxDataError]()
    for api in catalogue.first_of_each(terminal.api):
        try:
            found: Sighting = catalogue.access(api).sight(terminal)
        except SpxDataError as error:
            errors.append(error)
        else:
            return found
    raise errors[0]


def addresses(terminal: Terminal) -> Iterator[tuple[str, str]]:
    """Where *terminal* may listen, each with the API that is looked for there, in that order."""
    for known in catalogue.looked_for(terminal.api):
        if address := terminal.base_url or known.address:
            yield known.api, address


def connect(
    terminal: Terminal,
    scratch: Path,
    observer: Observer | None = None,
    gate: Gate = nullcontext,
    tap: Tap | None = None,
    expect: Wire | None = None,
    records: str = columns.DEFAULT,
) -> Source:
    """The source that *terminal* is; *scratch* is a folder for bodies on their way.

    Its histories have *records* of that kind.

    *observer* is told every exchange, *tap* every answer as it came; *gate* is held while the source is at
    work on one. What is to *expect* of its spelling is tried first.
    A *terminal* that went through `locate` is taken at its word; another is located first.
    """
    if terminal.api == catalogue.AUTO or terminal.base_url is None:
        terminal = locate(terminal)
    connected: Source = catalogue.access(terminal.api).connect(
        terminal, scratch, observer, gate, tap, expect, records
    )
    return connected
