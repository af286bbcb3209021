"""How the terminal is, in its own word (docs/wire.md, 5): asked at first, and when in trouble.

`status` asks it each time, and must be quick: at first it is one short question without the machinery for
data. What that cannot do, its answers do not need: no body larger than a line, no connection kept, no audit.
"""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from spx_data.errors import ApiConnectionError, TerminalDisconnectedError, ThetaTerminalNotRunningError
from spx_data.sources.theta import errors, limits
from spx_data.sources.theta.limits import Watch, seconds_told

if TYPE_CHECKING:
    from spx_data.sources.theta.transport import Transport

_SMALL = 1 << 16


def text(base_url: str, path: str, seconds: float) -> str:
    """What the terminal at *base_url* answers to *path*; *seconds* to connect, and of silence.

    Raises:
        ThetaTerminalNotRunningError: nothing listens there.
        ApiConnectionError: the connection broke, or was silent for too long.
        SpxDataError: the error that the status stands for (`errors.of_status`).
    """
    base_url = base_url.rstrip("/")
    connection, watch = _connection(base_url, seconds), Watch(seconds)
    try:
        _open(connection, base_url, seconds)
        watch.take(connection.sock)
        with watch.kept():
            connection.request("GET", path, headers={"Accept-Encoding": "identity"})
            response = connection.getresponse()
            watch.answered()
            body = response.read(_SMALL)
        if watch.is_late or (response.length and len(body) < _SMALL):
            raise http.client.IncompleteRead(body, response.length)
    except (OSError, http.client.HTTPException) as error:
        raise errors.broken(base_url + path, base_url=base_url, error=error) from error
    finally:
        connection.close()
    if response.status != errors.OK:
        raise errors.of_status(
            response.status,
            body,
            base_url + path,
            base_url=base_url,
            retry_after=seconds_told(response.headers.get("Retry-After", "")),
            alone=True,
        )
    return body.decode(errors="replace").strip()


def _connection(base_url: str, seconds: float) -> http.client.HTTPConnection:
    parts = urlsplit(base_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        return kind(parts.hostname or "", parts.port, timeout=seconds)
    except ValueError as error:
        raise errors.broken(base_url, base_url=base_url, error=error) from error  # a port that is none


def _open(connection: http.client.HTTPConnection, base_url: str, seconds: float) -> None:
    try:
        connection.connect()
    except TimeoutError as error:
        raise errors.not_running(base_url, f"no connection within {seconds:g} s") from error
    except ConnectionError as error:
        raise errors.not_running(base_url, "connection refused") from error
    except OSError as error:
        raise errors.not_running(base_url, error.strerror or str(error)) from error


CONNECTED = "CONNECTED"

_PATHS = {"v3": "/v3/terminal/mdds/status", "v2": "/v2/system/mdds/status"}
_UNVERIFIED = "UNVERIFIED"
_WORDS = frozenset({CONNECTED, _UNVERIFIED, "DISCONNECTED", "ERROR"})


def glanced(base_url: str, api: str, seconds: float) -> str:
    """The status word of a terminal that is looked for at *base_url* and speaks *api*.

    Raises:
        ApiResponseInvalidError: what answers there says no such word.
        SpxDataError: see `text`.
    """
    return _checked(text(base_url, _PATHS[api], seconds), f"{base_url.rstrip('/')}{_PATHS[api]}")


def word(transport: Transport, api: str, seconds: float) -> str:
    """The status word of a terminal that is in use and speaks *api*.

    Raises:
        ApiResponseInvalidError: what answers there says no such word.
        SpxDataError: see `Transport.get`.
    """
    with transport.get(_PATHS[api], {}, silence_seconds=seconds, ceiling=limits.WORD) as answer:
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
            cure="See the terminal's log, or restart it",
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
