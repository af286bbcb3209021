"""Quotes by themselves: every state of a quote has its own name, and none of them is invented."""

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest
from tests import chains, panels, schemas
from tests.panels import named

from spx_data.market import products
from spx_data.quality import quotes
from spx_data.quality.panel import CALL, PUT, Panel
from theta_simulator import Market

pytestmark = pytest.mark.filterwarnings("error")

STRIKES = (4_650.0, 4_700.0, 4_750.0)
MARKET = Market(1, "small")
FACTS = {"zero-bid", "no-market"}


def judged(panel):
    return named(quotes.judge(panel))


def one(bid, ask, **columns):
    """A chain of one strike and one stamp: a call with this quote, and a healthy put."""
    return judged(panels.panel([4_700], [[[bid]], [[10.0]]], [[[ask]], [[10.5]]], **columns))


def still(minutes=60, moves=20.0, **columns):
    """A chain that quotes the same for so long, while the underlying goes up in a straight line."""
    shape = (2, 1, minutes)
    price = np.linspace(4_700.0, 4_700.0 + moves, minutes)
    given = {"underlying_price": price, "delta": 0.5} | columns
    return judged(panels.panel([4_700], np.full(shape, 20.0), np.full(shape, 20.5), **given))


@pytest.mark.parametrize(
    ("bid", "ask", "expected"),
    [
        (5.0, 5.5, None),
        (5.5, 5.0, "crossed"),
        (5.0, 5.0, "locked"),
        (5.0, 0.0, "one-sided"),
        (0.0, 0.05, "zero-bid"),
        (0.0, 0.0, "no-market"),
        (1.0, 3.5, "wide"),
    ],
)
def test_every_state_of_a_quote_has_one_name(bid, ask, expected):
    found = one(bid, ask)

    assert {code: count.first for code, count in found.items() if count.hits} == (
        {expected: "C 4700 at 09:31"} if expected else {}
    )


@pytest.mark.parametrize(
    ("bid", "ask"),
    [
        (0.05, 0.15),  # a tick or two are much of a small price
        (1.0, 2.0),  # a dollar, not more
        (3.0, 5.0),  # half of the midpoint, not more
        (98.0, 102.0),  # dollars, but few of many
    ],
)
def test_a_quote_is_wide_in_dollars_and_in_proportion_or_not_at_all(bid, ask):
    assert one(bid, ask)["wide"].hits == 0


@pytest.mark.parametrize(("bid", "ask"), [(1.0, 2.05), (3.0, 5.05)])
def test_a_nickel_more_is_wide(bid, ask):
    assert one(bid, ask)["wide"].hits == 1


def test_states_are_counted_among_those_that_could_have_them():
    bid = [[[5.0, 0.0, 0.0, 5.0]], [[0.5, math.nan, 0.0, 8.0]]]
    ask = [[[5.5, 0.5, 0.0, 0.0]], [[0.6, math.nan, 0.0, 7.0]]]
    found = judged(panels.panel([4_700], bid, ask, there=np.isfinite(bid)))

    assert {code: count.of for code, count in found.items()} == {
        "crossed": 3,
        "locked": 3,
        "one-sided": 7,
        "zero-bid": 7,
        "no-market": 7,
        "wide": 1,
        "stale": 2,
    }


def test_a_quote_that_stands_still_while_the_underlying_moves_is_stale():
    found = still(moves=2.1)["stale"]

    assert (found.hits, found.of, found.first) == (120, 120, "C 4700 at 09:31")


def test_a_quote_may_stand_still_for_a_move_within_two_spreads():
    assert still(moves=1.9)["stale"].hits == 0


def test_thirty_minutes_are_needed():
    assert still(minutes=30)["stale"].hits == 0
    assert still(minutes=31)["stale"].hits == 62


def test_a_small_delta_need_not_move():
    found = still(delta=0.09)["stale"]

    assert (found.hits, found.of) == (0, 0)


def test_a_put_falls_as_well_as_a_call_rises():
    assert still(delta=-0.5)["stale"].hits == 120


@pytest.mark.parametrize(("level", "moving"), [(4_710.0, "C"), (4_640.0, "P")])
def test_without_a_delta_moneyness_decides(level, moving):
    found = still(delta=0.0, underlying_price=np.linspace(level, level + 20.0, 60))["stale"]

    assert (found.hits, found.of) == (60, 60)
    assert found.first == f"{moving} 4700 at 09:31"


@pytest.mark.parametrize(("moves", "hits"), [(0.18, 0), (0.22, 120)])
def test_a_locked_quote_is_given_a_tick_of_spread(moves, hits):
    shape = (2, 1, 60)
    price = np.linspace(4_700.0, 4_700.0 + moves, 60)
    panel = panels.panel([4_700], np.full(shape, 20.0), np.full(shape, 20.0), underlying_price=price)

    assert judged(panel)["stale"].hits == hits


@pytest.mark.parametrize("minutes", [31, 32, 33, 63, 64, 65, 100])
def test_a_move_is_seen_wherever_it_falls_in_a_run(minutes):
    for minute in range(minutes):
        price = np.full(minutes, 4_700.0)
        price[minute] += 5.0

        assert still(minutes, underlying_price=price)["stale"].hits == 2 * minutes


def test_a_row_without_an_underlying_hides_no_stale_quote():
    price = np.append(0.0, np.linspace(4_700.0, 4_720.0, 59))
    delta = np.append(0.0, np.full(59, 0.5))
    found = still(underlying_price=price, delta=delta)["stale"]

    assert (found.hits, found.of, found.first) == (118, 118, "C 4700 at 09:32")


def test_without_any_underlying_nothing_is_looked_at():
    found = still(underlying_price=0.0)["stale"]

    assert (found.hits, found.of) == (0, 0)


def test_a_missing_record_ends_a_run():
    there = np.ones((2, 1, 60), dtype=bool)
    there[:, :, 30] = False
    shape = (2, 1, 60)
    price = np.linspace(4_700.0, 4_720.0, 60)
    found = judged(
        panels.panel([4_700], np.full(shape, 20.0), np.full(shape, 20.5), there=there, underlying_price=price)
    )["stale"]

    assert (found.hits, found.of) == (0, 118)


def test_no_market_is_not_stale():
    shape = (2, 1, 60)
    price = np.linspace(4_700.0, 4_900.0, 60)
    found = judged(
        panels.panel([4_700], np.zeros(shape), np.zeros(shape), underlying_price=price, delta=1.0)
    )["stale"]

    assert (found.hits, found.of) == (0, 0)


@pytest.mark.parametrize(("step", "records"), [(5, 7), (15, 5), (60, 5)])
def test_with_rarer_stamps_it_takes_thirty_minutes_and_five_records(step, records):
    def hits(count):
        shape = (2, 1, count)
        price = 4_700.0 + 20.0 * np.arange(count)
        panel = panels.panel(
            [4_700],
            np.full(shape, 20.0),
            np.full(shape, 20.5),
            underlying_price=price,
            step_ms=step * panels.MINUTE,
        )
        return judged(panel)["stale"].hits

    assert hits(records - 1) == 0
    assert hits(records) == 2 * records


def by_loops(panel):
    """Stale cells by the letter of the check: every run of every contract, one after another."""
    bid, ask, delta = (panel.grid(name) for name in ("bid", "ask", "delta"))
    cells = set()
    for right in (CALL, PUT):
        for strike in range(len(panel.strikes)):
            quoted = [(bid[right, strike, at], ask[right, strike, at]) for at in range(len(panel.stamps))]
            begin = 0
            for at in range(1, len(quoted) + 1):
                if at < len(quoted) and quoted[at] == quoted[begin]:
                    continue
                run = range(begin, at)
                begin = at
                looked = [i for i in run if abs(delta[right, strike, i]) >= 0.1 and panel.underlying[i] > 0]
                low, high = quoted[run[0]]
                if len(run) < 31 or not looked or not 0 < low <= high:
                    continue
                prices = [panel.underlying[i] for i in run if panel.underlying[i] > 0]
                weight = sum(abs(delta[right, strike, i]) for i in looked) / len(looked)
                if weight * (max(prices) - min(prices)) > 2 * max(high - low, 0.05):
                    cells |= {(right, strike, i) for i in looked}
    return cells


@pytest.mark.parametrize("seed", range(12))
def test_stale_cells_are_those_that_loops_find(seed):
    chance = np.random.default_rng(seed)
    shape = (2, 3, 150)
    moments = np.sort(chance.integers(0, 150, (2, 3, 4)), axis=-1)
    level = 5.0 + (np.arange(150) >= moments[..., np.newaxis]).sum(axis=2)
    price = np.where(
        chance.random(150) < 0.05, 0.0, np.round(4_700.0 + chance.normal(0.0, 0.2, 150).cumsum(), 2)
    )
    panel = panels.panel(
        STRIKES,
        level,
        level + chance.choice([0.0, 0.2, 1.0], (2, 3, 1)),
        there=chance.random(shape) > 0.003,
        underlying_price=price,
        delta=np.round(chance.uniform(0.05, 0.6, (2, 3, 1)) + chance.uniform(0.0, 0.1, shape), 4),
    )

    found = judged(panel)["stale"]

    assert found.hits == len(by_loops(panel))
    assert found.by_stamp.sum() == found.hits


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("crossed", {"bid": pl.col("ask") + 0.05}),
        ("locked", {"bid": pl.col("ask")}),
        ("one-sided", {"ask": 0.0}),
        ("wide", {"ask": 5.0 * pl.col("ask")}),
    ],
)
def test_one_spoilt_quote_of_a_clean_chain_is_found_and_named(code, values):
    clean = chains.records(MARKET)
    strike = strike_near(clean, 5_020.0)
    frame = chains.spoilt(clean, chains.cell(strike, "C", "10:31"), **values)

    found = judged(Panel(products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, frame))

    findings = {name: count for name, count in found.items() if count.hits and name not in FACTS}
    assert list(findings) == [code]
    assert (findings[code].hits, findings[code].first) == (1, f"C {strike:g} at 10:31")


def test_a_frozen_contract_of_a_clean_chain_is_found_and_named():
    clean = chains.records(MARKET)
    strike = strike_near(clean, 5_020.0)
    begins, ends = (panels.at(time, chains.DATE) for time in (dt.time(10, 31), dt.time(12, 0)))
    contract = (pl.col("strike") == strike) & (pl.col("right") == "P")
    quote = clean.filter(contract & (pl.col("timestamp") == begins))
    frozen = contract & pl.col("timestamp").is_between(begins, ends)
    frame = chains.spoilt(clean, frozen, bid=quote["bid"][0], ask=quote["ask"][0])

    found = judged(Panel(products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, frame))

    assert (found["stale"].hits, found["stale"].first) == (90, f"P {strike:g} at 10:31")


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("date", [dt.date(2024, 1, 3), dt.date(2024, 7, 3)])
def test_a_clean_day_shows_facts_alone(seed, date):
    for panel in chains.panels(Market(seed, "tiny"), date):
        findings = {name: count.hits for name, count in judged(panel).items() if count.hits}

        assert findings.keys() <= FACTS


def test_a_chain_without_a_stamp_on_a_whole_minute_shows_nothing():
    empty = Panel(
        products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, pl.DataFrame(schema=schemas.POLARS)
    )

    assert {(count.hits, count.of) for count in quotes.judge(empty)} == {(0, 0)}


def strike_near(frame, price):
    strikes = frame["strike"].unique().to_numpy()
    return float(strikes[np.abs(strikes - price).argmin()])
