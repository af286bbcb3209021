"""When a date is traded, and which stamps of it a lake holds: both calendars' hours, and the window.

Session dates are New York dates. Sessions come from the stock exchange's calendar; how much longer options
trade, also on half days, their product says (`products`).
"""

from __future__ import annotations

import datetime as dt
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from spx_data.errors import ConfigurationValidationError
from spx_data.market.dates import ZONE, Dates, Now
from spx_data.market.products import Product

NOW_VARIABLE = "SPX_DATA_NOW"

# The calendar that has the half days right, and the settings' default; sessions are the same in all of them.
STOCKS = "NYSE"

_NEW_YORK = ZoneInfo(ZONE)
_REGULAR_CLOSE = dt.time(16)
_STEPS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000}

OPEN, EARLY_CLOSE = "open", "early_close"
_YEARS = re.compile(r" (?:\d{4}|Before|Starting).*")
_KINDS = (OPEN, EARLY_CLOSE, "full_close", "weekend")


class Window(NamedTuple):
    """The stamps of a session: from *start* to *end*, both inclusive, *step_ms* apart; New York time."""

    start: dt.time
    end: dt.time
    interval: str

    @property
    def step_ms(self) -> int:
        """Milliseconds between two stamps."""
        return int(self.interval[:-1]) * _STEPS_MS[self.interval[-1]]

    @property
    def start_ms(self) -> int:
        """The first stamp, in milliseconds since midnight."""
        return _ms(self.start)

    @property
    def end_ms(self) -> int:
        """The end, in milliseconds since midnight."""
        return _ms(self.end)

    @property
    def stamps(self) -> int:
        """Number of stamps."""
        return (self.end_ms - self.start_ms) // self.step_ms + 1

    def stamp_before(self, ms: int) -> int:
        """The last stamp that is not later than *ms* since midnight (the first one, where all are)."""
        last = min(ms, self.end_ms) - self.start_ms
        return self.start_ms + max(0, last // self.step_ms) * self.step_ms

    def halves(self) -> list[Window]:
        """Two windows that have the same stamps between them; none where there is only one stamp."""
        if self.stamps < 2:
            return []
        middle = self.start_ms + self.stamps // 2 * self.step_ms
        return [
            Window(self.start, _time(middle - self.step_ms), self.interval),
            Window(_time(middle), self.end, self.interval),
        ]


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

    def options_close(self, product: Product) -> dt.datetime:
        """When the options of *product* stop trading that do not expire."""
        return self.closes + product.longer

    def last_stamp(self, window: Window, product: Product, *, expiring: bool) -> dt.datetime:
        """The last stamp of *window* at which a contract is quoted, *expiring* on the date or not."""
        start = dt.datetime.combine(self.date, window.start, _NEW_YORK)
        end = dt.datetime.combine(self.date, window.end, _NEW_YORK)
        closes = self.closes + product.expiring_longer if expiring else self.options_close(product)
        last = min(end, closes)
        step = dt.timedelta(milliseconds=window.step_ms)
        return start + (last - start) // step * step


class VendorHours(NamedTuple):
    """What the vendor's own calendar says about one date (docs/wire.md, 11.4): the stock market's hours.

    In New York time; none where it says that it was closed.
    """

    kind: str  # open, early_close, full_close or weekend
    opens: dt.time | None
    closes: dt.time | None

    def as_json(self) -> dict[str, Any]:
        """The hours as a JSON document."""
        return {
            "type": self.kind,
            "opens": self.opens and self.opens.isoformat(),
            "closes": self.closes and self.closes.isoformat(),
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> VendorHours:
        """The hours in *document*; raises KeyError, TypeError or ValueError where there are none."""
        return cls.of(document["type"], document["opens"], document["closes"])

    @classmethod
    def of(cls, kind: str, opens: str | None, closes: str | None) -> VendorHours:
        """The hours in words of the wire; raises ValueError where they make no sense together."""
        kind = kind.strip().lower().replace("-", "_").replace(" ", "_")
        if kind not in _KINDS:
            raise ValueError(f"{kind!r} is none of {', '.join(_KINDS)}")
        if kind not in (OPEN, EARLY_CLOSE):
            return cls(kind, None, None)
        hours = dt.time.fromisoformat((opens or "").strip()), dt.time.fromisoformat((closes or "").strip())
        if any(hour.tzinfo for hour in hours):
            raise ValueError(f"it opens at {opens} and closes at {closes}, with offsets")
        if not hours[0] < hours[1]:
            raise ValueError(f"it opens at {opens} and closes at {closes}")
        return cls(kind, *hours)


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
        with warnings.catch_warnings():  # the calendars' own, which are nothing to who reads a lake
            warnings.simplefilter("ignore")
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


def holiday(calendar: str, date: dt.date) -> str | None:
    """What the calendar calls the holiday on *date*, as "Thanksgiving"; None where it has no word for it.

    It takes as long as most commands as a whole: the calendars' library is loaded.
    """
    import pandas_market_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rules = pandas_market_calendars.get_calendar(calendar).regular_holidays
        names = [] if rules is None else list(rules.holidays(date, date, return_name=True))
    # Rules of some years say so: "Good Friday 1908+", "Juneteenth Starting at 2022".
    return _YEARS.sub("", names[0]) if names else None


def today(moment: dt.datetime) -> dt.date:
    """The date in New York at *moment*."""
    return moment.astimezone(_NEW_YORK).date()


def named(words: str | Iterable[str], moment: dt.datetime) -> Dates:
    """The dates that *words* name at *moment*, words for the recent past included (`Dates.of`)."""
    return Dates.of(words, Now(today(moment), lambda count: last(count, moment)))


def last(count: int, moment: dt.datetime) -> tuple[dt.date, dt.date]:
    """The first and the last of the *count* newest sessions that the stock market has closed by *moment*."""
    date = today(moment)
    # A year has 250 of them, and no exchange is closed for two weeks.
    closed = [
        session.date
        for session in between(STOCKS, date - dt.timedelta(count * 3 // 2 + 14), date)
        if session.closes <= moment
    ]
    return closed[-count:][0], closed[-1]


def _ms(time: dt.time) -> int:
    return (time.hour * 3600 + time.minute * 60 + time.second) * 1000


def _time(ms: int) -> dt.time:
    return dt.time(ms // 3_600_000, ms // 60_000 % 60, ms // 1000 % 60)
