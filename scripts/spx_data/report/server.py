"""The pages over HTTP, for who wants to watch: made when they are asked for, and never a file by its path.

The standard library's server is enough and adds no dependency: a few people look at two kinds of pages, read
only, most of them on this machine. It answers GET and HEAD, and who asks for it by a name of its own: else a
stranger's web page could have its own name lead here and read along (DNS rebinding). Ports do not matter to
that, so `ssh -L` may forward any.
"""

from __future__ import annotations

import datetime as dt
import errno
import ipaddress
import logging
import re
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6, SHUT_RDWR
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

from spx_data import __version__, report
from spx_data.errors import (
    DateValidationError,
    InsufficientDiskSpaceError,
    PermissionDeniedError,
    SpxDataError,
)
from spx_data.lake import runs
from spx_data.market import sessions
from spx_data.report import dashboard, page
from spx_data.settings import Settings
from spx_data.store import files, limits, reads, seals

_KEPT_SECONDS = 3.0  # a dashboard younger than this is shown again, to however many look at it
_AT_WORK_SECONDS = 10  # between two looks at a run, at most
# Connections at a time, and how long one may take to ask, and to be answered.
_MOST_VISITORS = 64
_ASKING_SECONDS, _ANSWERING_SECONDS = 20.0, 300.0
_PAUSE_SECONDS, _GLANCE_SECONDS = 0.1, 0.002
_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_EVERYWHERE = frozenset({"0.0.0.0", "::"})
_DAY = re.compile(r"/days/([0-9]{4}-[0-9]{2}-[0-9]{2})\.html")
_HTML, _TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"

# What a page may do is said here too: a file in the place of a kept page may be anybody's.
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """What is answered to one request."""

    body: str
    status: HTTPStatus = HTTPStatus.OK
    kind: str = _HTML
    headers: Mapping[str, str] = field(default_factory=dict)


class Pages:
    """The pages of one lake, each made when it is asked for, and one at a time.

    The dashboard is that of the moment and loads itself anew after *refresh* seconds, sooner while a run is
    at work. The page of a day is kept where `spx-data report` keeps it.
    """

    def __init__(self, settings: Settings, refresh: int) -> None:
        self._settings, self._refresh = settings, refresh
        self._making = threading.Lock()
        self._dashboard, self._made_at = "", -_KEPT_SECONDS

    def reply(self, target: str) -> Reply:
        """What is answered to who asks for *target*; trouble is a page too."""
        path = target.partition("?")[0]
        try:
            if path in {"/", f"/{self._settings.layout.dashboard.name}"}:
                return Reply(self.dashboard())
            if (named := _DAY.fullmatch(path)) and (date := _date(named[1])):
                return Reply(self.day(date))
            return _refusal(HTTPStatus.NOT_FOUND, "There is no such page. / is the dashboard.")
        except DateValidationError as error:
            return _refusal(HTTPStatus.NOT_FOUND, str(error))
        except SpxDataError as error:
            said = str(error)
        except Exception as error:  # whatever it is, the next page may be well
            said = f"Unexpected {type(error).__name__}: {error}. spx-data --debug report shows where."
        # What is wrong now may be right in a while.
        return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, said, Refresh=str(self._refresh))

    def dashboard(self) -> str:
        """The dashboard of now, or one that is a few seconds old.

        Raises:
            ConfigurationValidationError: there is no such calendar.
        """
        with self._making:
            if time.monotonic() - self._made_at >= _KEPT_SECONDS:
                layout = self._settings.layout
                seconds = min(self._refresh, _AT_WORK_SECONDS) if runs.current(layout) else self._refresh
                found = dashboard.page(self._settings, sessions.now(), live=True)
                self._dashboard = page.html(replace(found, refresh_seconds=seconds))
                self._made_at = time.monotonic()
            return self._dashboard

    def day(self, date: dt.date) -> str:
        """The page of *date*, made where there is none of its seal.

        Raises:
            DateValidationError: it is not sealed.
            FileCorruptionError, MissingFileError: what is there is not what was sealed.
        """
        layout = self._settings.layout
        target = layout.day_page(date)
        with self._making:
            if seals.is_sealed(layout.parquet(date)) and not report.is_stale(layout, date):
                kept = reads.content(target).decode(errors="replace")
                if page.has_policy(kept):
                    return kept
            text = report.day_text(self._settings, sessions.now(), date)
            # Who may only read the lake can look at it all the same.
            with suppress(PermissionDeniedError, InsufficientDiskSpaceError):
                files.write_text(target, text)
            return text


class _Visitors:
    """The connections that are open: so many at a time, and none for longer than a request or a page takes.

    Who comes when all places are taken gets that of whoever has been longest without having asked, so a
    thousand idle connections keep nobody out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Since when (monotonic seconds), the first one first; those whose threads have yet to see their end.
        self._asking: dict[Any, float] = {}
        self._answered: dict[Any, float] = {}
        self._ending: set[Any] = set()
        self._said = False

    def enter(self, visitor: Any, most: int) -> bool:
        """Let the connection *visitor* in, unless *most* are in and each of them is being answered."""
        with self._lock:
            if len(self._asking) + len(self._answered) >= most:
                self._say(f"more than {most} connections at a time: idle ones are ended")
                if not self._asking or len(self._ending) >= most:
                    return False
                self._end(next(iter(self._asking)))
            self._asking[visitor] = time.monotonic()
        return True

    @property
    def are_many(self) -> bool:
        """Whether anybody has been pushed out whose thread goes on."""
        return bool(self._ending)

    def has_asked(self, visitor: Any) -> None:
        """Note that *visitor* has asked, and is answered from now on."""
        with self._lock:
            if self._asking.pop(visitor, None) is not None:
                self._answered[visitor] = time.monotonic()

    def leave(self, visitor: Any) -> None:
        """Forget *visitor*."""
        with self._lock:
            self._asking.pop(visitor, None)
            self._answered.pop(visitor, None)
            self._ending.discard(visitor)

    def tire(self) -> None:
        """End the connections that take too long, a byte a second or not."""
        with self._lock:
            now = time.monotonic()
            for these, seconds in ((self._asking, _ASKING_SECONDS), (self._answered, _ANSWERING_SECONDS)):
                for visitor in [each for each, since in these.items() if now - since > seconds]:
                    self._end(visitor)

    def make_room(self, error: OSError) -> None:
        """End all that have not asked, since nobody else can be let in for *error*."""
        with self._lock:
            self._say(f"{error.strerror}: idle connections are ended (more room: `ulimit -n 4096`)")
            for visitor in list(self._asking):
                self._end(visitor)

    def _end(self, visitor: Any) -> None:
        """Let the thread of *visitor* find its connection ended."""
        self._asking.pop(visitor, None)
        self._answered.pop(visitor, None)
        self._ending.add(visitor)
        with suppress(OSError):
            visitor.shutdown(SHUT_RDWR)

    def _say(self, words: str) -> None:
        if not self._said:
            self._said = True
            _log.warning("spx-data serve: %s. This is said once", words)


class Server(ThreadingHTTPServer):
    """Serves *pages* at *host* and *port*; port 0 is any that is free, and `server_port` says which.

    Raises:
        OSError: nobody can listen there.
    """

    daemon_threads = True  # a page that is being made keeps nobody from ending the server
    request_queue_size = 128

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        self.pages, self._host, self.visitors = pages, host, _Visitors()
        # An address with colons is one of IPv6; a name is looked up as IPv4, which every machine has.
        self.address_family = AF_INET6 if ":" in host else AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind; without a look at who has that address, which takes some machines seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self._host, self.socket.getsockname()[1]

    def get_request(self) -> tuple[Any, Any]:
        """Take the next connection; without a handle for it, wait a little: it would be offered at once."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in _SHORT:
                self.visitors.make_room(error)
                time.sleep(_PAUSE_SECONDS)
            raise

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        """Whether there is room for one more."""
        if self.visitors.are_many:
            time.sleep(_GLANCE_SECONDS)  # for the threads of those who came before: they may have asked
        return self.visitors.enter(request, min(_MOST_VISITORS, limits.files_allowed_now() // 4))

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        self.visitors.leave(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Look after the connections, between two of them and at least twice a second."""
        self.visitors.tire()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Somebody who went away, or sent nothing for long, is no error."""
        _log.debug("a request of %s came to nothing", client_address, exc_info=True)

    def is_named(self, host: str | None) -> bool:
        """Whether a request for *host*, as its header says, means this server."""
        try:
            name = urlsplit(f"//{host or ''}").hostname
        except ValueError:
            return False
        if name in {"127.0.0.1", "localhost", "::1", self._host.lower()}:
            return True
        # Who listens everywhere has many addresses; a stranger's name is none.
        return self._host in _EVERYWHERE and _is_address(name)


class _Handler(BaseHTTPRequestHandler):
    """One request: who asks, how, and for what."""

    server: Server
    timeout = 30  # seconds of silence
    server_version, sys_version = f"spx-data/{__version__}", ""

    def do_GET(self) -> None:
        """Answer with a page."""
        self.server.visitors.has_asked(self.connection)
        if self.server.is_named(self.headers.get("Host")):
            self._send(self.server.pages.reply(self.path))
            return
        told = "This server answers who asks for localhost, 127.0.0.1 or the --host that it was given."
        self._send(_refusal(HTTPStatus.MISDIRECTED_REQUEST, told))

    do_HEAD = do_GET  # noqa: N815  # the standard library calls methods by such names

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no request, or none for a page, in our own words."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            told = "There is nothing here but to look at: GET and HEAD."
            self._send(_refusal(HTTPStatus.METHOD_NOT_ALLOWED, told, Allow="GET, HEAD"))
        else:
            self._send(_refusal(HTTPStatus(code), message or explain or ""))

    def _send(self, reply: Reply) -> None:
        if self.request_version == "HTTP/0.9":
            self.request_version = "HTTP/1.0"  # an answer without headers could be taken for anything
        body = reply.body.encode(errors="backslashreplace")  # names of files may hold half characters
        self.send_response(reply.status)
        headers = {"Content-Type": reply.kind, "Content-Length": str(len(body))}
        headers["Content-Security-Policy"] = f"{page.policy()}; frame-ancestors 'none'"
        for name, value in {**headers, **_HEADERS, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are nobody's business but the debugger's."""
        _log.debug(format, *arguments)


def _refusal(status: HTTPStatus, told: str, **headers: str) -> Reply:
    """A page in plain text: no browser takes for markup what a stranger's file name may hold."""
    return Reply(f"{status} {status.phrase}\n\n{told}\n", status, _TEXT, headers)


def _date(text: str) -> dt.date | None:
    with suppress(ValueError):
        return dt.date.fromisoformat(text)
    return None


def _is_address(name: str | None) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(name or ""))
    return False
