"""A request as a terminal reads it (docs/wire.md, 11.1), or the sentence with which it is refused."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from spx_data.market.sessions import Window

NO_DATA = 472
_OPEN, _CLOSE = dt.time(9, 30), dt.time(16)  # of whoever does not say when
_INTERVAL = re.compile(r"([1-9][0-9]?)([smh])")
_INTERVALS = frozenset(["1s", "5s", "10s", "15s", "30s", "1m", "5m", "10m", "15m", "30m", "1h"])
_FINER = frozenset({"tick", "10ms", "100ms", "500ms"})
_DATE = re.compile(r"[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RIGHTS = {"call": "C", "c": "C", "put": "P", "p": "P", "both": "CP", "*": "CP"}
_A_MONTH = dt.timedelta(31)
# What v2 called them: a terminal of v3 refuses these names, and ignores others that it does not know.
_OF_BEFORE = {"root": "symbol", "exp": "expiration", "ivl": "interval", "use_csv": "format"}
# What would make other numbers of the same quotes, or leave strikes out by the price of the moment.
_OTHER_NUMBERS = ("annual_dividend", "rate_type", "rate_value", "strike_range")


class RefusedError(Exception):
    """A request that is answered with a *status* and a sentence."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status, self.told = status, told


def nothing(told: str) -> RefusedError:
    """What is asked for is not there."""
    return RefusedError(NO_DATA, f"No data found for your request: {told}")


def not_held(told: str) -> RefusedError:
    """What is asked for is none of what the lake holds: to a terminal, no part of the subscription."""
    return RefusedError(HTTPStatus.FORBIDDEN, told)


class Asked(NamedTuple):
    """A question about histories: *listed* is the expiration as it is listed, None for all of them."""

    root: str
    listed: dt.date | None
    first: dt.date
    last: dt.date
    window: Window
    strike: float | None
    rights: str
    max_dte: int | None


@dataclass(frozen=True)
class Query:
    """The parameters of a request by name; unknown names mean nothing."""

    values: Mapping[str, str]

    def check_names(self) -> None:
        """Refuse the names of v2."""
        if old := [name for name in _OF_BEFORE if name in self.values]:
            told = ", ".join(f"{name} is {_OF_BEFORE[name]} now" for name in old)
            raise RefusedError(HTTPStatus.GONE, f"These are parameters of API v2: {told}")

    def get(self, name: str) -> str | None:
        """The value of *name*; None where it is absent or empty."""
        return self.values.get(name) or None

    def required(self, name: str) -> str:
        """The value of *name*."""
        if (value := self.get(name)) is None:
            raise _wrong(f"Missing required parameter: {name}")
        return value

    def date(self, name: str) -> dt.date:
        """The date *name*, with dashes or without."""
        return _date(name, self.required(name))

    def choice(self, name: str, allowed: Mapping[str, str]) -> str:
        """What *name* is, one of *allowed*; the first of them where it is absent."""
        value = self.get(name) or next(iter(allowed))
        if value not in allowed:
            raise _wrong(f"Invalid {name}: {value}; this is answered as {', '.join(allowed)}")
        return value

    def number(self, name: str) -> int | None:
        """The whole number *name*; None where it is absent."""
        value = self.get(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) < 8):
            raise _wrong(f"Invalid {name}: {value}")
        return int(value)

    def symbols(self) -> list[str] | None:
        """The roots that are asked about; None where it is all of them."""
        value = self.get("symbol")
        return None if value in (None, "*") else str(value).split(",")

    def history(self, held: Window, *, whole_dates: bool) -> Asked:
        """The question about histories of a lake that has the stamps of *held*."""
        if self.required("expiration") == "*" and not whole_dates:
            raise _wrong("Cannot specify '*' for the expiration")
        asked = self.contracts(self.window(held))
        if asked.first != asked.last and asked.window.step_ms < 60_000:
            raise _wrong("Bulk history requests are limited to intervals of at least 1 minute.")
        if other := [name for name in _OTHER_NUMBERS if self.get(name)]:
            raise not_held(f"This lake holds what the vendor's defaults gave: leave {', '.join(other)} out")
        return asked

    def contracts(self, window: Window) -> Asked:
        """The question about contracts at the stamps of *window*, or of whole days."""
        listed, (first, last) = self.required("expiration"), self._span()
        if listed == "*" and first != last:
            raise _wrong("Bulk history requests are answered for one date at a time")
        expiration = None if listed == "*" else _date("expiration", listed)
        root, rest = self.required("symbol"), (self._strike(), self._rights(), self.number("max_dte"))
        return Asked(root, expiration, first, last, window, *rest)

    def _span(self) -> tuple[dt.date, dt.date]:
        """The first and the last date; `date` wins over a range."""
        if self.get("date"):
            return (self.date("date"),) * 2
        first, last = self.date("start_date"), self.date("end_date")
        if first > last:
            raise _wrong("Start must be before end")
        if last - first > _A_MONTH:
            raise _wrong("Bulk history requests are limited to no more than 1 month.")
        return first, last

    def window(self, held: Window) -> Window:
        """The stamps that are asked for, each of which is one of *held*'s."""
        told = f"This lake holds stamps every {held.interval} from {held.start} to {held.end}, New York time"
        step = self._step_ms()
        if step is None or step % held.step_ms:
            raise not_held(f"{told}: ask for interval={held.interval}, or a multiple of it")
        start, end = self._clock("start_time"), self._clock("end_time")
        if (start and start < held.start) or (end and end > held.end):
            raise not_held(f"{told}: ask for start_time and end_time within these")
        asked = Window(start or _OPEN, end or min(_CLOSE, held.end), str(self.get("interval")))
        if (asked.start_ms - held.start_ms) % held.step_ms:
            raise not_held(f"{told}: ask for a start_time that is one of them")
        if asked.start > asked.end:
            raise _wrong("Start must be before end")
        return asked

    def _step_ms(self) -> int | None:
        """The ms between two stamps; None where a lake cannot be so fine."""
        value = self.get("interval") or "1s"
        if value in _FINER:
            return None
        if value not in _INTERVALS or not _INTERVAL.fullmatch(value):
            raise _wrong(f"Invalid interval: {value}")
        return Window(_OPEN, _CLOSE, value).step_ms

    def _clock(self, name: str) -> dt.time | None:
        if (value := self.get(name)) is None:
            return None
        try:
            found = dt.time.fromisoformat(value)
        except ValueError:
            raise _wrong(f"Invalid {name}: {value}") from None
        if found.tzinfo or found.microsecond:
            raise _wrong(f"Invalid {name}: {value}")
        return found

    def _strike(self) -> float | None:
        value = self.get("strike") or "*"
        if value == "*":
            return None
        try:
            return float(value)
        except ValueError:
            raise _wrong(f"Invalid strike: {value}") from None

    def _rights(self) -> str:
        value = (self.get("right") or "both").lower()
        if value not in _RIGHTS:
            raise _wrong(f"Invalid right: {value}")
        return _RIGHTS[value]


def _date(name: str, value: str) -> dt.date:
    if value == "*":
        raise _wrong(f"Cannot specify '*' for the {name}")
    try:
        if not _DATE.fullmatch(value):
            raise ValueError
        return dt.date.fromisoformat(value)
    except ValueError:
        raise _wrong(f"Invalid {name}: {value}") from None


def _wrong(told: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, told)
