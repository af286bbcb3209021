"""The underlying's prices of a date: the same whatever the order and the grouping of its records."""

import math

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from spx_data.fill.chunks import Underlying

_STAMPS = st.integers(0, 5).map(lambda minute: minute * 60_000)
_PRICES = st.sampled_from([0.0, 4_700.0, 4_712.5, 4_699.25, 4_750.0, math.nan, None])
RECORDS = st.lists(st.tuples(_STAMPS, st.none() | _STAMPS, _PRICES), max_size=12)


def prices(*records):
    names = ("timestamp", "underlying_timestamp", "underlying_price")
    kinds = dict(zip(names, (pl.Int64, pl.Int64, pl.Float64), strict=True))
    return Underlying.of(pl.DataFrame(records, schema=kinds, orient="row"))


def test_open_and_close_are_the_first_and_the_last_price_in_time():
    found = prices((60_000, 60_000, 11.0), (0, 0, 10.0), (120_000, 120_000, 9.0), (180_000, 180_000, 9.5))

    assert found.as_json() == {"open": 10.0, "high": 11.0, "low": 9.0, "close": 9.5}


def test_a_price_of_zero_is_none_at_all():
    found = prices((0, 0, 0.0), (60_000, 60_000, 10.0), (120_000, 120_000, 12.0), (180_000, 0, 0.0))

    assert found.as_json() == {"open": 10.0, "high": 12.0, "low": 10.0, "close": 12.0}


def test_no_price_is_none():
    assert prices() is None
    assert prices((0, 0, 0.0), (60_000, 0, math.nan), (60_000, 0, math.inf)) is None
    assert Underlying.together([None, None]) is None


@given(RECORDS, st.randoms())
def test_the_order_of_records_does_not_matter(records, chance):
    shuffled = list(records)
    chance.shuffle(shuffled)

    assert prices(*shuffled) == prices(*records)


@given(st.lists(RECORDS, max_size=4))
def test_chains_one_by_one_say_what_all_records_say(chains):
    every = prices(*(record for chain in chains for record in chain))

    assert Underlying.together(prices(*chain) for chain in chains) == every


@given(RECORDS)
def test_open_and_close_lie_between_low_and_high(records):
    found = prices(*records)

    if found is not None:
        named = found.as_json()
        assert 0 < named["low"] <= min(named["open"], named["close"])
        assert max(named["open"], named["close"]) <= named["high"]
