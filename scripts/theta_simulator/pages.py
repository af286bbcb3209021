"""The v2 terminal's pages: one counter, one shelf, and pages that do not wait forever.

The next page of an answer gets its number when the one before it is handed out;
it is taken off the shelf when it is fetched. Once too many wait, old ones go.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from theta_simulator import answers
from theta_simulator.answers import Answer, Paged, Refusal

PATH = "/v2/page/"
_NONE = "null"


@dataclass(frozen=True)
class _Waiting:
    """A page on the shelf: which answer, which place in it, since when."""

    answer: Paged
    place: int
    since: float


class Pages:
    """Hands out the pages of v2 answers."""

    def __init__(
        self, shelf: int, expire_ms: int, latency_ms: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._shelf = shelf
        self._expire = expire_ms / 1000.0
        self._latency = latency_ms
        self._now = now
        self._waiting: dict[int, _Waiting] = {}
        self._last_number = 0

    def first(self, answer: Paged, base_url: str) -> Answer:
        """Return the first page of a fresh answer."""
        return self._hand_out(answer, 0, base_url)

    def fetch(self, number: str, base_url: str) -> Answer:
        """Return the page waiting under *number*."""
        self._forget()
        waiting = self._waiting.pop(int(number), None) if number.isdecimal() else None
        if waiting is None:
            raise Refusal(477, f":No page found: {number}")
        return self._hand_out(waiting.answer, waiting.place, base_url)

    def _hand_out(self, answer: Paged, place: int, base_url: str) -> Answer:
        """Return page *place*, and put the one after it on the shelf."""
        following = _NONE
        if place + 1 < len(answer.pages):
            self._last_number += 1
            self._waiting[self._last_number] = _Waiting(answer, place + 1, self._now())
            self._forget()
            following = f"{base_url}{PATH}{self._last_number}"
        headers = [("latency", str(self._latency)), ("next-page", following)]
        if answer.content_type == answers.CSV:
            disposition = f"attachment; filename={answer.filename};"
            return Answer(
                200,
                answer.content_type,
                (answer.pages[place],),
                (*headers, ("content-disposition", disposition)),
            )
        fields = "null"
        if answer.fields is not None:
            fields = "[" + ", ".join(f'"{name}"' for name in answer.fields) + "]"
        head = (
            f'{{"header": {{"latency_ms": {self._latency}, "format": {fields}, '
            f'"next_page": "{following}"}}, "response": ['
        )
        return Answer(200, answer.content_type, (head.encode(), answer.pages[place], b"]}"), tuple(headers))

    def _forget(self) -> None:
        """Drop pages past their time, but only once the shelf is full."""
        if len(self._waiting) < self._shelf:
            return
        oldest = self._now() - self._expire
        for number in [number for number, page in self._waiting.items() if page.since < oldest]:
            del self._waiting[number]
