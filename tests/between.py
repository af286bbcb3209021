"""A terminal whose answers a test changes on their way."""

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from theta_simulator import Terminal

# Of a request's path, and of the status and the body that the terminal answered: those that are handed on.
Change = Callable[[str, int, bytes], tuple[int, bytes]]


@contextlib.contextmanager
def in_between(terminal: Terminal, change: Change) -> Iterator[str]:
    """The address of a server that asks *terminal* and hands its answers on as *change* has them."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            line = http.client.HTTPConnection(urlsplit(terminal.url).netloc, timeout=30)
            line.request("GET", self.path)
            found = line.getresponse()
            status, body = change(self.path, found.status, found.read())
            line.close()
            self.send_response(status)
            self.send_header("Content-Type", found.headers["Content-Type"] or "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody listens."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
