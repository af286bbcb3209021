"""Bodies of CSV without a last line end: some are spelt so, and those that are cut may look so."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

_TAIL = 1 << 16  # bytes: with the length they tell two cuts of one body apart


class Unended:
    """What one connection has seen of such bodies: they are believed once one has come twice alike.

    A body that is cut before a line end, or within its last number, reads like a whole one. Cuts differ from
    try to try; whoever never ends a last line sends the same again. From then on that is the terminal's way.
    """

    def __init__(self, *, expected: bool = False) -> None:
        """Where that is *expected*, the terminal was seen to be so."""
        self._seen: dict[str, tuple[int, str]] = {}
        self._is_habit = expected

    def is_believed(self, url: str, body: BinaryIO) -> bool:
        """Whether the *body* that *url* was answered with is whole; its position is kept."""
        at, size = body.tell(), body.seek(0, 2)
        body.seek(max(0, size - _TAIL))
        found = size, hashlib.sha256(body.read()).hexdigest()
        body.seek(at)
        self._is_habit = self._is_habit or self._seen.get(url) == found
        self._seen[url] = found
        return self._is_habit
