"""The exchange calendar: which dates are sessions, when they close, which of them is the last finished one.

Session dates are New York dates. Sessions come from the stock exchange's calendar; how much longer options
trade, also on half days, their product says (`products`).
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from spx_data.errors import ConfigurationValidationError
from spx_data.market.dates import ZONE
from spx_data.market.products import Product
from spx_data.market.window import Window

NOW_VARIABLE = "SPX_DATA_NOW"

_NEW_YORK = ZoneInfo(ZONE)
_REGULAR_CLOSE = dt.time(16)


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
        """When the options of *product* stop trading, but for those that expire and stop with the stocks."""
        return self.closes + product.longer

    def last_stamp(self, window: Window, product: Product, *, expiring: bool) -> dt.datetime:
        """The last stamp of *window* at which a contract is quoted; *expiring* ones stop with the stocks."""
        start = dt.datetime.combine(self.date, window.start, _NEW_YORK)
        end = dt.datetime.combine(self.date, window.end, _NEW_YORK)
        last = min(end, self.closes if expiring else self.options_close(product))
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
