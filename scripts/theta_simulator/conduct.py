"""What a terminal of some habits answers instead of data, and for how long.

The market's habits are about what the data are. These are about who asks for what, and some of them are over
after so many questions or after a while: they count for each server.
"""

import gzip
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from theta_simulator import answers, wire_v2, wire_v3
from theta_simulator.answers import Answer
from theta_simulator.faults import Fault
from theta_simulator.faults import Kind as FaultKind
from theta_simulator.habits import Habit, Kind
from theta_simulator.habitual import HabitualMarket, missing_root
from theta_simulator.kinds import V2_HISTORIES, V2_SINGLES, V3_HISTORIES
from theta_simulator.listing import ROOTS
from theta_simulator.pages import Page
from theta_simulator.settings import Settings
from theta_simulator.wire_reports import EOD, FORMS, INTEREST

NO_DATA = "No data for the specified request"
# As one was seen to say it (docs/wire.md, 8).
_NOT_INCLUDED = (
    "Requesting an index endpoint requiring a value subscription, but you only have a FREE subscription."
)
_TIER = "Requesting this endpoint requires a higher subscription"
_RETRY_AFTER = 1
_FIRST = {Kind.BUSY_FIRST: 429, Kind.UNAVAILABLE_FIRST: 503, Kind.STARTING_FIRST: 571}
_WORDS = {
    429: "Too many requests",
    470: "General error",
    500: "Internal server error",
    503: "Service unavailable",
    571: "The server is starting",
}
# No words: a page of bytes that no message should repeat.
_BINARY = bytes(number * 37 % 256 for number in range(1200))
_CHAIN = {
    Kind.CHAIN_500_BINARY: Answer(500, answers.TEXT, (_BINARY,)),
    Kind.CHAIN_500: answers.text(_WORDS[500], 500),
    Kind.CHAIN_470: answers.text(_WORDS[470], 470),
    Kind.CHAIN_NO_DATA_TEXT: answers.text(NO_DATA),
    Kind.CHAIN_NO_DATA_TEXT_CSV: Answer(200, answers.CSV, (NO_DATA.encode(),)),
    Kind.CHAIN_EMPTY_BODY: Answer(200, answers.CSV, ()),
}
_REPORTS = {
    path: {
        none: answers.text("Not found" if path == form.v3 else ":No implementation for the path", 404),
        tier: answers.text(_TIER, 403 if path == form.v3 else 471),
        broken: answers.text(_WORDS[500], 500),
    }
    for form, none, tier, broken in (
        (EOD, Kind.NO_EOD, Kind.EOD_TIER, Kind.EOD_500),
        (INTEREST, Kind.NO_INTEREST, Kind.INTEREST_TIER, Kind.INTEREST_500),
    )
    for path in (form.v3, form.v2)
}
_LISTING = {
    Kind.LISTS_570: answers.text(answers.TOO_MUCH, 570),
    Kind.LISTS_477: answers.text(":No page found", 477),
}
_SINGLES = {
    Kind.SINGLES_500: answers.text(_WORDS[500], 500),
    Kind.SINGLES_429: answers.text(_WORDS[429], 429),
    Kind.SINGLES_RESET: replace(answers.text(""), fault=Fault(FaultKind.RESET)),
}
_PASSING = (Kind.ROOT_MISSING_ONCE, Kind.LISTED_472, Kind.DATE_LATE)

What = Literal["listing", "chain", "single", "report"]


@dataclass(frozen=True)
class Asked:
    """What a data request is about; roots of a listing may be several."""

    what: What
    roots: tuple[str, ...]
    day: date
    expiration: date | None = None
    content_type: str = answers.CSV


# Whoever has these is asked for the same data: they say when those are given, and in which body.
KINDS = frozenset(
    {*_FIRST, *_CHAIN, *_LISTING, *_SINGLES, *(kind for each in _REPORTS.values() for kind in each)}
)


class Conduct:
    """Decides what is answered instead of data; remembers how often, and since when, it was asked."""

    def __init__(
        self, settings: Settings, market: HabitualMarket, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api, self._habits, self._market, self._clock = settings.api, settings.habits, market, clock
        self._today = settings.trading_today
        self._refuses = frozenset(settings.refuses)
        self._arrived = 0
        self._asked: Counter[tuple[object, ...]] = Counter()
        self._since: dict[tuple[object, ...], float] = {}

    @property
    def slow_slots(self) -> bool:
        """Whether a request that nobody waits for keeps its slot."""
        return any(habit.kind == Kind.SLOW_SLOTS for habit in self._habits)

    def greeting(self) -> Answer | None:
        """Count a request of any kind; return what the first ones get."""
        self._arrived += 1
        for habit in self._habits:
            status = _FIRST.get(Kind(habit.kind))
            if status is not None and self._arrived <= habit.times:
                # Busy terminals give a time now and then, unavailable ones always.
                told = status == 503 or (status == 429 and self._arrived % 2 == 0)
                headers = (("retry-after", str(_RETRY_AFTER)),) if told else ()
                return replace(answers.text(_WORDS[status], status), headers=headers)
        return None

    def instead(self, path: str, query: Mapping[str, str]) -> Answer | None:
        """Return what a request gets instead of its answer, or nothing."""
        named = query.get("symbol" if self._api == "v3" else "root", "").split(",")
        if self._refuses.intersection(named):
            return answers.text(_NOT_INCLUDED, 403 if self._api == "v3" else 471)
        for habit in self._habits if path in _REPORTS else ():
            if answer := _REPORTS[path].get(Kind(habit.kind)):
                return answer
        asked = asked_of(self._api, path, query) if self._habits else None
        if asked is None:
            return None
        for habit in self._habits:
            if (habit.day or asked.day) == asked.day and (found := self._of(habit, asked)):
                return found
        return None

    def changed(self, path: str, query: Mapping[str, str], found: Answer | Page) -> Answer | Page:
        """Return a chain's answer with nothing but its header, or compressed, where that is a habit."""
        asked = asked_of(self._api, path, query) if self._habits else None
        if asked and asked.what == "chain":
            for habit in self._habits:
                change = _CHANGED.get(Kind(habit.kind))
                if change and self._is_about(habit, asked):
                    return _changed(found, change)
        return found

    def _of(self, habit: Habit, asked: Asked) -> Answer | None:
        """Return what one habit has to say to a request."""
        kind = Kind(habit.kind)
        if asked.what == "listing" and kind in _LISTING and self._is_about(habit, asked):
            return _LISTING[kind]
        if asked.what == "single" and kind in _SINGLES and self._is_about(habit, asked):
            return _SINGLES[kind]
        if asked.what == "chain" and kind in _CHAIN and self._is_about(habit, asked):
            empty = kind is Kind.CHAIN_EMPTY_BODY
            return replace(_CHAIN[kind], content_type=asked.content_type) if empty else _CHAIN[kind]
        return self._no_data(asked) if self._denies(habit, asked) else None

    def _denies(self, habit: Habit, asked: Asked) -> bool:
        """Say whether a habit makes the terminal say that there is no data."""
        if habit.kind == Kind.SINGLES_472:
            return asked.what == "single" and self._is_about(habit, asked)
        if habit.kind == Kind.LISTED_472_ALWAYS:
            return asked.what in ("chain", "single") and self._is_about(habit, asked)
        return habit.kind in _PASSING and self._not_yet(habit, asked)

    def _is_about(self, habit: Habit, asked: Asked) -> bool:
        return self._market.sits(habit, asked.roots[0], asked.day, asked.expiration)

    def _not_yet(self, habit: Habit, asked: Asked) -> bool:
        """Say whether a habit that passes is not over yet; count the question."""
        if habit.kind == Kind.ROOT_MISSING_ONCE:
            about = asked.what == "listing" and asked.roots == (missing_root(habit),)
            return about and self._within(habit, asked, 1)
        if habit.kind == Kind.LISTED_472:
            about = asked.what in ("chain", "single") and self._is_about(habit, asked)
            return about and self._within(habit, asked, habit.times)
        if not self._is_about(habit, asked):
            return False
        if habit.days is not None:
            return (self._today() - asked.day).days < habit.days
        # A root's day comes with its listing; who asks for rows, or the report, does not make it come.
        listing = asked.what == "listing"
        each = [replace(asked, roots=(root,), expiration=None) for root in asked.roots]
        withheld = [self._within(habit, one, habit.times, count=listing) for one in each]
        return any(withheld)

    def _within(self, habit: Habit, asked: Asked, times: int, count: bool = True) -> bool:
        """Say whether a question is one of the first, or asked soon after the first."""
        key = (habit, asked.roots, asked.day, asked.expiration)
        self._asked[key] += count
        since = self._since.setdefault(key, self._clock())
        if habit.for_seconds is not None:
            return self._clock() - since < habit.for_seconds
        return self._asked[key] <= times

    def _no_data(self, asked: Asked) -> Answer:
        """Return this terminal's own way to say that there is nothing."""
        if self._api == "v3":
            return answers.text(answers.V3_NO_DATA, 472)
        listing = asked.what == "listing"
        return answers.text(
            answers.V2_NO_CONTRACTS.format(date=asked.day) if listing else answers.V2_NO_DATA, 472
        )


def asked_of(api: str, path: str, query: Mapping[str, str]) -> Asked | None:
    """Return what a request for a listing, for history or for a report is about; None for any other."""
    whats: dict[str, What] = {
        wire_v3.QUOTED: "listing",
        wire_v3.TRADED: "listing",
        **dict.fromkeys(V3_HISTORIES, "chain"),
        **{path: "report" for form in FORMS for path in (form.v3, form.v2)},
        wire_v2.QUOTED: "listing",
        wire_v2.TRADED: "listing",
        **dict.fromkeys(V2_HISTORIES, "chain"),
        **dict.fromkeys(V2_SINGLES, "single"),
    }
    what = whats.get(path)
    if what is None:
        return None
    if what == "chain" and api == "v3" and query.get("strike", "*") not in ("", "*"):
        what = "single"
    root, label = ("symbol", "expiration") if api == "v3" else ("root", "exp")
    try:
        day = date.fromisoformat(query.get("date") or query["start_date"])
        whole = query.get(label, "*") in ("*", "0")
        expiration = None if what == "listing" or whole else date.fromisoformat(query[label])
    except (KeyError, ValueError):
        # What makes no sense is refused as it always is.
        return None
    roots = tuple(query.get(root, "").split(","))
    named = roots if roots not in (("",), ("*",)) else tuple(ROOTS)
    return Asked(what, named, day, expiration, _content_type(api, query))


def _content_type(api: str, query: Mapping[str, str]) -> str:
    """Return the type of the answer that a request would get."""
    if api == "v3":
        return answers.V3_TYPES.get(query.get("format") or "csv", answers.CSV)
    return answers.CSV if query.get("use_csv", "").lower() in ("true", "1") else answers.JSON


def _changed(found: Answer | Page, change: Callable[[str, bytes, bytes], bytes]) -> Answer | Page:
    """Return an answer with another body; of a v2 answer no more than its first page comes."""
    if isinstance(found, Page):
        first = change(found.answer.content_type, found.answer.pages[0], b"")
        return replace(found, answer=replace(found.answer, pages=(first,)))
    body = change(found.content_type, b"".join(found.body), b'{"response":[]}')
    return replace(found, body=(body,)) if found.status == 200 else found


def _emptied(content_type: str, body: bytes, nothing: bytes) -> bytes:
    """Return a body without its rows; *nothing* is what is left of a JSON."""
    if content_type == answers.CSV:
        return body[: body.index(b"\n") + 1]
    return b"" if content_type == answers.NDJSON else nothing


_CHANGED: dict[Kind, Callable[[str, bytes, bytes], bytes]] = {
    Kind.CHAIN_HEADER_ALONE: _emptied,
    Kind.CHAIN_GZIP: lambda _, body, __: gzip.compress(body, mtime=0),
}
