"""Where messages and pings go: a server of this process, and what came to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Hook:
    """A server that answers with *status*; *came* has each request's path, and the document of a message."""

    at: str
    status: int = 200
    came: list[tuple[str, dict[str, Any] | None]] = field(default_factory=list)

    @property
    def told(self) -> list[tuple[str, str]]:
        """Titles and texts of messages."""
        return [(body["title"].removeprefix("spx-data: "), body["message"]) for _, body in self.came if body]

    @property
    def pinged(self) -> list[str]:
        """The paths of pings."""
        return [path for path, body in self.came if body is None]


@contextmanager
def listening() -> Iterator[Hook]:
    """Listen on a free port of the loopback in the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._came(json.loads(self.rfile.read(length)))

        def do_GET(self) -> None:
            self._came(None)

        def _came(self, body: dict[str, Any] | None) -> None:
            hook.came.append((self.path, body))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Hook(f"127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()
