"""Trading dates: which days the market opens, and when it closes.

The dates are those of the NYSE, which index options follow; an index option
itself trades fifteen minutes longer, unless it expires that day. Times are
milliseconds since midnight in New York.
"""

import warnings
from bisect import bisect_left, bisect_right
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

FIRST = date(2012, 1, 1)
LAST = date(2036, 12, 31)

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
OPEN = 9 * HOUR + 30 * MINUTE
REGULAR_CLOSE = 16 * HOUR
EARLY_CLOSE = 13 * HOUR
AFTER_CLOSE = 15 * MINUTE


def today_in_new_york(moment: datetime | None = None) -> date:
    """Return the date in New York at a moment, the present one unless another is named."""
    zone = ZoneInfo("America/New_York")
    return (moment.astimezone(zone) if moment else datetime.now(zone)).date()


def is_session(day: date) -> bool:
    """Say whether the market opens on *day*."""
    return day in _calendar()[1]


def closes_early(day: date) -> bool:
    """Say whether *day* is a session that ends at 13:00."""
    return day in _calendar()[2]


def close(day: date) -> int:
    """Return when the underlying's session ends on *day*."""
    return EARLY_CLOSE if closes_early(day) else REGULAR_CLOSE


def option_close(day: date, expires_today: bool) -> int:
    """Return the last moment an option is quoted on *day*."""
    return close(day) + (0 if expires_today else AFTER_CLOSE)


def on_or_before(day: date) -> date:
    """Return the last session not after *day*."""
    days = _calendar()[0]
    return days[bisect_right(days, day) - 1]


def before(day: date) -> date:
    """Return the last session earlier than *day*."""
    days = _calendar()[0]
    return days[bisect_left(days, day) - 1]


def on_or_after(day: date) -> date:
    """Return the first session not before *day*."""
    days = _calendar()[0]
    return days[bisect_left(days, day)]


def between(first: date, last: date) -> list[date]:
    """Return the sessions from *first* to *last*, both included."""
    days = _calendar()[0]
    return days[bisect_left(days, first) : bisect_right(days, last)]


@lru_cache(maxsize=1)
def _calendar() -> tuple[list[date], frozenset[date], frozenset[date]]:
    """Return sessions in order, as a set, and those that close early."""
    # Costs two seconds, so it waits until somebody asks for a date.
    import pandas_market_calendars

    with warnings.catch_warnings():
        # Pandas has much to tell the authors of the calendar, nothing to us.
        warnings.simplefilter("ignore")
        exchange = pandas_market_calendars.get_calendar("NYSE")
        schedule = exchange.schedule(FIRST.isoformat(), LAST.isoformat())
        early = frozenset(stamp.date() for stamp in exchange.early_closes(schedule).index)
    days = [stamp.date() for stamp in schedule.index]
    return days, frozenset(days), early
