"""An expiration that its source does not even list is found by its neighbours."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.quality.expirations import lost_expirations
from theta_simulator import Market, sessions

DATE = dt.date(2024, 1, 18)
TODAY, TOMORROW, LATER = (("SPXW", DATE + dt.timedelta(days)) for days in (0, 1, 8))
MONTHLY = ("SPX", dt.date(2024, 1, 19))


def listed(market, date):
    return {(root, each.label) for root in ("SPX", "SPXW") for each in market.expirations(root, date)}


@pytest.mark.parametrize(
    "before, today, after, lost",
    [
        ({TODAY, TOMORROW, LATER}, {TODAY, TOMORROW, LATER}, None, []),
        ({TODAY, TOMORROW, LATER}, {TODAY, TOMORROW}, None, [LATER]),
        ({TODAY, TOMORROW, LATER}, {TOMORROW}, {TOMORROW, LATER}, [TODAY, LATER]),
        ({TOMORROW}, {TOMORROW, LATER}, {TOMORROW}, []),
        (set(), {TOMORROW}, {TOMORROW, LATER}, []),
    ],
)
def test_what_was_listed_and_has_not_expired_is_lost(before, today, after, lost):
    assert lost_expirations(before, today, after, DATE) == lost


def test_a_monthly_settled_at_the_open_is_not_missed_on_its_own_date():
    monthlies = {MONTHLY, ("SPX", dt.date(2024, 2, 16))}

    assert lost_expirations(monthlies, monthlies - {MONTHLY}, None, MONTHLY[1]) == []
    assert lost_expirations(monthlies, monthlies - {MONTHLY}, None, DATE) == [MONTHLY]


@given(day=st.integers(1, 249), gone=st.integers(0, 100))
def test_any_one_expiration_taken_from_a_listing_is_the_one_that_is_lost(day, gone):
    days = sessions.between(dt.date(2023, 1, 3), dt.date(2024, 1, 31))
    before, today, after = (listed(Market(1, "real"), date) for date in days[day - 1 : day + 2])
    known = sorted(before & today)
    missing = known[gone % len(known)]

    assert lost_expirations(before, today, after, days[day]) == []
    assert lost_expirations(before, today - {missing}, after, days[day]) == [missing]
