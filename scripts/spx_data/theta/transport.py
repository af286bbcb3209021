"""HTTP with one Theta Terminal: the only place that opens a socket.

The status is judged first, then the length: an answer is complete or it is an error. Content type and shape
are `spx_data.theta.tables`' business. The body goes to a nameless file, so a large one costs disk and no
memory. Every exchange is reported to an observer for the audit journal. It passes a gate, which is held while
the terminal is at work on it and no longer: whoever limits the requests in flight waits there, before the
clock of any timeout begins.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO

import requests
import urllib3

from spx_data import faults, files
from spx_data.errors import ApiConnectionError, SpxDataError
from spx_data.theta import errors

Parameters = Mapping[str, str | int]
# Called with whether the request continues an answer: the terminal soon forgets pages nobody asks for.
Gate = Callable[[bool], AbstractContextManager[object]]

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


@dataclass
class _Asked:
    """A request on its way: what is known of its `Exchange` so far."""

    url: str
    status: int = 0
    bytes: int = 0
    seconds: float = 0.0

    @contextmanager
    def clocked(self) -> Iterator[None]:
        """Take the time that the block takes."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds = time.monotonic() - begun


class Transport:
    """Keep-alive GETs to one base address; one connection for each thread that asks."""

    def __init__(
        self,
        base_url: str,
        *,
        scratch: Path,
        connect_seconds: float,
        observer: Callable[[Exchange], None] = ignore,
        gate: Gate = nullcontext,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._scratch = scratch
        self._connect_seconds = connect_seconds
        self._observer = observer
        self._gate = gate
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._idle: list[BinaryIO] = []  # scratch files that no body is in
        self._opened = ExitStack()

    def close(self) -> None:
        """Close every connection; no answer can be read any more."""
        while self._sessions:
            self._sessions.pop().close()
        self._opened.close()

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
        with files.explained(self._scratch, "write to"), self._spool() as body:
            yield self._exchange(path, parameters, silence_seconds, body)

    @contextmanager
    def _spool(self) -> Iterator[BinaryIO]:
        """A scratch file for one body, which may have held others before.

        Written again it costs a quarter of a new one, whose every page the system has to find first.
        """
        try:
            body = self._idle.pop()
        except IndexError:
            body = self._opened.enter_context(files.spool(self._scratch))
        try:
            body.seek(0)
            yield body
        finally:
            self._idle.append(body)

    def _exchange(self, path: str, parameters: Parameters, silence_seconds: float, body: BinaryIO) -> Answer:
        continues = path.startswith(("http://", "https://"))
        url = path if continues else f"{self.base_url}{path}"
        prepared = requests.Request("GET", url, params=parameters or None).prepare()
        shown = str(prepared.url)
        asked = _Asked(shown)
        try:
            with self._gate(continues), asked.clocked():
                return self._answered(prepared, silence_seconds, body, asked)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise self._broken(error, shown) from error
        finally:
            # Outside of the gate: the journal waits for the disk, and the terminal need not.
            self._observer(Exchange(shown, asked.status, asked.bytes, round(asked.seconds, 3)))

    def _answered(
        self, prepared: requests.PreparedRequest, silence_seconds: float, body: BinaryIO, asked: _Asked
    ) -> Answer:
        """The answer to *prepared* with its whole *body*; *asked* learns how far it got."""
        with self._session().send(
            prepared, stream=True, timeout=(self._connect_seconds, silence_seconds), allow_redirects=False
        ) as response:
            asked.status = response.status_code
            if asked.status != errors.OK:
                text = response.raw.read(_SMALL)
                asked.bytes = len(text)
                raise self._refusal(response, text, asked.url)
            if not _says_where_it_ends(response):
                raise errors.invalid(asked.url, "does not say where it ends", "a Content-Length or chunks")
            shutil.copyfileobj(response.raw, body, _CHUNK)
            body.truncate()
            asked.bytes = body.tell()
            return _answer(response, asked.url, body)

    def _refusal(self, response: requests.Response, text: bytes, url: str) -> SpxDataError:
        retry_after = _seconds_told(response.headers.get("Retry-After", ""))
        return errors.of_status(
            response.status_code, text, url, base_url=self.base_url, retry_after=retry_after
        )

    def _broken(self, error: Exception, url: str) -> Exception:
        if lack := faults.behind(error):
            return lack
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
