"""Answers from a recording: what was asked then is answered as it was then, and nothing else is.

The same request asked several times gets the answers in their order, and the last one for ever. How long the
original took and how large it was stands in headers of their own, so that a probe of the replay tells its
figures.
"""

import re
from collections import defaultdict, deque
from dataclasses import replace
from urllib.parse import parse_qsl, unquote

from theta_simulator import answers, sessions
from theta_simulator.answers import Answer
from theta_simulator.faults import Fault, Kind
from theta_simulator.recording import Exchange, Recording
from theta_simulator.settings import Settings

NOT_RECORDED = answers.text("This recording has no answer to that request", 470)

# The names that a probe looks for.
_RECORDED = "x-recorded-"
_FIRST_BYTE, _SECONDS, _BYTES = (_RECORDED + what for what in ("first-byte-seconds", "seconds", "bytes"))
# How a body ends is told by its framing.
_OF_DELIVERY = {"content-length", "transfer-encoding", "connection", "keep-alive", "trailer", "upgrade"}
_NEXT_PAGE = "next-page"
# In the header object of a v2 JSON; a path there, as the header of that name has.
_NEXT_IN_BODY = re.compile(rb'"next_page"\s*:\s*"(?=/)')

Key = tuple[str, frozenset[tuple[str, str]]]


class Replay:
    """The answers that are left of a recording."""

    def __init__(self, recording: Recording) -> None:
        self._api, self.moment = recording.api, recording.now
        self._left: dict[Key, deque[Exchange]] = defaultdict(deque)
        for exchange in recording.exchanges:
            self._left[_key(exchange.request)].append(exchange)

    def as_recorded(self, settings: Settings) -> Settings:
        """Return settings with the API and the date of the recording."""
        today = sessions.today_in_new_york(self.moment)
        return replace(settings, replay=None, api=self._api, today=today)

    def answer(self, target: str, base_url: str) -> Answer | None:
        """Return the next answer to a request of that path and query; None where none was recorded."""
        left = self._left.get(_key(target))
        if left is None:
            return None
        exchange = left.popleft() if len(left) > 1 else left[0]
        if exchange.status == 0:
            return replace(answers.text(""), fault=Fault(Kind.OUTAGE_CLOSED))
        return self._answered(exchange, base_url)

    def _answered(self, exchange: Exchange, base_url: str) -> Answer:
        """Return an answer as it was, but for the address of the terminal, which is this one's."""
        headers = [
            (name, base_url + value if name.lower() == _NEXT_PAGE and value.startswith("/") else value)
            for name, value in exchange.headers
            if name.lower() not in _OF_DELIVERY and not name.lower().startswith(_RECORDED)
        ]
        figures = (exchange.first_byte_seconds, exchange.seconds, exchange.size)
        told = zip((_FIRST_BYTE, _SECONDS, _BYTES), map(str, figures), strict=True)
        body = exchange.body
        if self._api == "v2":
            body = _NEXT_IN_BODY.sub(lambda found: found[0] + base_url.encode(), body, count=1)
        return Answer(exchange.status, "", (body,), (*headers, *told), framing=exchange.framing)


def _key(target: str) -> Key:
    """Return what tells a request from others: its path, and the set of its parameters."""
    path, _, query = target.partition("?")
    return unquote(path), frozenset(parse_qsl(query, keep_blank_values=True))
