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
class Page:
    """One page: which answer, which place in it, what was asked, and the number it waits under."""

    answer: Paged
    place: int
    request: str
    number: int | None = None

    @property
    def identity(self) -> str:
        """What tells this page from others, whatever number it waits under."""
        return f"{self.request}#page={self.place + 1}" if self.place else self.request

    @property
    def has_next(self) -> bool:
        """Whether another page follows."""
        return self.place + 1 < len(self.answer.pages)


class Pages:
    """Hands out the pages of v2 answers."""

    def __init__(
        self, shelf: int, expire_ms: int, latency_ms: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._shelf = shelf
        self._expire = expire_ms / 1000.0
        self._latency = latency_ms
        self._now = now
        self._waiting: dict[int, tuple[Page, float]] = {}
        self._last_number = 0

    def find(self, number: str) -> Page:
        """Return the page waiting under *number*; it stays on the shelf."""
        self._forget()
        waiting = self._waiting.get(int(number)) if number.isdecimal() else None
        if waiting is None:
            raise Refusal(477, f":No page found: {number}")
        return waiting[0]

    def drop(self, page: Page) -> None:
        """Take a page off the shelf."""
        if page.number is not None:
            self._waiting.pop(page.number, None)

    def hand_out(self, page: Page, base_url: str) -> Answer:
        """Return a page taken off the shelf, and put the one after it there."""
        self.drop(page)
        following = _NONE
        if page.has_next:
            self._last_number += 1
            after = Page(page.answer, page.place + 1, page.request, self._last_number)
            self._waiting[self._last_number] = (after, self._now())
            self._forget()
            following = f"{base_url}{PATH}{self._last_number}"
        return self.spelt(page, following)

    def spelt(self, page: Page, following: str) -> Answer:
        """Return a page that names *following* as the next one."""
        answer = page.answer
        headers = [("latency", str(self._latency)), ("next-page", following)]
        if answer.content_type == answers.CSV:
            disposition = f"attachment; filename={answer.filename};"
            return Answer(
                200,
                answer.content_type,
                (answer.pages[page.place],),
                (*headers, ("content-disposition", disposition)),
            )
        fields = "null"
        if answer.fields is not None:
            fields = "[" + ", ".join(f'"{name}"' for name in answer.fields) + "]"
        head = (
            f'{{"header": {{"latency_ms": {self._latency}, "format": {fields}, '
            f'"next_page": "{following}"}}, "response": ['
        )
        return Answer(
            200, answer.content_type, (head.encode(), answer.pages[page.place], b"]}"), tuple(headers)
        )

    def _forget(self) -> None:
        """Drop pages past their time, but only once the shelf is full."""
        if len(self._waiting) < self._shelf:
            return
        oldest = self._now() - self._expire
        for number in [number for number, (_, since) in self._waiting.items() if since < oldest]:
            del self._waiting[number]
