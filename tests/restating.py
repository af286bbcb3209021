"""A source that changes its mind: a reverse proxy before a simulated terminal that edits its answers."""

import csv
import functools
import io
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

Rows = list[dict[str, str]]
Words = tuple[str, ...]
# Given the request's path, its query and the rows of the answer, the rows to send; None says "no data" (472),
# a number is the status of an error.
Edit = Callable[[str, dict[str, str], Rows], Rows | int | None]

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Restater:
    """A proxy for *upstream*; *edit* rewrites its CSV answers, None leaves them as they are."""

    def __init__(self, upstream: str, port: int) -> None:
        self.upstream, self.url = upstream, f"http://127.0.0.1:{port}"
        self.edit: Edit | None = None
        self.asked: list[str] = []

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body for a request of *target*."""
        self.asked.append(target)
        try:
            with _OPENER.open(self.upstream + target) as response:
                headers = {name.title(): value for name, value in response.headers.items()}
                body = response.read()
        except urllib.error.HTTPError as error:
            return error.code, {"Content-Type": "text/plain"}, error.read()
        if self.edit is None or "text/csv" not in headers.get("Content-Type", ""):
            return 200, self._own(headers), body
        parts = urlsplit(target)
        names, words, unedited = _read(body)
        rows = [dict(zip(names, each, strict=True)) for each in words]
        rows = self.edit(parts.path, dict(parse_qsl(parts.query)), rows)
        if isinstance(rows, int):
            return rows, {"Content-Type": "text/plain"}, b"Something went wrong."
        if rows is None:
            return 472, {"Content-Type": "text/plain"}, b"No data for the specified timeframe & contract."
        edited = [tuple(row[name] for name in names) for row in rows]
        return 200, self._own(headers), unedited if edited == words else _written(names, edited)

    def _own(self, headers: dict[str, str]) -> dict[str, str]:
        """Return the headers a client needs, with further pages to be asked here too."""
        return {
            name: value.replace(self.upstream, self.url)
            for name, value in headers.items()
            if name in {"Content-Type", "Next-Page"}
        }


@functools.lru_cache(maxsize=16)  # what terminals answer to one test they answer to many
def _read(body: bytes) -> tuple[Words, list[Words], bytes]:
    """Return a table's names and rows, and how it is written here."""
    names, *rows = map(tuple, csv.reader(io.StringIO(body.decode(), newline="")))
    return names, rows, _written(names, rows)


def _written(names: Words, rows: list[Words]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([names, *rows])
    return text.getvalue().encode()


@contextmanager
def restating(upstream: str) -> Iterator[Restater]:
    """Run a proxy before *upstream* for the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = restater.answer(self.path)
            with suppress(ConnectionError):  # whoever asked may be gone
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        restater = Restater(upstream, server.server_address[1])
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield restater
        server.shutdown()


def is_history(path: str) -> bool:
    """Whether a request asks for greeks, of either API."""
    return "greeks" in path


def expiration_of(query: dict[str, str]) -> str:
    """Return the expiration a request asks for as an ISO date, in either API's spelling."""
    text = query.get("expiration") or query.get("exp") or ""
    return text if "-" in text else f"{text[:4]}-{text[4:6]}-{text[6:]}"


def cells(root: str, expiration: str, changes: dict[tuple[int, str], str]) -> Edit:
    """Return an edit of single cells of one chain: (row of the answer, column) and the new text."""

    def edit(path: str, query: dict[str, str], rows: Rows) -> Rows:
        asked = query.get("symbol") or query.get("root")
        if is_history(path) and (asked, expiration_of(query)) == (root, expiration):
            for (number, column), text in changes.items():
                rows[number][column] = text
        return rows

    return edit


def is_single(path: str, query: dict[str, str]) -> bool:
    """Whether a request asks for one contract, of either API."""
    return "bulk" not in path and query.get("strike", "*") != "*"


def contract_of(row: dict[str, str]) -> str:
    """Return the contract of a row of either API: like C 4700."""
    strike = float(row["strike"]) / (1000 if "root" in row else 1)
    return f"{row['right'].strip(chr(34))[0]} {strike:g}"


def minute_of(row: dict[str, str]) -> str:
    """Return the time of day of a row of either API: like 10:31."""
    if "ms_of_day" in row:
        minutes = int(row["ms_of_day"]) // 60_000
        return f"{minutes // 60:02}:{minutes % 60:02}"
    return row["timestamp"].strip('"')[11:16]
