"""The listing, against dates everybody knows."""

import json
from datetime import date, timedelta
from itertools import pairwise

import pytest

from theta_simulator import Market, listing, sessions


def labels(root, day):
    return [expiration.label for expiration in listing.expirations(root, day)]


def test_good_friday_moves_the_weekly_to_thursday():
    listed = labels("SPXW", date(2024, 3, 20))

    assert date(2024, 3, 28) in listed
    assert date(2024, 3, 29) not in listed


def test_thanksgiving_has_no_expiration_but_its_neighbours_have():
    listed = labels("SPXW", date(2024, 11, 20))

    assert date(2024, 11, 28) not in listed
    assert {date(2024, 11, 27), date(2024, 11, 29)} <= set(listed)


def test_a_monday_holiday_moves_the_weekly_to_tuesday():
    assert date(2018, 9, 4) in labels("SPXW", date(2018, 8, 31))


def test_the_monthly_is_not_quoted_on_its_last_morning():
    friday = date(2024, 1, 19)

    assert friday in labels("SPX", date(2024, 1, 18))
    assert friday not in labels("SPX", friday)
    assert friday in labels("SPXW", friday)


def test_a_monthly_on_good_friday_is_last_quoted_on_wednesday():
    assert date(2022, 4, 14) in labels("SPX", date(2022, 4, 13))
    assert date(2022, 4, 14) not in labels("SPX", date(2022, 4, 14))


def test_near_expirations_are_monday_wednesday_friday_before_2022():
    day = date(2021, 6, 2)

    near = [label for label in labels("SPXW", day) if label <= day + timedelta(days=26)]

    assert {label.weekday() for label in near} == {0, 2, 4}


def test_every_session_is_an_expiration_since_may_2022():
    day = date(2022, 5, 16)

    near = sessions.between(day, day + timedelta(days=30))

    assert set(near) <= set(labels("SPXW", day))


def test_tuesdays_begin_on_18_april_2022():
    assert date(2022, 4, 19) not in labels("SPXW", date(2022, 4, 14))
    assert date(2022, 4, 19) in labels("SPXW", date(2022, 4, 18))


def test_month_ends_are_listed_a_year_ahead():
    listed = labels("SPXW", date(2024, 1, 2))

    assert {date(2024, 5, 31), date(2024, 8, 30), date(2024, 12, 31)} <= set(listed)


def test_monthlies_are_labelled_saturday_before_2015(samples):
    genuine = json.loads((samples / "v2_list_expirations.AAPL.json").read_text())["response"]

    ours = [int(f"{item.label:%Y%m%d}") for item in listing.all_expirations("SPX")]
    ours = [label for label in ours if 20120616 <= label <= 20241220]

    assert 20140118 in ours
    assert set(ours) <= set(genuine)


@pytest.mark.parametrize("root", listing.ROOTS)
def test_strikes_only_join_a_chain(root):
    expiration = listing.expirations(root, date(2024, 1, 2))[3]
    days = sessions.between(date(2023, 11, 1), date(2024, 1, 4))
    days = [day for day in days if expiration.quoted_on(day)]

    chains = [set(listing.strikes(1, expiration, day)) for day in days]

    assert all(earlier <= later for earlier, later in pairwise(chains))


def test_a_real_date_has_twenty_thousand_contracts():
    market = Market(seed=1, size="real")

    frames = {root: market.contracts(root, date(2024, 1, 2)) for root in listing.ROOTS}

    assert 17_000 < sum(map(len, frames.values())) < 23_000
    assert all(frame["expiration"].value_counts()["count"].max() <= 520 for frame in frames.values())


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_smaller_sizes_are_subsets_with_the_date_itself(size):
    day = date(2024, 1, 2)
    small, real = Market(1, size), Market(1, "real")

    for root in listing.ROOTS:
        assert set(small.expirations(root, day)) <= set(real.expirations(root, day))
        for expiration in small.expirations(root, day):
            assert set(small.strikes(expiration, day)) <= set(real.strikes(expiration, day))
    assert small.expirations("SPXW", day)[0].label == day


@pytest.mark.parametrize("root", listing.EVERY_ROOT)
@pytest.mark.parametrize("day", [date(2019, 3, 5), date(2024, 1, 2), date(2024, 11, 25)])
def test_the_small_size_has_strikes_around_the_level_that_are_listed(root, day):
    small, real = Market(1, "small"), Market(1, "real")

    for expiration in small.expirations(root, day):
        few = small.strikes(expiration, day)
        assert set(few) <= set(real.strikes(expiration, day))
        assert 2 <= len(few) <= 60


def test_nothing_is_listed_on_a_holiday():
    assert Market().expirations("SPXW", date(2024, 3, 29)) == []
    assert Market().contracts("SPX", date(2024, 12, 25)).is_empty()
