"""The one server: it hands requests to a site, and knows nothing of what is answered.

The standard library's server is enough and adds no dependency: a few people and programs ask, read only, most
of them on this machine. It answers GET and HEAD, and only requests for a name of its own: a stranger's web
page could point its own name here and read along (DNS rebinding). Ports do not matter to that, so `ssh -L`
may forward any.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from socketserver import TCPServer
from typing import Any, Protocol
from urllib.parse import urlsplit

from spx_data import __version__
from spx_data.store import limits

_MOST_VISITORS = 64  # connections at a time
_PAUSE_SECONDS, _GLANCE_SECONDS = 0.1, 0.002
_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_EVERYWHERE = frozenset({"0.0.0.0", "::"})
HTML, TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"

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
    """What is answered to one request: text, or blocks of a body of which nobody knows the length yet."""

    body: str | Iterator[bytes]
    status: int = HTTPStatus.OK
    kind: str = HTML
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(status: HTTPStatus, told: str, **headers: str) -> Reply:
    """A reply in plain text: no browser takes for markup what a stranger's file name may hold."""
    return Reply(f"{status} {status.phrase}\n\n{told}\n", status, TEXT, headers)


class Site(Protocol):
    """What is served."""

    @property
    def policy(self) -> str:
        """What a browser may do with any of it (Content-Security-Policy)."""
        ...

    def reply(self, target: str) -> Reply:
        """What is answered to a request for *target*, a path with its query; trouble is a reply too."""
        ...


class Server(ThreadingHTTPServer):
    """Serves *site* at *host* and *port*; port 0 is any that is free, and `server_port` says which.

    Raises:
        OSError: nobody can listen there.
    """

    daemon_threads = True  # a page that is being made keeps nobody from ending the server
    request_queue_size = 128

    def __init__(self, host: str, port: int, site: Site) -> None:
        self.site, self._host, self.visitors = site, host, Visitors()
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
    """One request, and its connection: none is kept for another."""

    server: Server
    timeout = 30  # seconds of silence
    server_version, sys_version = f"spx-data/{__version__}", ""

    def do_GET(self) -> None:
        """Answer as the site does."""
        self.server.visitors.has_asked(self.connection)
        if self.server.is_named(self.headers.get("Host")):
            self._send(self.server.site.reply(self.path))
            return
        told = "This server answers requests for localhost, 127.0.0.1 or its --host."
        self._send(refusal(HTTPStatus.MISDIRECTED_REQUEST, told))

    do_HEAD = do_GET  # noqa: N815  # the standard library calls methods by such names

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a bad request in our own words."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            told = "Read only: GET and HEAD."
            self._send(refusal(HTTPStatus.METHOD_NOT_ALLOWED, told, Allow="GET, HEAD"))
        else:
            self._send(refusal(HTTPStatus(code), message or explain or ""))

    def _send(self, reply: Reply) -> None:
        if self.request_version == "HTTP/0.9":
            self.request_version = "HTTP/1.0"  # an answer without headers could be taken for anything
        if not isinstance(reply.body, str):
            self._send_blocks(reply, reply.body)
            return
        body = reply.body.encode(errors="backslashreplace")  # names of files may hold half characters
        self._begin(reply, {"Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_blocks(self, reply: Reply, blocks: Iterator[bytes]) -> None:
        """Send a body as it is made, each block with its size: so what breaks off is not taken for whole."""
        if self.request_version == "HTTP/1.0":
            told = "This answer comes in chunks: ask by HTTP/1.1."
            self._send(refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, told))
            return
        self.protocol_version = "HTTP/1.1"
        self._begin(reply, {"Transfer-Encoding": "chunked", "Connection": "close"})
        if self.command == "HEAD":
            return
        for block in filter(None, blocks):
            self.wfile.write(b"%x\r\n" % len(block))
            self.wfile.write(block)  # by itself: it is large, and to join it would copy it
            self.wfile.write(b"\r\n")
            self.server.visitors.goes_on(self.connection)
        self.wfile.write(b"0\r\n\r\n")

    def _begin(self, reply: Reply, framing: Mapping[str, str]) -> None:
        self.send_response(reply.status)
        told = {"Content-Type": reply.kind, **framing, "Content-Security-Policy": self.server.site.policy}
        for name, value in {**told, **_HEADERS, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are nobody's business but the debugger's."""
        _log.debug(format, *arguments)


def _is_address(name: str | None) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(name or ""))
    return False


# The connections that are open, so that idle ones keep nobody out -------------------------------------------


_ASKING_SECONDS, _ANSWERING_SECONDS = 20.0, 300.0  # that one may take to ask, and to be answered

_BOTH_WAYS = 2  # to read and to write, as `socket.SHUT_RDWR` has it

_log = logging.getLogger(__name__)


class Visitors:
    """The connections that are open: so many at a time, none for longer than a request or an answer's part.

    When all places are taken, the next one gets the place of the connection that has been idle longest, so a
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
        """Whether a connection was pushed out whose thread goes on."""
        return bool(self._ending)

    def has_asked(self, visitor: Any) -> None:
        """Note that *visitor* has asked, and is answered from now on."""
        with self._lock:
            if self._asking.pop(visitor, None) is not None:
                self._answered[visitor] = time.monotonic()

    def goes_on(self, visitor: Any) -> None:
        """Note that *visitor* has taken a part of its answer, and waits for the next one."""
        with self._lock:
            if visitor in self._answered:
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
            visitor.shutdown(_BOTH_WAYS)

    def _say(self, words: str) -> None:
        if not self._said:
            self._said = True
            _log.warning("spx-data serve: %s. This is said once", words)
