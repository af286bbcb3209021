"""The stock market's hours as a terminal tells them (docs/wire.md, 11.4)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from spx_data.lake import calendar
from spx_data.market import sessions
from spx_data.market.sessions import Session, VendorHours
from spx_data.ops.as_terminal.asking import RefusedError, nothing
from spx_data.ops.as_terminal.held import Held

_AHEAD = dt.timedelta(366)
_FRIDAY = 4
_CLOSED, _WEEKEND = "full_close", "weekend"


def on(date: dt.date, lakes: Sequence[Held]) -> VendorHours:
    """The hours of *date*: the vendor's own where a day was sealed with them, else the stock exchange's."""
    _check(date)
    for held in lakes:
        if (told := _sealed(held, date)) is not None:
            return told
    return _of(date, lakes[0].session(date))


def _sealed(held: Held, date: dt.date) -> VendorHours | None:
    try:
        told = held.day(date).vendor
        return VendorHours.of_json(told) if told else None
    except (RefusedError, KeyError, TypeError, ValueError):  # it is not sealed, or tells none
        return None


def holidays(year: int, held: Held) -> list[tuple[dt.date, VendorHours]]:
    """The weekdays of *year* on which stocks are not traded, or not for long."""
    first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
    _check(first)
    _check(last)
    found = {session.date: session for session in held.sessions(first, last)}
    days = (first + dt.timedelta(number) for number in range((last - first).days + 1))
    hours = [(day, _of(day, found.get(day))) for day in days]
    return [(day, told) for day, told in hours if told.kind in (_CLOSED, sessions.EARLY_CLOSE)]


def _of(date: dt.date, session: Session | None) -> VendorHours:
    if session is None:
        return VendorHours(_WEEKEND if date.weekday() > _FRIDAY else _CLOSED, None, None)
    kind = sessions.EARLY_CLOSE if session.early_close else sessions.OPEN
    opens, closes = (moment.time() for moment in (session.opens, session.closes))
    return VendorHours(kind, opens, closes)


def _check(date: dt.date) -> None:
    """Refuse what no calendar can tell."""
    until = sessions.today(sessions.now()) + _AHEAD
    if not calendar.FIRST <= date <= until:
        raise nothing(f"the calendar goes from {calendar.FIRST} to {until}")


def table(told: Sequence[VendorHours]) -> pl.DataFrame:
    """Hours with the columns of a calendar's answer."""
    columns = {
        "type": [each.kind for each in told],
        "open": [each.opens and each.opens.isoformat() for each in told],
        "close": [each.closes and each.closes.isoformat() for each in told],
    }
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
