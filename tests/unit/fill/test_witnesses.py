"""An expiration that its source does not even list is found by its neighbours."""

import datetime as dt
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.errors import ApiResponseInvalidError
from spx_data.fill.witnesses import is_live, lost_expirations, steady, unlisted
from spx_data.market import products
from spx_data.market.chains import Chain, ListedChain, Reported
from theta_simulator import Market, lists, sessions

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
    assert lost_expirations(products.DEFAULT, before, today, after, DATE) == lost


def test_a_monthly_settled_at_the_open_is_not_missed_on_its_own_date():
    monthlies = {MONTHLY, ("SPX", dt.date(2024, 2, 16))}

    assert lost_expirations(products.DEFAULT, monthlies, monthlies - {MONTHLY}, None, MONTHLY[1]) == []
    assert lost_expirations(products.DEFAULT, monthlies, monthlies - {MONTHLY}, None, DATE) == [MONTHLY]


@given(day=st.integers(1, 249), gone=st.integers(0, 100))
def test_any_one_expiration_taken_from_a_listing_is_the_one_that_is_lost(day, gone):
    days = sessions.between(dt.date(2023, 1, 3), dt.date(2024, 1, 31))
    before, today, after = (listed(Market(1, "real"), date) for date in days[day - 1 : day + 2])
    known = sorted(before & today)
    missing = known[gone % len(known)]

    assert lost_expirations(products.DEFAULT, before, today, after, days[day]) == []
    assert lost_expirations(products.DEFAULT, before, today - {missing}, after, days[day]) == [missing]


# What the terminal's own list has -----------------------------------------------------------------------


def days_after(*numbers):
    return [DATE + dt.timedelta(number) for number in numbers]


@pytest.mark.parametrize(
    "entries, gone, lost",
    [
        ([0, 1, 4, 5, 6, 8], [0], [0]),
        ([0, 1, 4, 5, 6, 8], [0, 1], [0, 1]),
        ([0, 1, 4, 5, 6, 8], [1, 4, 5], [1, 4, 5]),  # a wide hole
        ([0, 1, 17], [1], [1]),
        ([0, 1], [1], [1]),
        ([0, 1, 8, 400], [400], []),  # not listed yet
        ([0, 1, 4, 5, 6, 7, 8, 9], [5, 6, 7, 8, 9], []),  # the near ones end there
        ([0, 7, 14, 21, 28, 35, 42, 49, 56, 63], [21], [21]),
        ([0, 7, 14, 21, 28, 35, 42, 72, 103, 133, 164, 194], [42], []),  # weeklies end, month ends go on
    ],
)
def test_a_hole_among_what_is_listed_is_suspicious(entries, gone, lost):
    live = days_after(*entries)

    assert unlisted(live, set(live) - set(days_after(*gone)), DATE) == days_after(*lost)


@pytest.mark.parametrize("later", [0, 1, 30, 4000], ids="{} days later".format)
@given(day=st.integers(0, 499))
def test_no_list_of_expirations_doubts_a_whole_listing(later, day):
    date = sessions.between(dt.date(2022, 6, 1), dt.date(2024, 6, 30))[day]
    for root in ("SPX", "SPXW"):
        entries = lists.expirations(root, date + dt.timedelta(later))
        live = [each for each in entries if is_live(products.DEFAULT, date, root, each)]
        today = {each for name, each in listed(Market(1, "real"), date) if name == root}

        assert unlisted(live, today, date) == []


# Reports of the day ---------------------------------------------------------------------------------------


def report(number, **left_out):
    """Return a report that names one chain, by its *number*."""
    expiration = DATE + dt.timedelta(number)
    reasons = {reason.replace("_", "-"): rows for reason, rows in left_out.items()}
    return Reported((ListedChain(Chain("SPXW", expiration, DATE, expiration), (4700.0,), ()),), (), reasons)


@pytest.mark.parametrize(
    "answers, believed, asked",
    [
        ([report(0)], True, 1),
        ([report(0, expired=4)], True, 1),  # as terminals do
        ([report(0, foreign_root=4), report(1)], True, 2),
        ([report(0, foreign_root=4), report(1, expired=2)], True, 2),
        ([report(0, foreign_root=4), report(1, foreign_root=4)], True, 2),
        ([report(0, foreign_root=4), report(1, foreign_root=5), report(2, foreign_root=5)], True, 3),
        ([report(0, foreign_root=4), report(1, foreign_root=5), report(2)], True, 3),
        ([report(0, foreign_root=4), report(1, foreign_root=5), report(2, foreign_root=6)], False, 3),
        ([report(0, right=1), ApiResponseInvalidError("no", cure="", expected="", excerpt="")], False, 1),
    ],
)
def test_a_report_is_believed_once_it_leaves_out_nothing_or_the_same_again(answers, believed, asked):
    turns, line = iter(answers), types.SimpleNamespace(wait_factor=0.0)

    def ask():
        answer = next(turns)
        if isinstance(answer, Exception):
            raise answer
        return answer

    found, is_believed = steady(line, ask)

    assert is_believed is believed
    assert len(found) == asked
    assert found == answers[:asked]
