"""The exchange calendar: which dates are sessions, when they close, which of them is the last finished one.

Session dates are New York dates. Sessions come from the stock exchange's calendar: index options trade
fifteen minutes longer, also on half days, and what expires that day stops with the stock market.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

from spx_data import vouched
from spx_data.dates import ZONE
from spx_data.errors import ConfigurationValidationError, SpxDataError
from spx_data.settings import Settings, Window

NOW_VARIABLE = "SPX_DATA_NOW"

_NEW_YORK = ZoneInfo(ZONE)
_INDEX_OPTIONS_LONGER = dt.timedelta(minutes=15)
_REGULAR_CLOSE = dt.time(16)
_NEIGHBOURS, _AHEAD = dt.timedelta(31), dt.timedelta(366)


@dataclass(frozen=True, order=True)
class Session:
    """One trading date; *opens* and *closes* are the stock market's, in New York."""

    date: dt.date
    opens: dt.datetime
    closes: dt.datetime

    @classmethod
    def of_hours(cls, hours: Sequence[str]) -> Session | None:
        """The session of `hours`; None where there are none."""
        if not hours:
            return None
        opens, closes = (dt.datetime.fromisoformat(text).astimezone(_NEW_YORK) for text in hours)
        return cls(opens.date(), opens, closes)

    @property
    def hours(self) -> tuple[str, str]:
        """Opening and closing as ISO 8601 text, to hand a session to another process."""
        return self.opens.isoformat(), self.closes.isoformat()

    @property
    def early_close(self) -> bool:
        """Whether it is a half day."""
        return self.closes.timetz().replace(tzinfo=None) < _REGULAR_CLOSE

    @property
    def options_close(self) -> dt.datetime:
        """When index options stop trading (13:15 on half days, else 16:15)."""
        return self.closes + _INDEX_OPTIONS_LONGER

    def last_stamp(self, window: Window, *, expiring: bool) -> dt.datetime:
        """The last stamp of *window* at which a contract is quoted; *expiring* ones stop with the stocks."""
        start = dt.datetime.combine(self.date, window.start, _NEW_YORK)
        end = dt.datetime.combine(self.date, window.end, _NEW_YORK)
        last = min(end, self.closes if expiring else self.options_close)
        step = dt.timedelta(milliseconds=window.step_ms)
        return start + (last - start) // step * step


def now(environment: Mapping[str, str] = os.environ) -> dt.datetime:
    """The time, with a zone; tests and replays set it with the variable SPX_DATA_NOW (ISO 8601)."""
    if told := environment.get(NOW_VARIABLE):
        moment = dt.datetime.fromisoformat(told)
        return moment if moment.tzinfo else moment.replace(tzinfo=_NEW_YORK)
    return dt.datetime.now(dt.UTC)


def between(calendar: str, start: dt.date, end: dt.date) -> list[Session]:
    """The sessions from *start* to *end*, both inclusive, in order.

    Raises:
        ConfigurationValidationError: pandas-market-calendars knows no such calendar.
    """
    import pandas_market_calendars

    try:
        schedule = pandas_market_calendars.get_calendar(calendar).schedule(start, end, tz=ZONE)
    except RuntimeError as error:
        raise ConfigurationValidationError(
            f"config: processing.calendar: there is no calendar {calendar!r}",
            cure="Use NYSE, or another name that pandas-market-calendars knows",
            what="processing.calendar",
            reason=str(error),
        ) from error
    return [
        Session(day.date(), opens.to_pydatetime(), closes.to_pydatetime())
        for day, opens, closes in zip(
            schedule.index, schedule["market_open"], schedule["market_close"], strict=True
        )
    ]


def today(moment: dt.datetime) -> dt.date:
    """The date in New York at *moment*."""
    return moment.astimezone(_NEW_YORK).date()


def wanted(settings: Settings, moment: dt.datetime) -> list[Session]:
    """The sessions between the settings' start and end dates, in order; the last one may still be trading."""
    end = min(settings.end_date or today(moment), today(moment))
    return known(settings, settings.start_date, end)


def known(settings: Settings, start: dt.date, end: dt.date) -> list[Session]:
    """The sessions from *start* to *end*, like `between`, from the lake's copy of the calendar where it can.

    The copy vouches for its own bytes and belongs to one release of the calendar's library.

    Raises:
        ConfigurationValidationError: pandas-market-calendars knows no such calendar.
    """
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
        with warnings.catch_warnings():  # the calendars' own, which are nothing to who reads a lake
            warnings.simplefilter("ignore")
            return between(calendar, start, end)
    return [session for session in copy.sessions if start <= session.date <= end]


def known_until(settings: Settings) -> dt.date | None:
    """The last date of the lake's copy of the calendar; None where none is whole and of today's library."""
    copy = _Copy.read(settings.layout.calendar(settings.calendar))
    return copy.end if copy else None


@dataclass(frozen=True)
class _Copy:
    """The sessions of a calendar from *start* to *end*, as one release of its library has them."""

    start: dt.date
    end: dt.date
    release: str
    sessions: Sequence[Session]

    @classmethod
    def of(cls, calendar: str, start: dt.date, end: dt.date) -> _Copy:
        return cls(start, end, _release(), between(calendar, start, end))

    @classmethod
    def read(cls, path: Path) -> _Copy | None:
        """The copy at *path*; None where there is none of today's library."""
        try:
            document = vouched.read(path)
        except SpxDataError:
            return None
        if document["release"] != _release():
            return None
        start, end = (dt.date.fromisoformat(document[name]) for name in ("start", "end"))
        found = [session for hours in document["sessions"] if (session := Session.of_hours(hours))]
        return cls(start, end, document["release"], found)

    def write(self, path: Path) -> None:
        document = {
            "release": self.release,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "sessions": [session.hours for session in self.sessions],
        }
        vouched.write(path, document)


@functools.cache
def _release() -> str:
    return version("pandas-market-calendars")
