"""The dates that a person names: which sessions they are, and why one of them cannot be had."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from spx_data.errors import DateValidationError
from spx_data.lake import calendar
from spx_data.market import columns, sessions
from spx_data.market.dates import Dates
from spx_data.market.sessions import Session
from spx_data.settings import Settings

_DAY = dt.timedelta(1)
_WEEKEND = {5: "a Saturday", 6: "a Sunday"}


class Refusal(NamedTuple):
    """Why a date cannot be had: a word for programs, and for people the reason and what to name instead."""

    what: str  # future, before-greeks, no-session or trading
    reason: str
    cure: str


def named(settings: Settings, dates: Dates, moment: dt.datetime) -> list[dt.date]:
    """The trading dates that a person means by *dates*, in order.

    A date that is named by itself is one of them, session or not; of a range its finished sessions are.

    Raises:
        DateValidationError: there is no finished session in any range, and no date by itself.
    """
    today, found = sessions.today(moment), set(dates.single)
    for first, last in dates.ranges:
        if first != last:
            known = calendar.known(settings, first, min(last, today))
            found |= {session.date for session in known if _is_finished(settings, session, moment)}
    if not found:
        told = f"no session of {settings.calendar} from {dates.first} to {dates.last} is finished"
        if dates.last < today:
            told = f"there is no session of {settings.calendar} from {dates.first} to {dates.last}"
        cure = _beside(settings, dates.first, dates.last, moment)
        raise DateValidationError(told, cure=cure)
    return sorted(found)


def refusals(settings: Settings, dates: Sequence[dt.date], moment: dt.datetime) -> dict[dt.date, Refusal]:
    """Why those of *dates* cannot be had at *moment* that cannot."""
    within = [date for date in dates if calendar.begins(settings) <= date <= sessions.today(moment)]
    known = calendar.known(settings, min(within), max(within)) if within else []
    by_date = {session.date: session for session in known}
    found = {date: _refusal(settings, date, by_date.get(date), moment) for date in dates}
    return {date: refused for date, refused in found.items() if refused}


def unknown(settings: Settings, date: dt.date, moment: dt.datetime) -> DateValidationError:
    """The error that says why a lake knows nothing of *date*, for the caller to raise."""
    told = f"{date}: outside of processing.start_date and end_date, and never asked for"
    cure = f"`spx-data process {date}` fills it"
    if refused := refusals(settings, [date], moment).get(date):
        told, cure = f"{date}: {refused.reason}", refused.cure
    return DateValidationError(told, cure=cure)


def _refusal(
    settings: Settings, date: dt.date, session: Session | None, moment: dt.datetime
) -> Refusal | None:
    if date > sessions.today(moment):
        return Refusal("future", "in the future", _last_finished(settings, moment))
    if date < (since := calendar.begins(settings)):
        what = "quotes" if settings.records == columns.QUOTES else "greeks"
        reason = f"before {since}, when {what} of {settings.product.title} begin"
        return Refusal("before-greeks", reason, f"Name {since} or later")
    if session is None:
        # What a holiday is called takes long to find out, so only what is refused is looked up.
        why = _WEEKEND.get(date.weekday()) or sessions.holiday(settings.calendar, date)
        reason = f"{why or 'a day without trading'}, no session of {settings.calendar}"
        return Refusal("no-session", reason, _beside(settings, date, date, moment))
    if not _is_finished(settings, session, moment):
        closes = session.options_close(settings.product)
        reason = f"not settled yet: it trades until {closes:%H:%M} New York time"
        return Refusal("trading", reason, _last_finished(settings, moment))
    return None


def _is_finished(settings: Settings, session: Session, moment: dt.datetime) -> bool:
    return moment >= session.options_close(settings.product)


def _last_finished(settings: Settings, moment: dt.datetime) -> str:
    today = sessions.today(moment)
    known = calendar.known(settings, today - calendar.LONGEST_BREAK, today)
    finished = [session.date for session in known if _is_finished(settings, session, moment)]
    return f"The last finished session is {finished[-1]}" if finished else "Name a trading date"


def _beside(settings: Settings, first: dt.date, last: dt.date, moment: dt.datetime) -> str:
    """The sessions before *first* and after *last*, of which the latter is finished at *moment*."""
    today = sessions.today(moment)
    if first < calendar.FIRST or last >= today:
        return _last_finished(settings, moment)
    before = calendar.known(settings, first - calendar.LONGEST_BREAK, first - _DAY)
    after = calendar.known(settings, last + _DAY, min(last + calendar.LONGEST_BREAK, today))
    finished = [session for session in after if _is_finished(settings, session, moment)]
    if not finished or not before:
        return _last_finished(settings, moment)
    return f"The nearest sessions are {before[-1].date} and {finished[0].date}"
