"""How whoever reads a lake names days: words, dates, or several of either."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TypeAlias

from spx_data.errors import DateValidationError
from spx_data.market import sessions
from spx_data.market.dates import RELATIVE_FORMS, Dates

Selection: TypeAlias = str | dt.date | Iterable[str | dt.date] | None


def parsed(dates: Selection) -> Dates | None:
    """The dates that are named; None is every day.

    Raises:
        DateValidationError: *dates* names no date.
    """
    if dates is None:
        return None
    words = [dates] if isinstance(dates, dt.date) else dates
    return sessions.named(words if isinstance(words, str) else map(_word, words), sessions.now())


def _word(word: object) -> str:
    """One date of a selection as text."""
    if isinstance(word, dt.datetime):
        return word.date().isoformat()
    if isinstance(word, dt.date):
        return word.isoformat()
    if isinstance(word, str):
        return word
    raise DateValidationError(f"dates: {word!r} is no date", cure=f"Give dates, or write {RELATIVE_FORMS}")
