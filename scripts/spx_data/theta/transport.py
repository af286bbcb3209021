"""HTTP with one Theta Terminal: the only place that opens a socket.

The status is judged first, then the length: an answer is complete or it is an error. Content type and shape
are `spx_data.theta.tables`' business. The body goes to a nameless file, so a large one costs disk and no
memory. Every exchange is reported to an observer for the audit journal.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO

import requests
import urllib3

from spx_data import files
from spx_data.errors import ApiConnectionError, ApiDataNotFoundError, SpxDataError
from spx_data.theta import errors

Parameters = Mapping[str, str | int]

_CHUNK = 1 << 18
_SMALL = 1 << 16


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it; *status* 0 means that no answer came."""

    url: str
    status: int
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Answer:
    """A complete answer with status 200: its body, rewound, and what its headers say."""

    url: str
    content_type: str  # lower case, without parameters; empty when the header is missing
    next_page: str | None
    body: BinaryIO

    def text(self) -> str:
        """The whole body as text; for short answers."""
        self.body.seek(0)
        return self.body.read(_SMALL).decode(errors="replace").strip()


def ignore(_: Exchange) -> None:
    """An observer that looks away."""


class Transport:
    """Keep-alive GETs to one base address; one connection for each thread that asks."""

    def __init__(
        self,
        base_url: str,
        *,
        scratch: Path,
        connect_seconds: float,
        observer: Callable[[Exchange], None] = ignore,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._scratch = scratch
        self._connect_seconds = connect_seconds
        self._observer = observer
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def close(self) -> None:
        """Close every connection."""
        while self._sessions:
            self._sessions.pop().close()

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            # The terminal is on this machine or a named one: a proxy from the environment has no part in it.
            session.trust_env = False
            session.headers["Accept-Encoding"] = "identity"
            self._sessions.append(session)
        return session

    @contextmanager
    def get(self, path: str, parameters: Parameters, *, silence_seconds: float) -> Iterator[Answer]:
        """GET *path* (or a full URL of this terminal) and give its complete answer while the block lasts.

        Raises:
            ThetaTerminalNotRunningError: nothing listens there.
            ApiConnectionError: the connection broke, or was silent for *silence_seconds*.
            SpxDataError: the error that the status stands for (`errors.of_status`).
        """
        with files.spool(self._scratch) as body:
            yield self._exchange(path, parameters, silence_seconds, body)

    def has_data(self, path: str, parameters: Parameters, *, silence_seconds: float) -> bool:
        """Whether the terminal answers *path* with data, and not with "no data" (472)."""
        try:
            with self.get(path, parameters, silence_seconds=silence_seconds):
                return True
        except ApiDataNotFoundError:
            return False

    def _exchange(self, path: str, parameters: Parameters, silence_seconds: float, body: BinaryIO) -> Answer:
        url = path if path.startswith(("http://", "https://")) else f"{self.base_url}{path}"
        prepared = requests.Request("GET", url, params=parameters or None).prepare()
        shown = str(prepared.url)
        begun, status, received = time.monotonic(), 0, 0
        try:
            with self._session().send(
                prepared, stream=True, timeout=(self._connect_seconds, silence_seconds), allow_redirects=False
            ) as response:
                status = response.status_code
                if status != errors.OK:
                    text = response.raw.read(_SMALL)
                    received = len(text)
                    raise self._refusal(response, text, shown)
                if not _says_where_it_ends(response):
                    raise errors.invalid(shown, "does not say where it ends", "a Content-Length or chunks")
                shutil.copyfileobj(response.raw, body, _CHUNK)
                received = body.tell()
                return _answer(response, shown, body)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise self._broken(error, shown) from error
        finally:
            self._observer(Exchange(shown, status, received, round(time.monotonic() - begun, 3)))

    def _refusal(self, response: requests.Response, text: bytes, url: str) -> SpxDataError:
        retry_after = _seconds_told(response.headers.get("Retry-After", ""))
        return errors.of_status(
            response.status_code, text, url, base_url=self.base_url, retry_after=retry_after
        )

    def _broken(self, error: Exception, url: str) -> SpxDataError:
        if isinstance(error, requests.ConnectionError) and _is_refusal(error):
            return errors.not_running(self.base_url, "connection refused")
        if isinstance(error, requests.ConnectTimeout):
            return errors.not_running(self.base_url, f"no connection within {self._connect_seconds:g} s")
        kind = type(error).__name__
        return ApiConnectionError(
            f"the connection broke during {url} ({kind}: {error})",
            cure="If it stays, restart the terminal or raise thetadata.history_timeout_seconds",
            cause_type=kind,
            base_url=self.base_url,
            url=url,
        )


def _says_where_it_ends(response: requests.Response) -> bool:
    """Whether a body that breaks off could be told from a whole one."""
    headers = response.headers
    return "Content-Length" in headers or headers.get("Transfer-Encoding", "").lower() == "chunked"


def _seconds_told(header: str) -> float | None:
    """The seconds that a Retry-After header asks for: a number, or a date (RFC 9110, section 10.2.3)."""
    if header.isascii() and header.replace(".", "", 1).isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def _is_refusal(error: requests.ConnectionError) -> bool:
    """Whether no connection came about at all (requests wraps that twice)."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


def _answer(response: requests.Response, url: str, body: BinaryIO) -> Answer:
    content_type = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    page = response.headers.get("Next-Page", "null").strip()
    body.seek(0)
    return Answer(url, content_type, None if page in {"", "null"} else page, body)
