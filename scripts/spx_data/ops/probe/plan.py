"""Which days and chains a probe asks about: chosen by rules, so that a replay of it is asked the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from spx_data.market.chains import Chain, true_expiration
from spx_data.market.dates import ZONE
from spx_data.market.products import Product, settles_at_the_open
from spx_data.market.sessions import Session
from spx_data.market.window import Window
from spx_data.settings import Settings

LOOKED_BACK_DAYS = 400  # every kind of day is among them
_SETTLED_DAYS = 14  # what is older was published, whatever the source
_SUNDAY = 6
_NEW_YORK = ZoneInfo(ZONE)
# Wider than the regular hours: what comes before 09:30 and after 16:00 shows where days begin and end.
_WIDE = (dt.time(9), dt.time(16, 30))
_COARSE = "1h"  # for whoever only wants to know whether there is anything


@dataclass(frozen=True)
class Days:
    """The days that are asked about; None where there was none of the kind."""

    ordinary: dt.date | None
    half: dt.date | None
    third_friday: dt.date | None
    before_clocks: dt.date | None  # the last session before New York's clocks change
    last: dt.date | None  # finished session
    today: dt.date | None  # where it is a session that is not finished
    closed: dt.date | None  # a Sunday

    @classmethod
    def of(
        cls, sessions: Sequence[Session], moment: dt.datetime, own: Iterable[dt.date], product: Product
    ) -> Days:
        """The days among *sessions* at *moment*, by which options of *product* are over or not.

        The ordinary one is the latest that is long published; one of the main root's *own* expiration dates
        where there is any.
        """
        finished = [session for session in sessions if session.options_close(product) <= moment]
        today = moment.astimezone(_NEW_YORK).date()
        settled = [session for session in finished if (today - session.date).days >= _SETTLED_DAYS]
        changes = {_before_change(session.date, sessions) for session in settled} - {None}
        usual = [
            session.date
            for session in settled
            if not session.early_close and not _is_third_friday(session.date) and session.date not in changes
        ]
        expiring = sorted(set(own).intersection(usual))
        ordinary = _last(expiring) or _last(usual)
        return cls(
            ordinary=ordinary,
            half=_last(session.date for session in settled if session.early_close),
            third_friday=_last(session.date for session in settled if _is_third_friday(session.date)),
            before_clocks=_last(date for date in changes if date),
            last=_last(session.date for session in finished),
            today=_last(each.date for each in sessions if each.date == today and each not in finished),
            closed=ordinary and ordinary - dt.timedelta(days=(ordinary.weekday() - _SUNDAY) % 7),
        )


def _last(dates: Iterable[dt.date]) -> dt.date | None:
    return max(dates, default=None)


def _is_third_friday(date: dt.date) -> bool:
    return date.weekday() == 4 and 15 <= date.day <= 21


def third_friday_from(date: dt.date) -> dt.date:
    """The first third Friday on *date* or after it."""
    found = date
    while not _is_third_friday(found):
        found += dt.timedelta(days=1)
    return found


def _before_change(date: dt.date, sessions: Sequence[Session]) -> dt.date | None:
    """*date* where New York's clocks change before the session after it, else None."""
    after = next((session.date for session in sessions if session.date > date), None)
    return date if after is not None and _offset(date) != _offset(after) else None


def _offset(date: dt.date) -> dt.timedelta | None:
    return dt.datetime.combine(date, dt.time(12), _NEW_YORK).utcoffset()


def main_root(settings: Settings) -> str:
    """The root of most questions: one whose contracts are quoted to the close of their last day."""
    return next((root for root in settings.roots if not settles_at_the_open(root)), settings.roots[0])


def morning_root(settings: Settings) -> str | None:
    """A root that is settled at the open; None where the lake has none."""
    return next((root for root in settings.roots if settles_at_the_open(root)), None)


@dataclass(frozen=True)
class Chains:
    """The expirations of one root, *listed* as the terminal lists them."""

    root: str
    listed: Sequence[dt.date]

    def expiring(self, date: dt.date) -> Chain | None:
        """The chain that expires on *date* and is quoted to its close."""
        return None if settles_at_the_open(self.root) else self._chain(date, lambda last: last == date)

    def living(self, date: dt.date, days: int = 1) -> Chain | None:
        """The chain of the first expiration that is *days* after *date*, or later."""
        from_ = date + dt.timedelta(days=days)
        return self._chain(date, lambda last: last >= from_)

    def first(self, date: dt.date) -> Chain | None:
        """The chain that expires first, of those that are quoted on *date*."""
        return self.expiring(date) or self.living(date)

    def _chain(self, date: dt.date, wanted: Callable[[dt.date], bool]) -> Chain | None:
        found = ((true_expiration(each), each) for each in self.listed)
        last, listed = min((pair for pair in found if wanted(pair[0])), default=(None, None))
        return Chain(self.root, last, date, listed) if last and listed else None


def wide(window: Window) -> Window:
    """*window* as wide as anything is quoted in the regular hours and beside them."""
    return Window(min(window.start, _WIDE[0]), max(window.end, _WIDE[1]), window.interval)


def coarse(window: Window) -> Window:
    """*window* with a stamp an hour."""
    return Window(window.start, window.end, _COARSE)
