"""The dates that a person names: days, months, years, ranges, the recent past, or several of these."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from spx_data.errors import DateValidationError

# Trading dates, and every stamp of the data, are New York's.
ZONE = "America/New_York"

FORMS = "2024-01-02, 2024-01, 2024, 2024-01-02..2024-02-01, or several of these with commas between"
RELATIVE_FORMS = f'{FORMS}; today, yesterday, or in quotes "last 30 days", "last 20 sessions", "this year"'

_FORM = re.compile(r"(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2}))?)?", re.ASCII)
_RELATIVE = re.compile(r"last( (?P<count>[1-9]\d{0,3}))? (?P<unit>day|week|month|year|session)s?", re.ASCII)
_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


@dataclass(frozen=True)
class Now:
    """What words for the recent past hang on: *today*, and where the last so many sessions begin and end."""

    today: dt.date  # in New York
    sessions: Callable[[int], tuple[dt.date, dt.date]]


@dataclass(frozen=True)
class Dates:
    """A set of calendar dates as ranges, both ends inclusive."""

    ranges: tuple[tuple[dt.date, dt.date], ...]

    @classmethod
    def of(cls, words: str | Iterable[str], now: Now | None = None) -> Dates:
        """The dates that *words* name; each word has one of the `FORMS`.

        With *now* the `RELATIVE_FORMS` are understood too: "last 30 days" are the thirty dates up to and
        including today, "last 2 months" begin on the same day two months ago, and "last 20 sessions" are the
        newest that the exchange has closed.

        Raises:
            DateValidationError: a word names no date.
        """
        parts = words.split(",") if isinstance(words, str) else words
        return cls(tuple(_range(part.strip(), now) for part in parts))

    @classmethod
    def together(cls, several: Iterable[Dates]) -> Dates:
        """All dates of *several*."""
        return cls(tuple(part for dates in several for part in dates.ranges))

    def __contains__(self, date: dt.date) -> bool:
        return any(first <= date <= last for first, last in self.ranges)

    @property
    def first(self) -> dt.date:
        """The earliest of the dates."""
        return min(first for first, _ in self.ranges)

    @property
    def last(self) -> dt.date:
        """The latest of the dates."""
        return max(last for _, last in self.ranges)

    @property
    def single(self) -> list[dt.date]:
        """The dates that were named one by one, and not as part of a range."""
        return [first for first, last in self.ranges if first == last]

    @property
    def words(self) -> list[str]:
        """The same as words that `of` understands, a range each."""
        return [f"{first}..{last}" if first < last else f"{first}" for first, last in self.ranges]


def _range(word: str, now: Now | None) -> tuple[dt.date, dt.date]:
    if now is not None and (found := _relative(word.lower(), now)):
        return found
    first, dots, last = word.partition("..")
    found = (_span(first, word, now)[0], _span(last, word, now)[1]) if dots else _span(word, word, now)
    if found[0] > found[1]:
        raise _invalid(word, "ends before it begins", now)
    return found


def _relative(word: str, now: Now) -> tuple[dt.date, dt.date] | None:
    """The range that a word for the recent past means; None where it is none."""
    today = now.today
    match word:
        case "today":
            return today, today
        case "yesterday":
            return today - dt.timedelta(1), today - dt.timedelta(1)
        case "this week":
            return today - dt.timedelta(today.weekday()), today
        case "this month":
            return today.replace(day=1), today
        case "this year":
            return today.replace(month=1, day=1), today
    told = _RELATIVE.fullmatch(word)
    if told is None:
        return None
    count, unit = int(told["count"] or 1), told["unit"]
    if unit == "session":
        return now.sessions(count)
    if unit in _DAYS:
        return today - dt.timedelta(count * _DAYS[unit] - 1), today
    return _months_before(today, count * _MONTHS[unit]), today


def _months_before(date: dt.date, months: int) -> dt.date:
    """The same day so many months ago, or the last one of that month where it is shorter."""
    year, month = divmod(date.year * 12 + date.month - 1 - months, 12)
    if year < 1:
        return dt.date.min
    return dt.date(year, month + 1, min(date.day, calendar.monthrange(year, month + 1)[1]))


def _span(text: str, word: str, now: Now | None) -> tuple[dt.date, dt.date]:
    """The first and the last date of a year, a month or a day."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise _invalid(word, "is no date", now)
    year, month, day = (int(part) if (part := match[name]) else None for name in ("year", "month", "day"))
    try:
        # No day is not the day 0.
        first = dt.date(year or 0, 1 if month is None else month, 1 if day is None else day)
        last_month = 12 if month is None else month
        last_day = calendar.monthrange(first.year, last_month)[1] if day is None else day
        return first, dt.date(first.year, last_month, last_day)
    except (ValueError, calendar.IllegalMonthError) as error:
        raise _invalid(word, "is not in the calendar", now) from error


def _invalid(word: str, finding: str, now: Now | None) -> DateValidationError:
    forms = FORMS if now is None else RELATIVE_FORMS
    return DateValidationError(
        f"dates: {word!r} {finding}", cure=f"Write {forms}", reason=f"{word!r} {finding}"
    )
