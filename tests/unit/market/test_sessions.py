"""The exchange calendar against dates written out by hand."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from spx_data.errors import ConfigurationValidationError
from spx_data.lake import calendar
from spx_data.market import products, sessions
from spx_data.market.sessions import Window

pytestmark = pytest.mark.usefixtures("calendar_computed")
NEW_YORK = ZoneInfo("America/New_York")
MINUTES = Window(dt.time(9, 30), dt.time(16), "1m")

# The exchange's own announcements.
HOLIDAYS_2024 = [(1, 1), (1, 15), (2, 19), (3, 29), (5, 27), (6, 19), (7, 4), (9, 2), (11, 28), (12, 25)]
HALF_DAYS_2024 = [(7, 3), (11, 29), (12, 24)]
CLOSED_BESIDES = [dt.date(2018, 12, 5), dt.date(2025, 1, 9)]  # days of mourning

SPX = products.DEFAULT


def session(date):
    (found,) = sessions.between("NYSE", date, date)
    return found


def test_the_sessions_of_2024_are_its_weekdays_without_holidays():
    found = [session.date for session in sessions.between("NYSE", dt.date(2024, 1, 1), dt.date(2024, 12, 31))]

    days = [dt.date(2024, 1, 1) + dt.timedelta(days=offset) for offset in range(366)]
    assert found == [day for day in days if day.weekday() < 5 and (day.month, day.day) not in HOLIDAYS_2024]
    assert len(found) == 252


def test_half_days_of_2024_close_at_one():
    found = sessions.between("NYSE", dt.date(2024, 1, 1), dt.date(2024, 12, 31))

    early = {session.date: session.closes.time() for session in found if session.early_close}
    assert early == {dt.date(2024, *day): dt.time(13) for day in HALF_DAYS_2024}
    assert {session.closes.time() for session in found if not session.early_close} == {dt.time(16)}
    assert {session.opens.time() for session in found} == {dt.time(9, 30)}


@pytest.mark.parametrize("date", CLOSED_BESIDES)
def test_days_of_mourning_are_no_sessions(date):
    assert sessions.between("NYSE", date, date) == []


def test_an_unknown_calendar_is_named():
    with pytest.raises(ConfigurationValidationError, match="no calendar 'MARS'"):
        sessions.between("MARS", dt.date(2024, 1, 2), dt.date(2024, 1, 2))


@pytest.mark.parametrize(
    "date, options_close, living, expiring",
    [
        (dt.date(2024, 1, 2), dt.time(16, 15), dt.time(16), dt.time(16)),
        (dt.date(2024, 7, 3), dt.time(13, 15), dt.time(13, 15), dt.time(13)),
        (dt.date(2024, 12, 24), dt.time(13, 15), dt.time(13, 15), dt.time(13)),
    ],
)
def test_index_options_trade_a_quarter_hour_longer_unless_they_expire(date, options_close, living, expiring):
    found = session(date)

    assert found.options_close(SPX).time() == options_close
    assert found.last_stamp(MINUTES, SPX, expiring=False) == dt.datetime.combine(date, living, NEW_YORK)
    assert found.last_stamp(MINUTES, SPX, expiring=True) == dt.datetime.combine(date, expiring, NEW_YORK)


@pytest.mark.parametrize(
    "window, last",
    [
        (Window(dt.time(9, 30), dt.time(16, 15), "1m"), dt.time(16, 15)),
        (Window(dt.time(9, 30), dt.time(16), "1h"), dt.time(15, 30)),
        (Window(dt.time(9, 30), dt.time(12), "30m"), dt.time(12)),
        (Window(dt.time(9, 30, 10), dt.time(16), "30s"), dt.time(15, 59, 40)),
    ],
)
def test_the_last_stamp_lies_on_the_grid(window, last):
    assert session(dt.date(2024, 1, 2)).last_stamp(window, SPX, expiring=False).time() == last


@pytest.mark.parametrize(
    "date, offset", [(dt.date(2024, 3, 8), -5), (dt.date(2024, 3, 11), -4), (dt.date(2024, 11, 4), -5)]
)
def test_hours_are_new_yorks_in_summer_and_winter(date, offset):
    found = session(date)

    assert found.opens.utcoffset() == dt.timedelta(hours=offset)
    assert found.last_stamp(MINUTES, SPX, expiring=False).utcoffset() == dt.timedelta(hours=offset)


# The clock ----------------------------------------------------------------------------------------------


def test_the_clock_is_the_systems_unless_told():
    assert abs(sessions.now({}) - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=5)


@pytest.mark.parametrize(
    "told, moment",
    [
        ("2024-01-02T12:00:00+00:00", dt.datetime(2024, 1, 2, 12, tzinfo=dt.UTC)),
        ("2024-01-02T12:00:00", dt.datetime(2024, 1, 2, 17, tzinfo=dt.UTC)),
        ("2024-07-02", dt.datetime(2024, 7, 2, 4, tzinfo=dt.UTC)),
    ],
)
def test_a_clock_that_is_told_without_zone_is_new_yorks(told, moment):
    assert sessions.now({"SPX_DATA_NOW": told}) == moment


# What is wanted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "clock, last",
    [
        ((2024, 1, 3, 8, 0), 3),  # to begin today
        ((2024, 1, 3, 16, 14), 3),  # still trading
        ((2024, 1, 6, 12, 0), 5),  # a Saturday
        ((2024, 1, 15, 20, 0), 12),  # a holiday after a weekend
    ],
)
def test_sessions_are_wanted_up_to_todays(clock, last, lake, at):
    found = calendar.wanted(lake(start_date="2024-01-02"), at(*clock))

    assert (found[0].date, found[-1].date) == (dt.date(2024, 1, 2), dt.date(2024, 1, last))


def test_nothing_outside_the_dates_is_wanted(lake, at):
    settings = lake(start_date="2024-01-03", end_date="2024-01-08")

    found = [session.date.day for session in calendar.wanted(settings, at(2024, 6, 1, 12, 0))]

    assert found == [3, 4, 5, 8]


@pytest.mark.parametrize("start", ["2024-06-02", "2030-01-01"])
def test_a_start_in_the_future_wants_nothing(start, lake, at):
    assert calendar.wanted(lake(start_date=start), at(2024, 6, 1, 12, 0)) == []


def test_the_date_is_new_yorks_wherever_the_machine_is(lake):
    # Nine in the morning of the 4th in Tokyo: the 3rd has closed in New York.
    moment = dt.datetime(2024, 1, 4, 9, tzinfo=ZoneInfo("Asia/Tokyo"))

    assert calendar.wanted(lake(), moment)[-1].date == dt.date(2024, 1, 3)


def test_a_session_travels_as_text():
    (session,) = sessions.between("NYSE", dt.date(2024, 11, 29), dt.date(2024, 11, 29))

    again = sessions.Session.of_hours(session.hours)

    assert again == session
    assert again.last_stamp(MINUTES, SPX, expiring=False) == session.last_stamp(MINUTES, SPX, expiring=False)
    assert sessions.Session.of_hours(()) is None
