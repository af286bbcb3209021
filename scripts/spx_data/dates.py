"""The dates that a person names: a day, a month, a year, a range, or several of these."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass

from spx_data.errors import DateValidationError

FORMS = "2024-01-02, 2024-01, 2024, 2024-01-02..2024-02-01, or several of these with commas between"

_FORM = re.compile(r"(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2}))?)?")


@dataclass(frozen=True)
class Dates:
    """A set of calendar dates as ranges, both ends inclusive."""

    ranges: tuple[tuple[dt.date, dt.date], ...]

    @classmethod
    def of(cls, words: str | Iterable[str]) -> Dates:
        """The dates that *words* name; each word has one of the `FORMS`.

        Raises:
            DateValidationError: a word names no date.
        """
        parts = words.split(",") if isinstance(words, str) else words
        return cls(tuple(_range(part.strip()) for part in parts))

    def __contains__(self, date: dt.date) -> bool:
        return any(first <= date <= last for first, last in self.ranges)

    @property
    def single(self) -> list[dt.date]:
        """The dates that were named one by one, and not as part of a range."""
        return [first for first, last in self.ranges if first == last]


def _range(word: str) -> tuple[dt.date, dt.date]:
    first, dots, last = word.partition("..")
    found = (_span(first, word)[0], _span(last, word)[1]) if dots else _span(word, word)
    if found[0] > found[1]:
        raise _invalid(word, "ends before it begins")
    return found


def _span(text: str, word: str) -> tuple[dt.date, dt.date]:
    """The first and the last date of a year, a month or a day."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise _invalid(word, "is no date")
    year, month, day = (int(part) if (part := match[name]) else None for name in ("year", "month", "day"))
    try:
        first = dt.date(year or 0, month or 1, day or 1)
        last_month = month or 12
        return first, dt.date(first.year, last_month, day or calendar.monthrange(first.year, last_month)[1])
    except (ValueError, calendar.IllegalMonthError) as error:
        raise _invalid(word, "is not in the calendar") from error


def _invalid(word: str, finding: str) -> DateValidationError:
    return DateValidationError(
        f"dates: {word!r} {finding}", cure=f"Write {FORMS}", what="dates", reason=f"{word!r} {finding}"
    )
