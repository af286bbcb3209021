"""The pages over HTTP, for who wants to watch: made when they are asked for, and never a file by its path.

The standard library's server is enough and adds no dependency: a few people look at two kinds of pages, read
only, most of them on this machine. It answers GET and HEAD, and who asks for it by a name of its own: else a
stranger's web page could have its own name lead here and read along (DNS rebinding). Ports do not matter to
that, so `ssh -L` may forward any.
"""

from __future__ import annotations

import datetime as dt
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
from socket import AF_INET, AF_INET6
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

from spx_data import __version__, files, report, runs, seals, sessions
from spx_data.errors import (
    DateValidationError,
    InsufficientDiskSpaceError,
    PermissionDeniedError,
    SpxDataError,
)
from spx_data.report import dashboard, page
from spx_data.settings import Settings

_KEPT_SECONDS = 3.0  # a dashboard younger than this is shown again, to however many look at it
_AT_WORK_SECONDS = 10  # between two looks at a run, at most
_EVERYWHERE = frozenset({"0.0.0.0", "::"})
_DAY = re.compile(r"/days/(\d{4}-\d{2}-\d{2})\.html")
_HTML, _TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"

# What a page may do stands in the page; these say what others may do with it.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
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
                self._dashboard = page.html(replace(found, refresh_seconds=seconds), layout)
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
                return files.content(target).decode()
            text = report.day_text(self._settings, sessions.now(), date)
            # Who may only read the lake can look at it all the same.
            with suppress(PermissionDeniedError, InsufficientDiskSpaceError):
                files.write_text(target, text)
            return text


class Server(ThreadingHTTPServer):
    """Serves *pages* at *host* and *port*; port 0 is any that is free, and `server_port` says which.

    Raises:
        OSError: nobody can listen there.
    """

    daemon_threads = True  # a page that is being made keeps nobody from ending the server

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        self.pages, self._host = pages, host
        # An address with colons is one of IPv6; a name is looked up as IPv4, which every machine has.
        self.address_family = AF_INET6 if ":" in host else AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind; without a look at who has that address, which takes some machines seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self._host, self.socket.getsockname()[1]

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
        body = reply.body.encode()
        self.send_response(reply.status)
        headers = {"Content-Type": reply.kind, "Content-Length": str(len(body))}
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
