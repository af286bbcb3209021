"""HTTP with one Theta Terminal: the only place that opens a socket.

The status is judged first, then the length: an answer is complete or it is an error. Content type and shape
are `sources.theta.tables`' business. The body goes to a nameless file, so a large one costs disk and no
memory. Every exchange is reported to an observer for the audit journal. It passes a gate, which is held while
the terminal is at work on it and no longer: what limits the requests in flight waits there, before the
clock of any timeout begins.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import requests
import requests.adapters
import urllib3
import urllib3.connection

from spx_data.errors import SpxDataError
from spx_data.sources.source import Exchange, Gate, Observer, Passage, Tap, Tapped
from spx_data.sources.theta import bodies, errors, limits
from spx_data.sources.theta.bodies import SMALL, Unended
from spx_data.sources.theta.bodies import Answer as Answer
from spx_data.sources.theta.limits import Ceiling, Patience, Watch, seconds_told
from spx_data.store import faults, files, reads


class _Hung:
    """A connection that the watch over an exchange may hang up (a part of one of urllib3's)."""

    sock: Any
    _line: Any = None

    def connect(self) -> None:
        """Connect, and keep what an answer that ends the connection takes away."""
        super().connect()  # type: ignore[misc]
        self._line = self.sock

    def getresponse(self, *given: Any, **named: Any) -> Any:
        """The answer, whose head is watched already."""
        if found := limits.current():
            found.take(self._line)
        return super().getresponse(*given, **named)  # type: ignore[misc]


class _Connection(_Hung, urllib3.connection.HTTPConnection):
    pass


class _SafeConnection(_Hung, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SafePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SafeConnection


class Adapter(requests.adapters.HTTPAdapter):
    """requests' way to a server, over connections that may be hung up."""

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        """Make the pools."""
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SafePool}


Parameters = Mapping[str, str | int]

# Of the whole process: its jobs ask the same terminal, each with a transport of its own.
_PATIENCE = Patience()


def ignore(_: Exchange) -> None:
    """An observer that looks away."""


@dataclass
class _Asked:
    """A request on its way: what is known of its `Exchange` so far."""

    url: str
    about: str
    silence: float  # seconds
    ceiling: Ceiling
    watch: Watch
    passage: object = None  # what the gate gave
    alone: bool = False  # no other request of this process was in flight when it began
    status: int = 0
    bytes: int = 0
    seconds: float = 0.0
    _begun: float = 0.0

    @contextmanager
    def clocked(self) -> Iterator[None]:
        """Take the time that the block takes."""
        self._begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds = self.so_far()

    def so_far(self) -> float:
        """The seconds since the clock began."""
        return time.monotonic() - self._begun


class Transport:
    """Keep-alive GETs to one base address; one connection for each thread that asks."""

    def __init__(
        self,
        base_url: str,
        *,
        scratch: Path,
        connect_seconds: float,
        observer: Observer = ignore,
        gate: Gate = nullcontext,
        tap: Tap | None = None,
        unended: bool = False,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._scratch = scratch
        self._connect_seconds = connect_seconds
        self._observer = observer
        self._gate = gate
        self._tap = tap
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._idle: list[BinaryIO] = []  # scratch files that no body is in
        self._in_flight: set[int] = set()  # the requests at work
        self._opened = ExitStack()
        self._unended = Unended(expected=unended)

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
            session.mount("http://", Adapter())
            session.mount("https://", Adapter())
            self._sessions.append(session)
        return session

    @contextmanager
    def get(
        self,
        path: str,
        parameters: Parameters,
        *,
        silence_seconds: float,
        ceiling: Ceiling,
        about: str = "",
        salvage: bool = False,
    ) -> Iterator[Answer]:
        """GET *path* (or a full URL of this terminal) and give its complete answer while the block lasts.

        *about* is what was asked at first, where *path* is a later page of its answer. A body in gzip, which
        was not asked for, is unpacked. *silence_seconds* grow for histories and listings that once took
        longer. Beyond its *ceiling* nothing is read, packed or not, and a body that comes too slowly is
        given up (`Watch`). With *salvage* one that breaks off is given as far as it came (`Answer.cut`).

        Raises:
            ThetaTerminalNotRunningError: nothing listens there.
            ApiDataNotFoundError: the body is empty, or a sentence that says "no data".
            ApiConnectionError: the connection broke, was silent for *silence_seconds*, or slow.
            ApiResponseInvalidError: the answer is larger than its *ceiling*.
            SpxDataError: the error that the status stands for (`errors.of_status`).
        """
        with reads.explained(self._scratch, "write to"), ExitStack() as stack:
            body = stack.enter_context(self._spool())
            answer = self._exchange(path, parameters, silence_seconds, ceiling, body, about, salvage)
            if bodies.is_packed(answer):
                answer = bodies.unpacked(answer, stack.enter_context(self._spool()))
            yield bodies.checked(answer)

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
        self,
        path: str,
        parameters: Parameters,
        silence_seconds: float,
        ceiling: Ceiling,
        body: BinaryIO,
        about: str,
        salvage: bool,
    ) -> Answer:
        continues = path.startswith(("http://", "https://"))
        url = path if continues else f"{self.base_url}{path}"
        prepared = requests.Request("GET", url, params=parameters or None).prepare()
        shown = str(prepared.url)
        stage = limits.stage_of(about or shown)
        silence = _PATIENCE.of(self.base_url, stage, silence_seconds)
        asked = _Asked(shown, about, silence, ceiling, Watch(silence))
        try:
            with (
                self._gate(continues) as asked.passage,
                asked.clocked(),
                self._counted(asked),
                asked.watch.kept(),
            ):
                answer = self._answered(prepared, body, asked)
                if isinstance(asked.passage, Passage) and stage.is_history:
                    asked.passage.size = asked.bytes
                return answer
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            broken = self._broken(error, asked)
            if not salvage or asked.status != errors.OK or not bodies.trim(body):
                raise broken from error
            return Answer(shown, "", None, body, about, self._unended, ceiling, broken)
        finally:
            # Outside of the gate: the journal waits for the disk, and the terminal need not.
            in_flight = asked.passage.in_flight if isinstance(asked.passage, Passage) else None
            self._observer(Exchange(shown, asked.status, asked.bytes, round(asked.seconds, 3), in_flight))

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
            asked.status, first_byte = response.status_code, asked.so_far()
            asked.watch.answered()
            if asked.watch.is_late:  # what was hung up on looks like a head that ends
                raise urllib3.exceptions.ProtocolError("hung up on")
            if asked.status != errors.OK:
                text = response.raw.read(SMALL)
                asked.bytes = len(text)
                self._tell(response, asked, io.BytesIO(text), first_byte)
                raise self._refusal(response, text, asked)
            if not _says_where_it_ends(response):
                expected = "a Content-Length or chunks"
                raise errors.invalid(asked.url, "does not say where it ends", expected, about=asked.about)
            bodies.check(int(response.raw.length_remaining or 0), asked.ceiling, asked.url, asked.about)
            bodies.copy(response.raw, body, asked.ceiling, asked.watch, asked.url, asked.about)
            asked.bytes = body.tell()
            self._tell(response, asked, body, first_byte)
            return _answer(response, asked, body, self._unended)

    def _tell(
        self, response: requests.Response, asked: _Asked, body: BinaryIO, first_byte_seconds: float
    ) -> None:
        if self._tap is not None:
            headers = {name.lower(): value for name, value in response.headers.items()}
            seconds = asked.so_far()
            self._tap(Tapped(asked.url, asked.status, headers, body, first_byte_seconds, seconds))

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
        if asked.watch.is_late:
            longer = _PATIENCE.grown(self.base_url, limits.stage_of(asked.about or url), asked.silence)
            return errors.slow(
                url, base_url=self.base_url, seconds=asked.seconds, size=asked.watch.bytes, next_wait=longer
            )
        if isinstance(error, requests.ConnectionError) and _is_refusal(error):
            return errors.not_running(self.base_url, "connection refused")
        if isinstance(error, requests.ConnectTimeout):
            return errors.not_running(self.base_url, f"no connection within {self._connect_seconds:g} s")
        if _is_silence(error):
            longer = _PATIENCE.grown(self.base_url, limits.stage_of(asked.about or url), asked.silence)
            return errors.silent(
                url, base_url=self.base_url, waited=asked.silence, next_wait=longer, kind=type(error).__name__
            )
        return errors.broken(url, base_url=self.base_url, error=error)


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
    return Answer(asked.url, content_type, following, body, asked.about, unended, asked.ceiling)
