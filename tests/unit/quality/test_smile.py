"""The smile: volatilities in range and without kinks, delta falling with the strike."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from tests.chains import DATE, EXPIRATION, cell, panels, records, spoilt

from spx_data.market import products
from spx_data.quality import parity, smile
from spx_data.quality.panel import CALL, PUT, Panel
from theta_simulator import Market

STEP = 900_000
NEXT_WEEK = dt.date(2024, 1, 11)
ABOVE = 5100.0  # a strike of the small chain above the forward


@pytest.fixture(scope="module")
def dense():
    """Return a chain with strikes five dollars apart, as on the real market, at a few stamps."""
    frame = records(Market(1, "real"), expiration=NEXT_WEEK, step_ms=STEP)
    return frame.filter(pl.col("strike").is_between(4850, 5150))


@pytest.fixture(scope="module")
def small():
    return records(Market(1, "small"), step_ms=STEP)


def judged(frame, expiration=NEXT_WEEK):
    panel = Panel(products.DEFAULT, "SPXW", expiration, DATE, frame, STEP)
    return {count.check.code: count for count in smile.judge(panel, parity.fit(panel))}


def hits(found):
    return {code: count.hits for code, count in found.items() if count.hits}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("size", ["tiny", "small"])
@pytest.mark.parametrize("date", [DATE, dt.date(2024, 7, 3), dt.date(2018, 3, 28)])
def test_a_clean_day_has_no_findings(seed, size, date):
    found = [
        count
        for panel in panels(Market(seed, size), date, step_ms=STEP)
        for count in smile.judge(panel, parity.fit(panel))
    ]

    assert [count for count in found if count.hits] == []
    assert sum(count.of for count in found) > 0


def test_a_dense_chain_is_clean_and_looked_at(dense):
    found = judged(dense)

    assert hits(found) == {}
    assert min(count.of for count in found.values()) > 1_000


@pytest.mark.parametrize("volatility", [0.0, 0.0011, 14.5])
def test_a_volatility_out_of_range_is_named(volatility, small):
    found = judged(spoilt(small, cell(ABOVE, "C", "10:30"), implied_vol=volatility), EXPIRATION)

    assert found["iv-range"].first == f"C {ABOVE:g} at 10:30"
    assert found["iv-range"].hits == 1


@pytest.mark.parametrize("volatility, hits", [(0.0, 1), (0.0011, 0), (14.5, 1)])
def test_on_its_last_day_an_option_may_have_next_to_no_volatility(volatility, hits, small):
    found = judged(spoilt(small, cell(ABOVE, "C", "10:30"), implied_vol=volatility), DATE)

    assert found["iv-range"].hits == hits


@pytest.mark.parametrize("values", [{"iv_error": 100.0}, {"bid": 0.0}, {"ask": 0.0}])
def test_a_volatility_that_nobody_vouches_for_is_not_looked_at(values, small):
    bad = cell(ABOVE, "C", "10:30")

    found = judged(spoilt(small, bad, implied_vol=0.0, **values), EXPIRATION)

    assert hits(found) == {}


def test_in_the_money_the_sentinel_of_intrinsic_value_is_no_finding(small):
    deep = (pl.col("strike") < 4500) & (pl.col("right") == "C")

    found = judged(spoilt(small, deep, implied_vol=0.0, delta=1.0), EXPIRATION)

    assert hits(found) == {}


@pytest.mark.parametrize("right, strike", [("C", 5050), ("P", 4960)])
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_kink_is_named_and_its_neighbours_are_not(right, strike, factor, dense):
    bad = cell(strike, right, "11:00")

    found = judged(spoilt(dense, bad, implied_vol=pl.col("implied_vol") * factor))

    assert hits(found) == {"iv-kink": 1}
    assert found["iv-kink"].first == f"{right} {strike} at 11:00"


def test_a_bump_inside_of_the_spreads_is_no_kink(dense):
    bad = cell(5050, "C", "11:00")
    (row,) = dense.filter(bad).to_dicts()
    inside = 0.45 * (row["ask"] - row["bid"]) / row["vega"]

    found = judged(spoilt(dense, bad, implied_vol=pl.col("implied_vol") + inside))

    assert hits(found) == {}


def test_strikes_far_apart_may_bend(small):
    assert judged(small, EXPIRATION)["iv-kink"].of < judged(small, EXPIRATION)["delta-rises"].of


def test_two_strikes_make_no_smile(small):
    found = judged(small.filter(pl.col("strike").is_in([4850.0, ABOVE])), EXPIRATION)

    assert found["iv-range"].of > 0
    assert (found["iv-kink"].of, found["delta-rises"].of) == (0, 0)


@pytest.mark.parametrize("right, strike", [("C", 5050), ("P", 4960)])
@pytest.mark.parametrize("away", [-0.06, 0.06])
def test_a_delta_that_rises_is_named(right, strike, away, dense):
    bad = cell(strike, right, "11:00")

    found = judged(spoilt(dense, bad, delta=pl.col("delta") + away))

    assert found["delta-rises"].first == f"{right} {strike} at 11:00"
    assert found["delta-rises"].hits == 1


def test_deltas_that_all_change_sign_rise_everywhere(dense):
    found = judged(dense.with_columns(delta=-pl.col("delta")))["delta-rises"]

    assert found.hits > 0.5 * found.of


def test_a_rise_that_the_spread_explains_is_none(dense):
    wide = dense.with_columns(ask=pl.col("bid") + 60)

    found = judged(spoilt(wide, cell(5050, "C", "11:00"), delta=pl.col("delta") + 0.06))

    assert found["delta-rises"].hits == 0


def test_without_a_forward_the_underlying_parts_calls_from_puts(small):
    frame = small.filter(pl.col("strike") > 4990)
    panel = Panel(products.DEFAULT, "SPXW", EXPIRATION, DATE, frame.filter(pl.col("right") == "C"), STEP)

    outside = smile.out_of_the_money(panel, parity.fit(panel))

    expected = panel.strikes[:, np.newaxis] >= panel.underlying
    assert (outside[CALL] == expected).all()
    assert not outside[PUT][:, 0].any()  # no underlying at 09:30


def test_the_last_day_is_judged_by_the_hours_that_are_left():
    frame = records(Market(1, "real"), expiration=DATE, step_ms=STEP)
    near = frame.filter(pl.col("strike").is_between(4900, 5100))
    bad = (pl.col("right") == "P") & (pl.col("strike") == 4980)

    found = judged(spoilt(near, bad, implied_vol=pl.col("implied_vol") * 1.3), DATE)

    assert hits(judged(near, DATE)) == {}
    assert found["iv-kink"].hits > 3
    assert found["iv-kink"].first.startswith("P 4980 at")
