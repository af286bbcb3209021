"""When options are settled: at the open of their expiration, or at its close, which is early on half days.

Half days follow a rule of the New York Stock Exchange, whose hours all of them go by: it closes at one
o'clock on the day before Independence Day and on Christmas Eve, where these are sessions of the week before
the holiday itself, and on the day after Thanksgiving (Rule 7.2 and its calendars; tests hold it against the
exchange's calendar from 2012 on).
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from spx_data.market.dates import ZONE

_ZONE = ZoneInfo(ZONE)
OPEN, CLOSE, EARLY_CLOSE = dt.time(9, 30), dt.time(16), dt.time(13)
_MONDAY, _THURSDAY, _FRIDAY = 0, 3, 4


def settled_ms(expiration: dt.date, *, at_the_open: bool) -> int:
    """The moment at which contracts of an *expiration* are settled, in ms since the epoch."""
    close = EARLY_CLOSE if is_half_day(expiration) else CLOSE
    moment = dt.datetime.combine(expiration, OPEN if at_the_open else close, _ZONE)
    return int(moment.timestamp()) * 1000


def is_half_day(date: dt.date) -> bool:
    """Whether the exchange closes early on a *date* that is a session."""
    before_holiday = (date.month, date.day) in ((7, 3), (12, 24))
    if before_holiday:
        return _MONDAY <= date.weekday() <= _THURSDAY
    return date.month == 11 and date.weekday() == _FRIDAY and 23 <= date.day <= 29
