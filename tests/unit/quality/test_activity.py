"""Stamps without any market and quotes that stand still: told of whole dates, never of one quiet chain."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from tests import chains, panels

from spx_data.market import products
from spx_data.quality import quotes
from spx_data.quality.quotes import Activity
from theta_simulator import Market

STRIKES = np.arange(4_600.0, 4_810.0, 10.0)
STAMPS = 120  # from 09:31 on
CLOSE = panels.at(dt.time(16))


def chain(seed=0, quiet=False):
    """Return bids and asks (2, strikes, stamps) of a chain that moves with the index, and the index."""
    chance = np.random.default_rng(seed)
    index = 4_700 + np.cumsum(np.where(np.arange(STAMPS) % 2, 0.9, -0.5))
    mid = 20 + np.maximum(0, np.stack([index - STRIKES[:, None], STRIKES[:, None] - index]))
    mid = np.round(mid + chance.uniform(0, 0.5, mid.shape), 2)
    if quiet:
        mid = np.broadcast_to(mid[..., :1], mid.shape)
    return mid - 0.1, mid + 0.1, index


def judged(*spoils, close=CLOSE, begins=dt.time(9, 31)):
    """Return the counts of a date by code; each of *spoils* changes one chain's bids and asks."""
    found = []
    for seed, spoil in enumerate(spoils):
        bid, ask, index = chain(seed)
        bid, ask = spoil(bid.copy(), ask.copy()) or (bid, ask)
        panel = panels.panel(STRIKES, bid, ask, underlying_price=index, begins=begins)
        found.append(Activity.of(panel, close))
    return panels.named(quotes.across(found))


def fine(bid, ask):
    return bid, ask


def dead(first, last, contracts=slice(None)):
    def spoil(bid, ask):
        bid[:, contracts, first:last] = ask[:, contracts, first:last] = 0
        return bid, ask

    return spoil


def frozen(first, last, contracts=slice(None)):
    def spoil(bid, ask):
        for grid in (bid, ask):
            grid[:, contracts, first:last] = grid[:, contracts, first : first + 1]
        return bid, ask

    return spoil


def test_a_lively_date_has_nothing_to_find():
    found = judged(fine, fine, fine)

    assert {(count.hits, count.first) for count in found.values()} == {(0, None)}
    assert found["dead-stamps"].of == STAMPS
    assert found["stalled"].of == STAMPS - 1


def test_an_hour_without_any_market_is_ruinous_and_told_from_when_to_when():
    found = judged(*[dead(60, 120)] * 3)["dead-stamps"]

    assert (found.hits, found.first) == (60, "10:31 to 11:30")
    assert found.check.score(60 / 390) == 0


def test_a_single_minute_is_told_and_costs_a_little():
    found = judged(*[dead(60, 61)] * 3)["dead-stamps"]

    assert (found.hits, found.first) == (1, "10:31")
    assert 95 < found.check.score(1 / 390) < 100


def test_nearly_all_contracts_are_enough():
    found = judged(*[dead(60, 70, slice(0, 20))] * 3)

    assert found["dead-stamps"].hits == 10


@pytest.mark.parametrize(
    "spoils",
    [
        [dead(60, 70), fine, fine, fine, fine],  # one chain of five
        [dead(60, 70, slice(0, 15))] * 3,  # two thirds of the contracts
        [dead(0, 60)] * 3,  # before the first quote
        [dead(0, STAMPS, slice(0, 20))] * 3,  # contracts that never have a market
    ],
)
def test_what_a_quiet_market_does_is_no_dead_stamp(spoils):
    assert judged(*spoils)["dead-stamps"].hits == 0


def test_after_the_close_of_a_half_day_nothing_need_be_alive():
    close = panels.at(dt.time(10, 31))

    assert judged(*[dead(60, STAMPS)] * 3, close=close)["dead-stamps"].hits == 0
    assert judged(*[dead(60, STAMPS)] * 3)["dead-stamps"].hits == 60  # the session is on
    assert judged(*[dead(60, STAMPS)] * 3, close=None)["dead-stamps"].hits == 60


def test_half_an_hour_of_standing_quotes_is_told():
    found = judged(*[frozen(30, 61)] * 3)["stalled"]

    assert (found.hits, found.first) == (30, "10:02 to 10:31")
    assert found.check.score(30 / 390) < 60


@pytest.mark.parametrize(
    "spoils",
    [
        [frozen(30, 61), fine, fine],  # one chain
        [frozen(30, 61, slice(0, 15))] * 3,  # some contracts
        [frozen(30, 32)] * 3,  # one stamp
    ],
)
def test_quotes_that_stand_still_by_themselves_are_no_stall(spoils):
    assert judged(*spoils)["stalled"].hits == 0


def test_quotes_may_stand_still_with_the_index():
    bid, ask, _ = chain(quiet=True)
    still = panels.panel(STRIKES, bid, ask)

    assert panels.named(quotes.across([Activity.of(still, CLOSE)]))["stalled"].hits == 0


@pytest.mark.parametrize("date", [dt.date(2024, 1, 3), dt.date(2024, 7, 3), dt.date(2018, 2, 6)])
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_simulated_days_are_alive(date, size):
    close = None if date.month == 7 else panels.at(dt.time(16), date)
    found = [Activity.of(panel, close) for panel in chains.panels(Market(1, size), date)]

    assert [count.hits for count in quotes.across(found)] == [0, 0]


def test_no_chain_is_nothing_found():
    assert [(count.hits, count.of) for count in quotes.across([])] == [(0, 0), (0, 0)]


def test_the_day_s_passport_has_it():
    from spx_data.quality.judgement import Judge, Rules

    date, weights = chains.DATE, {"quotes": 1.0}
    judge = Judge(date, Rules(products.DEFAULT, "latest", 60_000, panels.at(dt.time(16), date), weights))
    hour = pl.col("timestamp").is_between(panels.at(dt.time(10, 31), date), panels.at(dt.time(11, 30), date))
    for root, label in (("SPX", chains.EXPIRATION), ("SPXW", chains.EXPIRATION)):
        frame = chains.records(Market(1, "tiny"), root, label)
        judge.add(root, label, chains.spoilt(frame, hour, bid=0.0, ask=0.0))

    found = judge.finish({}).day

    (check,) = [check for check in found["checks"] if check["check"] == "dead-stamps"]
    assert (check["hits"], check["first"]) == (60, "10:31 to 11:30")
    assert found["parts"]["quotes"]["score"] == check["score"] < 5
