"""Read query parameters into real types; refuse what a terminal refuses.

Unknown names are ignored, as both terminals do.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from theta_simulator import sessions
from theta_simulator.answers import Refusal

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?")
_RIGHTS = {"call": ("C",), "c": ("C",), "put": ("P",), "p": ("P",), "both": ("C", "P"), "*": ("C", "P")}
_TRUE = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Arguments:
    """One request's parameters and the status that refuses a bad one."""

    query: Mapping[str, str]
    refused: int

    def refuse(self, sentence: str) -> Refusal:
        """Return the refusal of these arguments."""
        return Refusal(self.refused, sentence)

    def required(self, name: str) -> str:
        """Return the value of *name*, which must be there."""
        value = self.query.get(name, "")
        if not value:
            raise self.refuse(f"Missing required parameter: {name}")
        return value

    def day(self, name: str) -> date:
        """Return a date, written with or without dashes."""
        value = self.required(name)
        if value == "*":
            raise self.refuse("Cannot specify '*' for the date")
        if not re.fullmatch(r"\d{8}|\d{4}-\d{2}-\d{2}", value):
            raise self.refuse(f"Invalid {name}: {value}")
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise self.refuse(f"Invalid {name}: {value}") from None

    def number(self, name: str, default: int | None = None) -> int:
        """Return a whole number."""
        value = self.query.get(name, "") if default is not None else self.required(name)
        if not value and default is not None:
            return default
        if not value.isdecimal():
            raise self.refuse(f"Invalid {name}: {value}")
        return int(value)

    def flag(self, name: str, default: bool) -> bool:
        """Return a boolean."""
        value = self.query.get(name, "")
        if not value:
            return default
        if value.lower() not in _TRUE:
            raise self.refuse(f"Invalid {name}: {value}")
        return _TRUE[value.lower()]

    def clock(self, name: str, default: int) -> int:
        """Return a time of day in milliseconds since midnight."""
        value = self.query.get(name, "")
        if not value:
            return default
        if not (found := _CLOCK.fullmatch(value)):
            raise self.refuse(f"Invalid {name}: {value}")
        hours, minutes, seconds, fraction = found.groups()
        total = int(hours) * sessions.HOUR + int(minutes) * sessions.MINUTE + int(seconds or 0) * 1000
        return total + int((fraction or "0").ljust(3, "0"))

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """Return one of *allowed*, the first if the parameter is missing."""
        value = self.query.get(name, "") or allowed[0]
        if value not in allowed:
            raise self.refuse(f"Invalid {name}: {value}")
        return value

    def strike(self) -> float | None:
        """Return a strike in dollars, None for all of them."""
        value = self.query.get("strike", "*") or "*"
        if value == "*":
            return None
        try:
            return float(value)
        except ValueError:
            raise self.refuse(f"Invalid strike: {value}") from None

    def rights(self) -> tuple[str, ...]:
        """Return the rights asked for."""
        value = self.query.get("right", "both").lower() or "both"
        if value not in _RIGHTS:
            raise self.refuse(f"Invalid right: {value}")
        return _RIGHTS[value]

    def span(self) -> tuple[date, date]:
        """Return the first and the last date asked for; `date` wins over a range."""
        if self.query.get("date"):
            return self.day("date"), self.day("date")
        first, last = self.day("start_date"), self.day("end_date")
        if first > last:
            raise self.refuse("Start must be before end")
        return first, last


def more_than_a_month(first: date, last: date) -> bool:
    """Say whether two dates are more than a month apart."""
    return last - first > timedelta(days=31)
