"""How the terminal is, in its own word (docs/wire.md, 5): asked at first, and when in trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spx_data.errors import ApiConnectionError, TerminalDisconnectedError, ThetaTerminalNotRunningError
from spx_data.sources.theta import ceilings, errors, glance

if TYPE_CHECKING:
    from spx_data.sources.theta.transport import Transport

CONNECTED = "CONNECTED"

_PATHS = {"v3": "/v3/terminal/mdds/status", "v2": "/v2/system/mdds/status"}
_UNVERIFIED = "UNVERIFIED"
_WORDS = frozenset({CONNECTED, _UNVERIFIED, "DISCONNECTED", "ERROR"})


def glanced(base_url: str, api: str, seconds: float) -> str:
    """The status word of a terminal that is looked for at *base_url* and speaks *api*.

    Raises:
        ApiResponseInvalidError: what answers there says no such word.
        SpxDataError: see `glance.text`.
    """
    return _checked(glance.text(base_url, _PATHS[api], seconds), f"{base_url.rstrip('/')}{_PATHS[api]}")


def word(transport: Transport, api: str, seconds: float) -> str:
    """The status word of a terminal that is in use and speaks *api*.

    Raises:
        ApiResponseInvalidError: what answers there says no such word.
        SpxDataError: see `Transport.get`.
    """
    with transport.get(_PATHS[api], {}, silence_seconds=seconds, ceiling=ceilings.WORD) as answer:
        return _checked(answer.text(), answer.url)


def _checked(found: str, url: str) -> str:
    if found not in _WORDS:
        raise errors.invalid(
            url, f"is {errors.excerpt(found.encode())[:80]!r}", "a Theta Terminal's status word"
        )
    return found


def require(transport: Transport, api: str, seconds: float) -> None:
    """Raise unless the terminal, which was in use a moment ago, can serve now.

    Raises:
        ThetaTerminalNotRunningError, TerminalDisconnectedError: it says so, or does not even say that.
    """
    try:
        found = word(transport, api, seconds)
    except ApiConnectionError as error:
        raise TerminalDisconnectedError(
            f"the terminal at {transport.base_url} hangs up even on the question how it is: {error.cause}",
            cure="Look into the terminal's own log, or restart it",
            base_url=transport.base_url,
            status="",
        ) from error
    check(found, transport.base_url)


def check(found: str, base_url: str) -> None:
    """Raise unless *found*, the status word of the terminal at *base_url*, says that it can serve."""
    if found == _UNVERIFIED:
        raise ThetaTerminalNotRunningError(
            f"the terminal at {base_url} has not finished its login (status {found})",
            cure="Wait a moment; if it stays, check the terminal's credentials",
            base_url=base_url,
            details=found,
        )
    if found != CONNECTED:
        raise TerminalDisconnectedError(
            f"the terminal at {base_url} has no connection to its server (status {found})",
            cure="Wait until its status is CONNECTED, or restart it",
            base_url=base_url,
            status=found,
        )
