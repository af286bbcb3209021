"""What was asked and when: the evidence tests use against a client.

One record for each request, written when it ends, however it ends.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from theta_simulator.faults import identity

# One clock that never steps back, shown as seconds since the epoch.
_EPOCH = time.time() - time.monotonic()


def now() -> float:
    """Return the time in seconds since the epoch."""
    return _EPOCH + time.monotonic()


@dataclass
class Entry:
    """One request, filled in while it is served."""

    n: int
    method: str
    path: str
    query: dict[str, str]
    counted: bool
    in_flight: int
    received: float = field(default_factory=now)
    started: float | None = None
    finished: float | None = None
    status: int | None = None
    bytes: int = 0
    # `sent` whole, `cut` by us, or `vanished`: the client did not stay.
    outcome: str = "vanished"
    # What is asked, whoever asks and when; for a v2 page that is its place in
    # the answer, and `page_of` the request that began it.
    identity: str = ""
    page_of: str | None = None
    fault: str | None = None


class RequestLog:
    """Numbers requests, counts those in flight, keeps and writes their records."""

    def __init__(self, file: Path | None) -> None:
        self._stream: TextIO | None = None
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._stream = file.open("a", encoding="utf-8")
        self._finished: list[Entry] = []
        self._numbered = 0
        self.in_flight = 0
        self.open = 0

    @contextmanager
    def entry(self, method: str, path: str, query: dict[str, str], counted: bool) -> Iterator[Entry]:
        """Record the request served in the block."""
        self._numbered += 1
        self.in_flight += counted
        self.open += 1
        entry = Entry(self._numbered, method, path, query, counted, self.in_flight)
        entry.identity = identity(path, query)
        try:
            yield entry
        finally:
            self.in_flight -= counted
            self.open -= 1
            entry.finished = now()
            self._finished.append(entry)
            if self._stream is not None:
                self._stream.write(json.dumps(asdict(entry)) + "\n")
                self._stream.flush()

    def requests(self) -> list[dict[str, Any]]:
        """Return the records written so far, in order of arrival."""
        return [asdict(entry) for entry in sorted(self._finished, key=lambda entry: entry.n)]

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
