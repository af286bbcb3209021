"""Static arbitrage: exactly what loops over all pairs and triples find, and nothing on a sane market."""

import datetime as dt
import itertools
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import ndtr
from tests import chains, panels, schemas
from tests.panels import named

from spx_data.market import products
from spx_data.quality import arbitrage, parity
from spx_data.quality.panel import CALL, PUT, Panel
from theta_simulator import Market

pytestmark = pytest.mark.filterwarnings("error")

RIGHTS = (CALL, PUT)
TOLERANCE = 0.005
LATER = dt.date(2024, 2, 16)
MARKET = Market(1, "small")


def fitted(panel, forward, discount):
    """The parity fit that knows the truth."""
    line = np.ones(len(panel.stamps))
    return parity.fit(panel)._replace(forward=forward * line, discount=discount * line)


def unfitted(panel):
    """The parity fit of quotes that allow none."""
    return fitted(panel, math.nan, math.nan)


def judged(panel, fit=None, before=None):
    return named(arbitrage.judge(panel, fit or unfitted(panel), before))


def hits(counts):
    return {code: (count.hits, count.first) for code, count in counts.items() if count.hits}


# Chains of few strikes. Prices are eighths and strikes whole dollars within 21 of each other, so no cost is
# at the tolerance itself, where the order of a sum decides.
@st.composite
def small_chains(draw, most=6, gaps=(1, 2, 3), stamps=2):
    gap = draw(st.lists(st.sampled_from(gaps), min_size=0, max_size=most - 1))
    strikes = 100.0 + np.cumsum([0, *gap])
    shape = (2, len(strikes), stamps)
    grids = hnp.arrays(np.int64, shape, elements=st.integers(0, 24))
    bid = draw(grids) / 8
    ask = np.where(draw(hnp.arrays(np.bool_, shape)), bid + draw(grids) / 16, draw(grids) / 8)
    there = draw(hnp.arrays(np.bool_, shape, elements=st.sampled_from([True, True, True, False])))
    there[0, 0, 0] = there[0, 0, -1] = there[1, -1, 0] = True
    there[:, :, 0] |= ~there.any(axis=(0, 2))  # every strike is somewhere
    return panels.panel(strikes, bid, np.floor(ask * 8) / 8, there=there)


def payoff(right, strike, price):
    return max(price - strike, 0.0) if right == CALL else max(strike - price, 0.0)


def least(strikes, right, weights):
    """The least that a portfolio pays at expiration; it is linear between its strikes, and beyond them."""
    prices = [0.0, *strikes, 10 * max(strikes)]
    return min(sum(w * payoff(right, k, s) for k, w in zip(strikes, weights, strict=True)) for s in prices)


def market_at(panel, right, stamp):
    """What can be sold and what can be bought: prices by strike."""
    bids, asks = {}, {}
    for index, strike in enumerate(panel.strikes.tolist()):
        bid, ask = (panel.grid(name)[right, index, stamp] for name in ("bid", "ask"))
        if not (0 < ask < bid):
            bids |= {strike: bid} if bid > 0 else {}
            asks |= {strike: ask} if ask > 0 else {}
    return bids, asks


def cells(panel):
    return itertools.product(RIGHTS, panel.strikes.tolist(), range(len(panel.stamps)))


@given(small_chains())
@settings(max_examples=80, deadline=None)
def test_vertical_spreads_are_those_that_all_pairs_show(panel):
    found, looked_at = 0, 0
    for right, sold, stamp in cells(panel):
        bids, asks = market_at(panel, right, stamp)
        others = [strike for strike in asks if strike != sold]
        if sold in bids:
            looked_at += bool(others)
            found += any(
                asks[bought] - bids[sold] < least((bought, sold), right, (1, -1)) - TOLERANCE
                for bought in others
            )

    count = judged(panel)["vertical"]

    assert (count.hits, count.of) == (found, looked_at)


def butterflies(panel, wings):
    found, looked_at = 0, 0
    strikes = panel.strikes.tolist()
    for right, sold, stamp in cells(panel):
        bids, asks = market_at(panel, right, stamp)
        middle = strikes.index(sold)
        near = [strike for strike in asks if abs(strikes.index(strike) - middle) <= wings]
        pairs = [(low, high) for low in near for high in near if low < sold < high]
        if sold in bids:
            looked_at += bool(pairs)
            found += any(butterfly_pays(right, sold, low, high, bids, asks) for low, high in pairs)
    return found, looked_at


def butterfly_pays(right, sold, low, high, bids, asks):
    weight = (high - sold) / (high - low)
    assert least((low, sold, high), right, (weight, -1.0, 1.0 - weight)) > -1e-9
    return weight * asks[low] + (1.0 - weight) * asks[high] - bids[sold] < -TOLERANCE


@given(small_chains())
@settings(max_examples=80, deadline=None)
def test_butterflies_are_those_that_all_triples_show(panel):
    count = judged(panel)["butterfly"]

    assert (count.hits, count.of) == butterflies(panel, arbitrage.WINGS)


@pytest.mark.parametrize("seed", range(6))
def test_butterflies_reach_eight_strikes_to_either_side_and_no_further(seed):
    chance = np.random.default_rng(seed)
    strikes = 100.0 + np.arange(21)
    bid = chance.integers(1, 25, (2, 21, 1)) / 8
    ask = bid + chance.integers(1, 25, (2, 21, 1)) / 8
    panel = panels.panel(strikes, bid, ask)

    count = judged(panel)["butterfly"]

    assert (count.hits, count.of) == butterflies(panel, 8)
    assert count.hits


def doubt(panel, fit, stamp):
    """How far the true line may be from the fitted one, as a function of the strike, by its definition."""
    room = {}
    for index, strike in enumerate(panel.strikes.tolist()):
        bid, ask = (panel.grid(name)[:, index, stamp] for name in ("bid", "ask"))
        line = fit.discount[stamp] * (fit.forward[stamp] - strike)
        if (bid > 0).all() and (ask >= bid).all() and math.isfinite(line):
            widest = max(ask[CALL] - bid[PUT] - line, line - bid[CALL] + ask[PUT])
            room[strike] = widest + TOLERANCE
    if len(room) < 2:
        return None
    at = min(room, key=lambda strike: (room[strike], strike))
    tilt = min((room[at] + room[other]) / abs(other - at) for other in room if other != at)
    return lambda strike: room[at] + tilt * abs(strike - at), tilt


@given(small_chains(), st.floats(98.0, 118.0), st.floats(0.9, 1.0))
@settings(max_examples=80, deadline=None)
def test_bounds_are_those_that_every_quote_shows(panel, forward, discount):
    fit = fitted(panel, forward, discount)
    found, looked_at = 0, 0
    for right, strike, stamp in cells(panel):
        bids, asks = market_at(panel, right, stamp)
        known = doubt(panel, fit, stamp)
        if known is None or not (strike in bids or strike in asks):
            continue
        looked_at += 1
        off, tilt = known
        worth = discount * (forward - strike) * (1 if right == CALL else -1)
        most = discount * forward + off(0.0) if right == CALL else (discount + tilt) * strike
        too_cheap = asks.get(strike, math.inf) < worth - off(strike) - TOLERANCE
        found += too_cheap or bids.get(strike, 0.0) > most + TOLERANCE

    count = judged(panel, fit)["bounds"]

    assert (count.hits, count.of) == (found, looked_at)


def priced(strikes, forward, discount, deviation):
    """Black's prices of calls and puts: shape (2, strikes)."""
    d1 = np.log(forward / strikes) / deviation + deviation / 2
    call = discount * (forward * ndtr(d1) - strikes * ndtr(d1 - deviation))
    return np.stack([call, call - discount * (forward - strikes)])


def quoted(strikes, value, half=0.05, bumps=0.0, **given):
    """A chain that quotes these values and so much to either side; *bumps* lift whole quotes."""
    bid = np.maximum(np.floor((value - half) * 20), 0) / 20 + bumps
    ask = np.ceil((value + half) * 20) / 20 + bumps
    return panels.panel(strikes, bid, ask, **given)


def calendars(near, near_fit, far, far_fit):
    """Cells of the nearer chain that some strike of the farther one is cheaper than, by the definition."""
    found, looked_at = 0, 0
    shared = set(near.stamps.tolist()) & set(far.stamps.tolist())
    for right, sold, stamp in cells(near):
        at = near.stamps[stamp]
        other = int(np.searchsorted(far.stamps, at))
        first = doubt(near, near_fit, stamp) if at in shared else None
        second = doubt(far, far_fit, other) if at in shared else None
        forward, discount = near_fit.forward[stamp], near_fit.discount[stamp]
        bids, _ = market_at(near, right, stamp)
        inside = sold < forward if right == CALL else sold > forward
        if first is None or second is None or inside or sold not in bids:
            continue
        (off1, tilt1), (off2, tilt2) = first, second
        _, asks = market_at(far, right, other)
        farther, later = far_fit.forward[other], far_fit.discount[other]
        error1 = off1(forward) / (discount - tilt1) if discount > tilt1 else math.nan
        error2 = off2(farther) / (later - tilt2) if later > tilt2 else math.nan
        least = sold * (farther - error2) / (forward + error1)
        most = sold * (farther + error2) / (forward - error1) if forward > error1 else math.nan
        partners = [asks[k] for k in asks if (k <= least if right == CALL else k >= most)]
        dollar = (later * farther - off2(0.0)) / (discount * forward + off1(0.0))
        looked_at += bool(partners)
        found += any((bids[sold] - TOLERANCE) * dollar > ask for ask in partners)
    return found, looked_at


@pytest.mark.parametrize("half", [0.05, 1.5])
@pytest.mark.parametrize("seed", range(10))
def test_calendar_spreads_are_those_that_all_pairs_show(seed, half):
    chance = np.random.default_rng(seed)
    near_strikes = np.sort(chance.choice(np.arange(4_500.0, 4_900.0, 5), 14, replace=False))
    far_strikes = np.sort(chance.choice(np.arange(4_500.0, 4_900.0, 5), 11, replace=False))
    bumps = chance.choice([0.0, 0.0, 0.0, 3.0, 40.0], (2, 14, 6))
    shape = np.ones((1, 1, 6))
    near = quoted(
        near_strikes,
        priced(near_strikes, 4_700.0, 0.999, 0.03)[..., np.newaxis] * shape,
        half,
        bumps=bumps,
        there=chance.random((2, 14, 6)) > 0.1,
    )
    far = quoted(
        far_strikes,
        priced(far_strikes, 4_712.0, 0.996, 0.034)[..., np.newaxis] * shape,
        half,
        there=chance.random((2, 11, 6)) > 0.1,
        begins=dt.time(9, 33),
        expiration=LATER,
    )
    near_fit, far_fit = fitted(near, 4_700.0, 0.999), fitted(far, 4_712.0, 0.996)

    count = judged(far, far_fit, (near, near_fit))["calendar"]

    assert (count.hits, count.of) == calendars(near, near_fit, far, far_fit)
    assert count.hits


@pytest.mark.parametrize("half", [30.0, 200.0, 2_000.0])
def test_where_quotes_leave_a_forward_in_doubt_no_calendar_is_looked_at(half):
    strikes = np.array([4_600.0, 4_700.0, 4_800.0])
    value = priced(strikes, 4_700.0, 0.999, 0.9)[..., np.newaxis]
    near, far = quoted(strikes, value, half), quoted(strikes, value / 8.0, 0.05, expiration=LATER)
    near_fit, far_fit = fitted(near, 4_700.0, 0.999), fitted(far, 4_712.0, 0.996)

    count = judged(far, far_fit, (near, near_fit))["calendar"]

    assert (count.hits, count.of) == calendars(near, near_fit, far, far_fit)
    assert count.hits == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_true_line_is_within_its_doubt_whatever_line_was_fitted(seed):
    chance = np.random.default_rng(seed)
    strikes = np.sort(chance.choice(np.arange(4_000.0, 5_500.0, 5), 8, replace=False))
    forward, discount = chance.uniform(4_300.0, 5_200.0), chance.uniform(0.9, 1.0)
    value = priced(strikes, forward, discount, 0.08)[..., np.newaxis]
    panel = quoted(strikes, value, half=chance.uniform(0.05, 4.0, (2, 8, 1)))
    guessed = fitted(panel, forward + chance.normal(0.0, 2.0), discount + chance.normal(0.0, 0.002))

    line = arbitrage._Line.of(panel, guessed)

    everywhere = np.append(strikes, [0.0, 2_000.0, 8_000.0, forward])
    missed = np.abs(line.value(everywhere)[:, 0] - discount * (forward - everywhere))
    assert not line.known.any() or (missed <= line.doubt(everywhere)[:, 0]).all()
    assert not line.known.any() or not abs(guessed.forward[0] - forward) > line.doubt_of_forward[0]


@pytest.mark.parametrize("dividend", [0.0, 20.0, 150.0])
def test_dividends_in_dollars_between_two_expirations_are_no_calendar_arbitrage(dividend):
    # Escrowed: the index less the dividend's value is what moves.
    strikes = np.arange(3_500.0, 6_000.0, 25.0)
    moving, rate, near_years, far_years = 4_700.0 - dividend, 0.05, 0.25, 0.27
    near_discount, far_discount = math.exp(-rate * near_years), math.exp(-rate * far_years)
    shifted = strikes - dividend / near_discount
    near_value = priced(shifted, moving / near_discount, near_discount, 0.15 * math.sqrt(near_years))
    far_value = priced(strikes, moving / far_discount, far_discount, 0.15 * math.sqrt(far_years))
    near = quoted(strikes, near_value[..., np.newaxis], half=0.01)
    far = quoted(strikes, far_value[..., np.newaxis], half=0.01, expiration=LATER)
    near_fit = fitted(near, (moving + dividend) / near_discount, near_discount)

    count = judged(far, fitted(far, moving / far_discount, far_discount), (near, near_fit))["calendar"]

    assert count.hits == 0
    assert count.of > 50


# A quote of a clean simulated chain, by how much it is lifted, and which checks find it.
LIFTED = {
    "a call dearer than the one below": ("C", 5_200.0, 60.0, {"vertical", "butterfly"}),
    "a call just above its neighbours' line": ("C", 5_100.0, 12.0, {"butterfly"}),
    "a put dearer than the one above": ("P", 4_850.0, 60.0, {"vertical", "butterfly"}),
    "a call too dear for the width to the one above": ("C", 4_600.0, 40.0, {"vertical", "butterfly"}),
}


@pytest.mark.parametrize("case", LIFTED)
def test_one_quote_too_high_is_found_and_named(case):
    right, strike, lift, codes = LIFTED[case]
    higher = {name: pl.col(name) + lift for name in ("bid", "ask")}
    frame = chains.spoilt(chains.records(MARKET), chains.cell(strike, right, "10:31"), **higher)
    panel = Panel(products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, frame)

    found = hits(judged(panel, parity.fit(panel)))

    assert found == dict.fromkeys(codes, (1, f"{right} {strike:g} at 10:31"))


@pytest.mark.parametrize(
    ("right", "strike", "values"),
    [
        ("C", 4_200.0, {"bid": 700.0, "ask": 701.0}),  # 5020 less 4200 is 820
        ("P", 5_600.0, {"bid": 500.0, "ask": 501.0}),
    ],
)
def test_an_option_cheaper_than_its_exercise_is_found_and_named(right, strike, values):
    frame = chains.spoilt(chains.records(MARKET), chains.cell(strike, right, "10:31"), **values)
    panel = Panel(products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, frame)

    assert hits(judged(panel, parity.fit(panel)))["bounds"] == (1, f"{right} {strike:g} at 10:31")


@pytest.mark.parametrize(("right", "price"), [("C", 5_100.0), ("P", 5_650.0)])
def test_an_option_dearer_than_anything_it_can_pay_is_found_and_named(right, price):
    frame = chains.spoilt(
        chains.records(MARKET), chains.cell(5_600.0, right, "10:31"), bid=price, ask=price + 1.0
    )
    panel = Panel(products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, frame)

    assert hits(judged(panel, parity.fit(panel)))["bounds"] == (1, f"{right} 5600 at 10:31")


@pytest.mark.parametrize(("right", "strike"), [("C", 5_060.0), ("P", 4_980.0)])
def test_a_nearer_option_dearer_than_a_later_one_is_found_and_named(right, strike):
    near, later = (expiration.label for expiration in MARKET.expirations("SPXW", chains.DATE)[2:4])
    dearer = {name: pl.col(name) + 60.0 for name in ("bid", "ask")}
    clean = chains.records(MARKET, expiration=near)
    frame = chains.spoilt(clean, chains.cell(strike, right, "10:31"), **dearer)
    first = Panel(products.DEFAULT, "SPXW", near, chains.DATE, frame)
    second = Panel(products.DEFAULT, "SPXW", later, chains.DATE, chains.records(MARKET, expiration=later))

    found = hits(judged(second, parity.fit(second), (first, parity.fit(first))))

    assert found == {"calendar": (1, f"{right} {strike:g} of {near} at 10:31")}


def test_crossed_quotes_are_another_checks_finding():
    frame = chains.spoilt(
        chains.records(MARKET), chains.cell(5_100.0, "C", "10:31"), bid=pl.col("ask") + 60.0
    )
    panel = Panel(products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, frame)

    assert not hits(judged(panel, parity.fit(panel)))


def test_without_a_fit_only_what_needs_none_is_looked_at():
    panel = Panel(products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, chains.records(MARKET))

    found = judged(panel, unfitted(panel), (panel, unfitted(panel)))

    assert {code for code, count in found.items() if count.of == 0} == {"bounds", "calendar"}


def test_without_an_expiration_before_there_is_no_calendar():
    panel = Panel(products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, chains.records(MARKET))

    assert set(judged(panel)) == {"vertical", "butterfly", "bounds"}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("date", "version"),
    [
        (dt.date(2024, 1, 3), "latest"),
        (dt.date(2024, 7, 3), "1"),
        (dt.date(2020, 3, 16), "v2"),
    ],
)
def test_a_clean_day_has_no_arbitrage(seed, date, version):
    before = None
    for panel in chains.panels(Market(seed, "small"), date, version, step_ms=900_000):
        fit = parity.fit(panel)
        found = judged(panel, fit, before if before and before[0].root == panel.root else None)
        before = panel, fit

        assert not hits(found)


def test_a_clean_real_chain_has_no_arbitrage():
    frame = chains.records(Market(1, "real"), step_ms=1_800_000)
    panel = Panel(products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, frame, 1_800_000)

    found = judged(panel, parity.fit(panel))

    assert not hits(found)
    assert min(count.of for count in found.values()) > 1_000


def test_a_chain_without_a_stamp_on_a_whole_minute_has_none():
    empty = Panel(
        products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, pl.DataFrame(schema=schemas.POLARS)
    )
    panel = Panel(products.DEFAULT, "SPXW", LATER, chains.DATE, chains.records(MARKET))

    assert arbitrage.judge(empty, parity.fit(empty), None) == []
    assert "calendar" not in judged(panel, unfitted(panel), (empty, parity.fit(empty)))
