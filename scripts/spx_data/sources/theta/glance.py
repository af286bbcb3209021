"""One short question without the machinery for data: `status` asks it each time, and must be quick.

What it cannot do, its answers do not need: no body larger than a line, no connection kept, no audit.
"""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from spx_data.errors import ApiConnectionError
from spx_data.sources.theta import errors
from spx_data.sources.theta.patience import seconds_told
from spx_data.sources.theta.watch import Watch

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
        raise _broken(error, base_url, path) from error
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
        raise _broken(error, base_url, "") from error  # a port that is none


def _open(connection: http.client.HTTPConnection, base_url: str, seconds: float) -> None:
    try:
        connection.connect()
    except TimeoutError as error:
        raise errors.not_running(base_url, f"no connection within {seconds:g} s") from error
    except ConnectionError as error:
        raise errors.not_running(base_url, "connection refused") from error
    except OSError as error:
        raise errors.not_running(base_url, error.strerror or str(error)) from error


def _broken(error: Exception, base_url: str, path: str) -> ApiConnectionError:
    kind, url = type(error).__name__, base_url + path
    return ApiConnectionError(
        f"the connection broke during {url} ({kind}: {error})",
        cure="If it stays, restart the terminal",
        cause_type=kind,
        base_url=base_url,
        url=url,
    )
