"""What stands between spx-data and object storage: it hands requests on, and spoils those it is told to.

Unlike `tests.between`, which changes whole answers of a terminal, it spoils the exchange itself: a body that
stops half way, an answer that never comes for what was done, bytes that trickle. Faults are told by request
and never by time, so a slow machine meets the same.
"""

from __future__ import annotations

import http.client
import math
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from tests.objects.servers import BUCKET, PATIENCE

_PIECES, _PAUSE = 20, 0.01  # a slow body comes in so many pieces, with so many seconds between


class Fault(Enum):
    """What becomes of an exchange."""

    REFUSED = "500, and nothing was done"
    BUSY = "503, and nothing was done"
    DONE_AND_REFUSED = "500, after it was done"
    CUT_AT_ONCE = "cut before the request's body was read"
    CUT_AMID_REQUEST = "cut when half of the request's body has gone on"
    CUT_BEFORE_ANSWER = "cut after it was done, without a word"
    CUT_AMID_ANSWER = "cut when half of the answer's body has come"
    SLOW = "both bodies trickle"
    FLIPPED = "one bit of the answer's body is another"
    SHORTENED = "the answer's body lacks its second half, and its length says so"
    FLIPPED_GOING = "one bit of the request's body is another"


class Request(NamedTuple):
    """A request: its method, the key of its object, and "LIST" as the method of a listing."""

    method: str
    key: str


@dataclass
class Rule:
    """A *fault* that befalls requests of a *method* whose key has *part* in it, so many *times*."""

    fault: Fault
    method: str
    part: str
    times: float
    met: int = 0

    def befalls(self, request: Request) -> bool:
        """Whether it happens to *request*; then it is counted."""
        told = request.method == self.method and self.part in request.key and self.met < self.times
        self.met += told
        return told


@dataclass
class Proxy:
    """Where the server is, where this one listens, what it spoils, and what was asked of it."""

    server: str
    url: str = ""
    # Called before a request goes on, and when its answer is there.
    before: Callable[[Request], None] = lambda _: None
    after: Callable[[Request], None] = lambda _: None
    requests: list[Request] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    # One request at a time goes on: how a server behaves within two at once is its own matter.
    alone: threading.Lock = field(default_factory=threading.Lock)

    def spoil(self, fault: Fault, method: str, part: str, times: float = math.inf) -> Rule:
        """Let *fault* befall such requests from now on."""
        self.rules.append(Rule(fault, method, part, times))
        return self.rules[-1]

    def mend(self) -> None:
        """Hand on all requests as they are from now on."""
        self.rules.clear()

    def fault(self, request: Request) -> Fault | None:
        """What befalls a request."""
        with self.alone:
            return next((rule.fault for rule in [*self.rules] if rule.befalls(request)), None)


@contextmanager
def between(server: str) -> Iterator[Proxy]:
    """A proxy in front of the *server* at that address, for the block."""
    proxy = Proxy(urlsplit(server).netloc)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    with _Server(("127.0.0.1", 0), handler) as listening:
        proxy.url = f"http://127.0.0.1:{listening.server_port}"
        threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield proxy
        listening.shutdown()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that hung up is the matter of the test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def do(self) -> None:
        request = _request(self.command, self.path)
        self.proxy.requests.append(request)
        fault = self.proxy.fault(request)
        if fault is Fault.CUT_AT_ONCE:
            self._cut()
            return
        body = self._body(slow=fault is Fault.SLOW)
        self.proxy.before(request)
        if fault in (Fault.REFUSED, Fault.BUSY):
            self._refuse(503 if fault is Fault.BUSY else 500)
        elif fault is Fault.CUT_AMID_REQUEST:
            self._ask_half(body)
            self._cut()
        else:
            with self.proxy.alone:
                answer, content = self._ask(flipped(body) if fault is Fault.FLIPPED_GOING else body)
            self.proxy.after(request)
            self._hand_back(answer, content, fault)

    do_GET = do_PUT = do  # noqa: N815

    def _body(self, *, slow: bool) -> bytes:
        left, read = int(self.headers["Content-Length"] or 0), b""
        step = max(1, left // _PIECES) if slow else left
        while len(read) < left:
            more = self.rfile.read(min(step, left - len(read)))
            if not more:
                raise ConnectionError("the client hung up")
            read += more
            time.sleep(_PAUSE if slow else 0)
        return read

    def _line(self) -> http.client.HTTPConnection:
        """A line to the server, to which the request's head is said."""
        line = http.client.HTTPConnection(self.proxy.server, timeout=PATIENCE)
        line.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() != "connection":
                line.putheader(name, value)
        line.putheader("Connection", "close")
        return line

    def _ask(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        with closing(self._line()) as line:
            line.endheaders(body)
            answer = line.getresponse()
            return answer, answer.read()

    def _ask_half(self, body: bytes) -> None:
        """Hand on half of the request, and hear what the server has to say to that."""
        with closing(self._line()) as line:
            line.endheaders(body[: len(body) // 2])
            line.sock.shutdown(socket.SHUT_WR)
            with suppress(OSError, http.client.HTTPException):
                line.getresponse().read()

    def _hand_back(self, answer: http.client.HTTPResponse, content: bytes, fault: Fault | None) -> None:
        if fault is Fault.DONE_AND_REFUSED:
            self._refuse(500)
            return
        if fault is Fault.CUT_BEFORE_ANSWER:
            self._cut()
            return
        content = {Fault.FLIPPED: flipped, Fault.SHORTENED: _half}.get(fault, bytes)(content)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault is Fault.CUT_AMID_ANSWER:
            self.wfile.write(_half(content))
            self.close_connection = True
            return
        step = max(1, len(content) // _PIECES) if fault is Fault.SLOW else max(1, len(content))
        for at in range(0, len(content), step):
            self.wfile.write(content[at : at + step])
            time.sleep(_PAUSE if fault is Fault.SLOW else 0)

    def _refuse(self, status: int) -> None:
        content = b"<Error><Code>InternalError</Code><Message>told to</Message></Error>"
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _cut(self) -> None:
        """Hang up as a machine that dies: with a reset, and no goodbye."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _request(method: str, target: str) -> Request:
    parts = urlsplit(target)
    key = unquote(parts.path).removeprefix(f"/{BUCKET}").lstrip("/")
    return Request("LIST" if method == "GET" and not key else method, key or parts.query)


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    """*content* with one bit of its middle changed."""
    spoilt = bytearray(content)
    if spoilt:
        spoilt[len(spoilt) // 2] ^= 1
    return bytes(spoilt)
