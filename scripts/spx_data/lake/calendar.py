"""The lake's copy of the exchange's calendar, and the sessions that it asks for.

To load the calendar's library and have it compute takes longer than most commands take as a whole.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from spx_data.errors import SpxDataError
from spx_data.market import columns, sessions
from spx_data.market.sessions import Session, today
from spx_data.settings import Settings
from spx_data.sources import catalogue
from spx_data.store import seals

LONGEST_BREAK = dt.timedelta(14)  # no exchange is closed for longer

# No source has anything older, and a copy that reaches back for centuries would slow every command.
FIRST = dt.date(1990, 1, 1)
_NEIGHBOURS, _AHEAD = dt.timedelta(31), dt.timedelta(366)


def wanted(settings: Settings, moment: dt.datetime) -> list[Session]:
    """The sessions between the settings' start and end dates, in order; the last one may still be trading.

    None is before what is asked for begins at the source.
    """
    end = min(settings.end_date or today(moment), today(moment))
    return known(settings, max(settings.start_date, begins(settings)), end)


def begins(settings: Settings) -> dt.date:
    """The first session of which the source is known to have what is asked for; else `FIRST`."""
    if settings.records == columns.QUOTES:
        return catalogue.likely(settings.terminal.api).quotes_since or FIRST
    return settings.product.greeks_since.get(catalogue.folder(settings.terminal.api), FIRST)


def known(settings: Settings, start: dt.date, end: dt.date) -> list[Session]:
    """The sessions from *start* to *end*, like `between`, from the lake's copy of the calendar where it can.

    None is before `FIRST`. The copy vouches for its own bytes and belongs to one release of the calendar's
    library.

    Raises:
        ConfigurationValidationError: pandas-market-calendars knows no such calendar.
    """
    start = max(start, FIRST)
    if end < start:
        return []
    path = settings.layout.calendar(settings.calendar)
    copy = _Copy.read(path)
    if copy is None or not (copy.start <= start and end <= copy.end):
        # More than asked for, so that the copy serves the coming days, and neighbours of the first, too.
        copy = _Copy.of(
            settings.calendar,
            min(start - _NEIGHBOURS, copy.start if copy else start),
            max(end + _AHEAD, copy.end if copy else end),
        )
        with suppress(SpxDataError):  # it only saves time
            copy.write(path)
    return [session for session in copy.sessions if start <= session.date <= end]


def remembered(path: Path, calendar: str, start: dt.date, end: dt.date) -> list[Session]:
    """The sessions from *start* to *end*, like `between`, from the copy at *path* where that will do."""
    copy = _Copy.read(path)
    if copy is None or not (copy.start <= start and end <= copy.end):
        return sessions.between(calendar, start, end)
    return [session for session in copy.sessions if start <= session.date <= end]


def known_until(settings: Settings) -> dt.date | None:
    """The last date of the lake's copy of the calendar; None where none is whole and of today's library."""
    copy = _Copy.read(settings.layout.calendar(settings.calendar))
    return copy.end if copy else None


class _Copy(NamedTuple):
    """The sessions of a calendar from *start* to *end*, as one release of its library has them."""

    start: dt.date
    end: dt.date
    release: str
    sessions: Sequence[Session]

    @classmethod
    def of(cls, calendar: str, start: dt.date, end: dt.date) -> _Copy:
        return cls(start, end, _release(), sessions.between(calendar, start, end))

    @classmethod
    def read(cls, path: Path) -> _Copy | None:
        """The copy at *path*; None where there is none of today's library."""
        try:
            document = seals.read_document(path)
        except SpxDataError:
            return None
        if document["release"] != _release():
            return None
        start, end = (dt.date.fromisoformat(document[name]) for name in ("start", "end"))
        found = [session for hours in document["sessions"] if (session := _session(*hours))]
        return cls(start, end, document["release"], found)

    def write(self, path: Path) -> None:
        document = {
            "release": self.release,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "sessions": [session.hours for session in self.sessions],
        }
        seals.write_document(path, document)


@functools.lru_cache(maxsize=1 << 14)  # sixty years; what a process does asks for the copy several times
def _session(*hours: str) -> Session | None:
    return Session.of_hours(hours)


@functools.cache
def _release() -> str:
    return version("pandas-market-calendars")
