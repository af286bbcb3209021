"""The floor under every fill: the same requests over a few keep-alive connections, their bodies thrown away.

    python benchmarks/network_floor.py BASE_URL PATHS [--connections 4]

PATHS is a file with the path and query of a request in every line, as a fill asked them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit


def fetch(url: str, paths: Iterator[str], turn: Lock) -> int:
    """Ask for one of *paths* after the other over one connection; return the bytes that came."""
    connection, buffer, received = HTTPConnection(urlsplit(url).netloc), bytearray(1 << 20), 0
    while True:
        with turn:
            path = next(paths, None)
        if path is None:
            return received
        connection.request("GET", path)
        with connection.getresponse() as response:
            while size := response.readinto(buffer):
                received += size


def main() -> None:
    """Fetch everything; whoever runs this measures it."""
    parser = argparse.ArgumentParser(description="The same requests, thrown away.")
    parser.add_argument("url")
    parser.add_argument("paths", type=Path)
    parser.add_argument("--connections", type=int, default=4)
    given = parser.parse_args()
    paths, turn = iter(given.paths.read_text().splitlines()), Lock()
    with ThreadPoolExecutor(given.connections) as pool:
        received = pool.map(lambda _: fetch(given.url, paths, turn), range(given.connections))
    print(f"{sum(received):,} bytes")


if __name__ == "__main__":
    main()
