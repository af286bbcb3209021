"""The dates that a person names: which sessions they are, and why one of them cannot be had."""

import datetime as dt

import pytest

from spx_data.errors import DateValidationError
from spx_data.lake import calendar, naming
from spx_data.market import sessions
from spx_data.market.dates import Dates

NOON = (2024, 12, 9, 12, 0)  # a Monday


def refused(settings, moment, *dates):
    days = [dt.date.fromisoformat(date) for date in dates]
    return list(naming.refusals(settings, days, moment).values())


@pytest.mark.parametrize(
    "words, meant",
    [
        ("2024-11-28", ["2024-11-28"]),  # a day is meant, whatever it is
        ("2024-11-27..2024-12-01", ["2024-11-27", "2024-11-29"]),
        ("last 5 days", ["2024-12-05", "2024-12-06"]),  # today's session is not finished
        ("today, last week", ["2024-12-03", "2024-12-04", "2024-12-05", "2024-12-06", "2024-12-09"]),
        ("2024-12-05..2099-01-01", ["2024-12-05", "2024-12-06"]),
    ],
)
def test_of_a_range_the_finished_sessions_are_meant(words, meant, lake, at):
    moment = at(*NOON)

    found = naming.named(lake(), sessions.named(words, moment), moment)

    assert [date.isoformat() for date in found] == meant


@pytest.mark.parametrize(
    "words, says",
    [
        ("2024-11-30..2024-12-01", "no session of NYSE from 2024-11-30 to 2024-12-01"),
        ("2024-11-30..2024-12-01", "The nearest sessions are 2024-11-29 and 2024-12-02"),
        ("2024-12-07..2024-12-09", "no session of NYSE from 2024-12-07 to 2024-12-09 is finished"),
        ("0001", "there is no session of NYSE from 0001-01-01 to 0001-12-31"),
        ("9999", "no session of NYSE from 9999-01-01 to 9999-12-31 is finished"),
        ("2025-01", "The last finished session is 2024-12-06"),
    ],
)
def test_a_range_without_a_finished_session_is_refused(words, says, lake, at):
    moment = at(*NOON)

    with pytest.raises(DateValidationError, match=says):
        naming.named(lake(), Dates.of(words), moment)


@pytest.mark.parametrize("date, reasons", [("2012-05-31", 1), ("2012-06-01", 0), ("2016-12-30", 0)])
def test_quotes_begin_before_greeks(date, reasons, lake, at):
    found = refused(lake(records="quotes"), at(*NOON), date)

    assert [one.reason for one in found] == ["before 2012-06-01, when quotes of SPX options begin"] * reasons


@pytest.mark.parametrize(
    "date, what, says",
    [
        ("2024-11-28", "no-session", "Thanksgiving, no session of NYSE"),
        ("2024-03-29", "no-session", "Good Friday, no session of NYSE"),
        ("2024-06-19", "no-session", "Juneteenth, no session of NYSE"),
        ("2018-12-05", "no-session", "a day without trading, no session of NYSE"),
        ("2024-12-08", "no-session", "a Sunday, no session of NYSE"),
        ("2024-12-09", "trading", "not settled yet: it trades until 16:15 New York time"),
        ("2024-12-25", "future", "in the future"),
        ("2016-12-30", "before-greeks", "before 2017-01-03, when greeks of SPX options begin"),
        ("0001-01-01", "before-greeks", "before 2017-01-03, when greeks of SPX options begin"),
        ("9999-12-31", "future", "in the future"),
    ],
)
def test_a_date_that_cannot_be_had_is_refused_with_the_reason(date, what, says, lake, at):
    (found,) = refused(lake(), at(*NOON), date)

    assert (found.what, found.reason) == (what, says)
    assert found.cure


def test_a_date_of_another_century_makes_the_copy_of_the_calendar_no_longer(lake, at):
    settings = lake()

    naming.refusals(settings, [dt.date(1650, 1, 4), dt.date(2024, 1, 2)], at(*NOON))
    known = calendar.known(settings, dt.date(1650, 1, 4), dt.date(2024, 1, 2))

    assert known[0].date == dt.date(1990, 1, 2)


def test_only_the_name_of_a_holiday_loads_the_calendars(lake, at, monkeypatch):
    asked = []
    monkeypatch.setattr(sessions, "holiday", lambda _, date: asked.append(date))

    refused(lake(), at(*NOON), "2024-12-06", "2024-12-07", "2024-12-09", "2024-12-25", "2016-01-04")

    assert asked == []
