"""When options are settled, against the exchange's calendar."""

import datetime as dt
from zoneinfo import ZoneInfo

import pandas_market_calendars
import pytest

from spx_data.market import expirations

NEW_YORK = ZoneInfo("America/New_York")


def test_half_days_are_those_of_the_exchange():
    schedule = pandas_market_calendars.get_calendar("NYSE").schedule("2012-06-01", "2035-12-31", tz=NEW_YORK)

    found = {day.date() for day in schedule.index if expirations.is_half_day(day.date())}

    early = schedule["market_close"].dt.time < dt.time(16)
    assert found == {day.date() for day in schedule.index[early]}
    assert len(found) > 40


@pytest.mark.parametrize(
    ("expiration", "at_the_open", "moment"),
    [
        ("2024-01-19", True, "2024-01-19T09:30-05:00"),
        ("2024-01-19", False, "2024-01-19T16:00-05:00"),
        ("2024-07-03", False, "2024-07-03T13:00-04:00"),
        ("2023-11-24", False, "2023-11-24T13:00-05:00"),
        ("2023-11-24", True, "2023-11-24T09:30-05:00"),
    ],
)
def test_contracts_are_settled_at_the_open_or_at_the_close_which_is_early_on_half_days(
    expiration, at_the_open, moment
):
    found = expirations.settled_ms(dt.date.fromisoformat(expiration), at_the_open=at_the_open)

    assert found == dt.datetime.fromisoformat(moment).timestamp() * 1000
