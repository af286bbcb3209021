"""HTTP with one Theta Terminal: the only place that opens a socket.

The status is judged first, then the length: an answer is complete or it is an error. Content type and shape
are `spx_data.theta.tables`' business. The body goes to a nameless file, so a large one costs disk and no
memory. Every exchange is reported to an observer for the audit journal. It passes a gate, which is held while
the terminal is at work on it and no longer: whoever limits the requests in flight waits there, before the
clock of any timeout begins.
"""

from __future__ import annotations

import gzip
import shutil
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import requests
import urllib3

from spx_data import faults, files
from spx_data.errors import ApiConnectionError, SpxDataError
from spx_data.theta import errors
from spx_data.theta.patience import Patience, seconds_told
from spx_data.theta.unended import Unended

Parameters = Mapping[str, str | int]
# Called with whether the request continues an answer: the terminal soon forgets pages nobody asks for.
Gate = Callable[[bool], AbstractContextManager[object]]

_CHUNK = 1 << 18
_SMALL = 1 << 16
_GZIP = b"\x1f\x8b"
# Of the whole process: its jobs ask the same terminal, each with a transport of its own.
_PATIENCE = Patience()


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
    about: str = ""  # the URL that was asked at first, where this answer is a later page
    unended: Unended = field(default_factory=Unended)

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
    about: str
    silence: float  # seconds
    alone: bool = False  # no other request of this process was in flight when it began
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
        self._in_flight: set[int] = set()  # the requests at work
        self._opened = ExitStack()
        self._unended = Unended()

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
    def get(
        self, path: str, parameters: Parameters, *, silence_seconds: float, about: str = ""
    ) -> Iterator[Answer]:
        """GET *path* (or a full URL of this terminal) and give its complete answer while the block lasts.

        *about* is what was asked at first, where *path* is a later page of its answer. A body in gzip, which
        was not asked for, is unpacked. *silence_seconds* grow for histories and listings that once took
        longer.

        Raises:
            ThetaTerminalNotRunningError: nothing listens there.
            ApiDataNotFoundError: the body is empty, or a sentence that says "no data".
            ApiConnectionError: the connection broke, or was silent for *silence_seconds*.
            SpxDataError: the error that the status stands for (`errors.of_status`).
        """
        with files.explained(self._scratch, "write to"), ExitStack() as stack:
            body = stack.enter_context(self._spool())
            answer = self._exchange(path, parameters, silence_seconds, body, about)
            if _is_packed(answer):
                answer = _unpacked(answer, stack.enter_context(self._spool()))
            yield _checked(answer)

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

    def _exchange(
        self, path: str, parameters: Parameters, silence_seconds: float, body: BinaryIO, about: str
    ) -> Answer:
        continues = path.startswith(("http://", "https://"))
        url = path if continues else f"{self.base_url}{path}"
        prepared = requests.Request("GET", url, params=parameters or None).prepare()
        shown = str(prepared.url)
        stage = errors.stage_of(about or shown)
        asked = _Asked(shown, about, _PATIENCE.of(self.base_url, stage, silence_seconds))
        try:
            with self._gate(continues), asked.clocked(), self._counted(asked):
                return self._answered(prepared, body, asked)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise self._broken(error, asked) from error
        finally:
            # Outside of the gate: the journal waits for the disk, and the terminal need not.
            self._observer(Exchange(shown, asked.status, asked.bytes, round(asked.seconds, 3)))

    @contextmanager
    def _counted(self, asked: _Asked) -> Iterator[None]:
        """Count a request among those in flight."""
        asked.alone = not self._in_flight
        self._in_flight.add(id(asked))
        try:
            yield
        finally:
            self._in_flight.discard(id(asked))

    def _answered(self, prepared: requests.PreparedRequest, body: BinaryIO, asked: _Asked) -> Answer:
        """The answer to *prepared* with its whole *body*; *asked* learns how far it got."""
        with self._session().send(
            prepared, stream=True, timeout=(self._connect_seconds, asked.silence), allow_redirects=False
        ) as response:
            asked.status = response.status_code
            if asked.status != errors.OK:
                text = response.raw.read(_SMALL)
                asked.bytes = len(text)
                raise self._refusal(response, text, asked)
            if not _says_where_it_ends(response):
                expected = "a Content-Length or chunks"
                raise errors.invalid(asked.url, "does not say where it ends", expected, about=asked.about)
            shutil.copyfileobj(response.raw, body, _CHUNK)
            body.truncate()
            asked.bytes = body.tell()
            return _answer(response, asked, body, self._unended)

    def _refusal(self, response: requests.Response, text: bytes, asked: _Asked) -> SpxDataError:
        retry_after = seconds_told(response.headers.get("Retry-After", ""))
        return errors.of_status(
            response.status_code,
            text,
            asked.url,
            base_url=self.base_url,
            retry_after=retry_after,
            about=asked.about,
            alone=asked.alone and len(self._in_flight) <= 1,
        )

    def _broken(self, error: Exception, asked: _Asked) -> Exception:
        if lack := faults.behind(error):
            return lack
        url = asked.url
        if isinstance(error, requests.ConnectionError) and _is_refusal(error):
            return errors.not_running(self.base_url, "connection refused")
        if isinstance(error, requests.ConnectTimeout):
            return errors.not_running(self.base_url, f"no connection within {self._connect_seconds:g} s")
        kind = type(error).__name__
        if _is_silence(error):
            longer = _PATIENCE.grown(self.base_url, errors.stage_of(asked.about or url), asked.silence)
            return errors.silent(
                url, base_url=self.base_url, waited=asked.silence, next_wait=longer, kind=kind
            )
        return ApiConnectionError(
            f"the connection broke during {url} ({kind}: {error})",
            cure="If it stays, restart the terminal",
            cause_type=kind,
            base_url=self.base_url,
            url=url,
        )


def _says_where_it_ends(response: requests.Response) -> bool:
    """Whether a body that breaks off could be told from a whole one."""
    headers = response.headers
    return "Content-Length" in headers or headers.get("Transfer-Encoding", "").lower() == "chunked"


def _is_refusal(error: requests.ConnectionError) -> bool:
    """Whether no connection came about at all (requests wraps that twice)."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


def _is_silence(error: Exception) -> bool:
    """Whether the terminal took the request and said nothing for too long (urllib3 wraps that too)."""
    inner = error.args[0] if error.args else None
    kinds = (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError)
    return isinstance(error, kinds) or isinstance(inner, kinds)


def _answer(response: requests.Response, asked: _Asked, body: BinaryIO, unended: Unended) -> Answer:
    content_type = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    page = response.headers.get("Next-Page", "null").strip()
    body.seek(0)
    following = None if page in {"", "null"} else page
    return Answer(asked.url, content_type, following, body, asked.about, unended)


def _is_packed(answer: Answer) -> bool:
    """Whether the body is gzip, whatever its headers say."""
    begin = answer.body.read(len(_GZIP))
    answer.body.seek(0)
    return begin == _GZIP


def _unpacked(answer: Answer, other: BinaryIO) -> Answer:
    """*answer*, which came in gzip, with its body unpacked into *other*."""
    try:
        with gzip.GzipFile(fileobj=answer.body) as stream:
            shutil.copyfileobj(stream, other, _CHUNK)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        finding = f"is gzip, which was not asked for, and cannot be unpacked ({error})"
        raise errors.invalid(answer.url, finding, "a body as it is", about=answer.about) from error
    other.truncate()
    other.seek(0)
    return replace(answer, body=other)


def _checked(answer: Answer) -> Answer:
    """*answer*; raises ApiDataNotFoundError where it is nothing, or a sentence that says so."""
    short = answer.body.read(_SMALL)
    answer.body.seek(0)
    if len(short) < _SMALL and errors.says_no_data(short, answer.about or answer.url):
        raise errors.no_data(answer.url, short)
    return answer
