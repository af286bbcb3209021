"""The pages over HTTP, made on request; no file is served by its path.

The standard library's server is enough and adds no dependency: a few people look at two kinds of pages, read
only, most of them on this machine. It answers GET and HEAD, and only requests for a name of its own: a
stranger's web page could point its own name here and read along (DNS rebinding). Ports do not matter to that,
so `ssh -L` may forward any.
"""

from __future__ import annotations

import datetime as dt
import errno
import ipaddress
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET, AF_INET6
from socketserver import TCPServer
from typing import Any, NamedTuple
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
from spx_data.report import absent, dashboard, kept, page, symbols
from spx_data.report.visitors import Visitors
from spx_data.settings import Settings
from spx_data.store import files, limits, reads, seals

_KEPT_SECONDS = 3.0  # a dashboard younger than this is shown again, to however many look at it
_AT_WORK_SECONDS = 10  # between two looks at a run, at most
_MOST_VISITORS = 64  # connections at a time
_PAUSE_SECONDS, _GLANCE_SECONDS = 0.1, 0.002
_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_EVERYWHERE = frozenset({"0.0.0.0", "::"})
_DAY = re.compile(r"/days/([0-9]{4}-[0-9]{2}-[0-9]{2})\.html")
_OF_A_SYMBOL = re.compile(r"/([A-Z]{1,6})/report(/.*)")
_LINK = re.compile(r"\.\./dashboard\.html#([0-9]{4}-[0-9]{2}-[0-9]{2})")
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


class Watch(NamedTuple):
    """The config *files* whose changes are taken up, and what reads the settings again."""

    files: Sequence[Path] = ()
    read: Callable[[], Settings] | None = None

    @property
    def state(self) -> list[tuple[int, int] | None]:
        """What changes with the files: when they were written, and their sizes."""
        return [_written(path) for path in self.files]


class Pages:
    """The pages of one lake, each made when it is asked for, and one at a time.

    The dashboard is that of the moment and loads itself again after *refresh* seconds, sooner during a run.
    The page of a day is kept where `spx-data report` keeps it. Settings that change meanwhile are taken up
    where they can be used; otherwise the dashboard says why not.
    """

    def __init__(
        self,
        settings: Settings,
        refresh: int,
        watch: Watch | None = None,
        switch: Sequence[page.Switch] = (),
    ) -> None:
        self._settings, self._refresh, self._switch = settings, refresh, switch
        self._watch = watch or Watch()
        self._read, self._trouble = self._watch.state, ""
        self._making = threading.Lock()
        self._dashboard, self._made_at = "", -_KEPT_SECONDS

    def reply(self, target: str) -> Reply:
        """What is answered to a request for *target*; trouble is a page too."""
        path = target.partition("?")[0]
        try:
            self._take_up()
            if path in {"/", f"/{self._settings.layout.dashboard.name}"}:
                return Reply(self.dashboard())
            if (named := _DAY.fullmatch(path)) and (date := _date(named[1])):
                return self._about(date)
            return _refusal(HTTPStatus.NOT_FOUND, "There is no such page. / is the dashboard.")
        except SpxDataError as error:
            said = str(error)
        except Exception as error:  # whatever it is, the next page may be well
            said = f"Unexpected {type(error).__name__}: {error}. spx-data --debug report shows where."
        # What is wrong now may be right in a while.
        return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, said, Refresh=str(self._refresh))

    def _take_up(self) -> None:
        """Use the settings of now, where their files have changed."""
        with self._making:
            state = self._watch.state
            if state == self._read or self._watch.read is None:
                return
            self._read, self._made_at = state, -_KEPT_SECONDS
            try:
                self._settings, self._trouble = self._watch.read(), ""
            except SpxDataError as error:
                self._trouble = f"The settings have changed and cannot be used, so the old ones hold. {error}"

    def _about(self, date: dt.date) -> Reply:
        """The page of *date*, or the one that says why there is none."""
        try:
            return Reply(self.day(date))
        except DateValidationError as error:
            found = absent.page(self._settings, sessions.now(), date, error)
            return Reply(page.html(found), HTTPStatus.NOT_FOUND)

    def dashboard(self) -> str:
        """The dashboard of now, or one that is a few seconds old.

        Raises:
            ConfigurationValidationError: there is no such calendar.
        """
        with self._making:
            if time.monotonic() - self._made_at >= _KEPT_SECONDS:
                layout = self._settings.layout
                seconds = min(self._refresh, _AT_WORK_SECONDS) if runs.current(layout) else self._refresh
                found = dashboard.page(self._settings, sessions.now(), live=True, switch=self._switch)
                self._dashboard = page.html(replace(found, refresh_seconds=seconds, notice=self._trouble))
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
            if seals.is_sealed(layout.parquet(date)) and not kept.is_stale(self._settings, date):
                text = reads.content(target).decode(errors="replace")
                if page.has_policy(text):
                    return _LINK.sub(r"\1.html", text)
            text = report.day_text(self._settings, sessions.now(), date)
            # A lake that can only be read is shown all the same.
            with suppress(PermissionDeniedError, InsufficientDiskSpaceError):
                files.write_text(target, text)
            return _LINK.sub(r"\1.html", text)  # made when somebody asks for it


class PagesOfAll:
    """The pages of several lakes, each where its files stand beside the page of all: `/SPY/report/…`."""

    def __init__(self, lakes: Mapping[str, Settings], refresh: int, watches: Mapping[str, Watch]) -> None:
        self._lakes = lakes
        self._own = {
            symbol: Pages(settings, refresh, watches.get(symbol), symbols.switch(lakes, symbol))
            for symbol, settings in lakes.items()
        }
        self._making, self._refresh = threading.Lock(), refresh
        self._text, self._made_at = "", -_KEPT_SECONDS

    def reply(self, target: str) -> Reply:
        """What is answered to a request for *target*."""
        path = target.partition("?")[0]
        if path in {"/", f"/report/{next(iter(self._lakes.values())).layout.symbols_page.name}"}:
            try:
                return Reply(self._all())
            except SpxDataError as error:
                return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, str(error), Refresh=str(self._refresh))
        named = _OF_A_SYMBOL.fullmatch(path)
        if named and (pages := self._own.get(named[1])):
            return pages.reply(named[2])
        return _refusal(HTTPStatus.NOT_FOUND, "There is no such page. / is the page of all symbols.")

    def _all(self) -> str:
        with self._making:
            if time.monotonic() - self._made_at >= _KEPT_SECONDS:
                found = symbols.page(self._lakes, sessions.now())
                self._text = page.html(replace(found, refresh_seconds=self._refresh))
                self._made_at = time.monotonic()
            return self._text


class Server(ThreadingHTTPServer):
    """Serves *pages* at *host* and *port*; port 0 is any that is free, and `server_port` says which.

    Raises:
        OSError: nobody can listen there.
    """

    daemon_threads = True  # a page that is being made keeps nobody from ending the server
    request_queue_size = 128

    def __init__(self, host: str, port: int, pages: Pages | PagesOfAll) -> None:
        self.pages, self._host, self.visitors = pages, host, Visitors()
        # An address with colons is one of IPv6; a name is looked up as IPv4, which every machine has.
        self.address_family = AF_INET6 if ":" in host else AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind; without looking up the name of the address, which takes some machines seconds."""
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
            time.sleep(_GLANCE_SECONDS)  # for the threads of earlier connections: they may have asked
        return self.visitors.enter(request, min(_MOST_VISITORS, limits.files_allowed_now() // 4))

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        self.visitors.leave(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Look after the connections, between two of them and at least twice a second."""
        self.visitors.tire()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A visitor that went away, or sent nothing for long, is no error."""
        _log.debug("a request of %s came to nothing", client_address, exc_info=True)

    def is_named(self, host: str | None) -> bool:
        """Whether a request for *host*, as its header says, means this server."""
        try:
            name = urlsplit(f"//{host or ''}").hostname
        except ValueError:
            return False
        if name in {"127.0.0.1", "localhost", "::1", self._host.lower()}:
            return True
        # A server that listens everywhere has many addresses; a stranger's name is none.
        return self._host in _EVERYWHERE and _is_address(name)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    timeout = 30  # seconds of silence
    server_version, sys_version = f"spx-data/{__version__}", ""

    def do_GET(self) -> None:
        """Answer with a page."""
        self.server.visitors.has_asked(self.connection)
        if self.server.is_named(self.headers.get("Host")):
            self._send(self.server.pages.reply(self.path))
            return
        told = "This server answers requests for localhost, 127.0.0.1 or its --host."
        self._send(_refusal(HTTPStatus.MISDIRECTED_REQUEST, told))

    do_HEAD = do_GET  # noqa: N815  # the standard library calls methods by such names

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a bad request in our own words."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            told = "Read only: GET and HEAD."
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


def _written(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_size
    return None


def _date(text: str) -> dt.date | None:
    with suppress(ValueError):
        return dt.date.fromisoformat(text)
    return None


def _is_address(name: str | None) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(name or ""))
    return False
