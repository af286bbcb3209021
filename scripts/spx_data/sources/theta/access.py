"""How a Theta Terminal is found, looked at and connected to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from spx_data.errors import SpxDataError, ThetaTerminalNotRunningError, WrongApiError
from spx_data.settings import Terminal
from spx_data.sources.catalogue import AUTO
from spx_data.sources.profile import Wire
from spx_data.sources.source import Gate, Observer, Sighting, Source, Tap
from spx_data.sources.theta import errors, health
from spx_data.sources.theta.capabilities import APIS


def check(found: Sighting) -> None:
    """Raise ThetaTerminalNotRunningError or TerminalDisconnectedError unless what was sighted can serve."""
    health.check(found.word, found.base_url)


def sight(terminal: Terminal) -> Sighting:
    """What answers at *terminal*'s address, or at the usual ones, whatever it says about itself.

    Raises:
        ThetaTerminalNotRunningError: nothing answers.
        WrongApiError: it speaks another version than `thetadata.api` says.
        SpxDataError: see `health.glanced`.
    """
    found: dict[str, SpxDataError] = {}
    for api, base_url in _addresses(terminal):
        begun = time.monotonic()
        try:
            word = health.glanced(base_url, api, terminal.timeout_seconds)
        except SpxDataError as error:
            found[api] = error
            continue
        _check_version(terminal, api, base_url)
        return Sighting(base_url, api, word, time.monotonic() - begun)
    raise _nothing_found(terminal, found)


def _addresses(terminal: Terminal) -> Iterator[tuple[str, str]]:
    """Where *terminal* may listen, with the version that is looked for there."""
    return ((known.api, terminal.base_url or str(known.address)) for known in APIS)


def _check_version(terminal: Terminal, api: str, base_url: str) -> None:
    if terminal.api not in {AUTO, api}:
        raise WrongApiError(
            f"the terminal at {base_url} speaks {api}, but thetadata.api is {terminal.api}",
            cure=f"Set thetadata.api to auto or {api}",
            what="thetadata.api",
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
    usual = " nor ".join(f"{known.address} ({known.api})" for known in APIS)
    details = str(next(iter(found.values())).fields.get("details", ""))
    return errors.not_running(terminal.base_url or usual, details)


def connect(
    terminal: Terminal,
    scratch: Path,
    observer: Observer | None,
    gate: Gate,
    tap: Tap | None,
    expect: Wire | None,
    records: str,
) -> Source:
    """The terminal as a `Source`: see `sources.access.connect`."""
    from spx_data.market import schema
    from spx_data.sources.theta.transport import Transport, ignore
    from spx_data.sources.theta.v2 import V2
    from spx_data.sources.theta.v3 import V3

    transport = Transport(
        str(terminal.base_url),
        scratch=scratch,
        connect_seconds=terminal.timeout_seconds,
        observer=observer or ignore,
        gate=gate,
        tap=tap,
        unended=expect is not None and expect.unended,
    )
    loosely = expect is not None and expect.reading != "typed"
    return (V3 if terminal.api == "v3" else V2)(transport, terminal, schema.newest(records), loosely=loosely)
