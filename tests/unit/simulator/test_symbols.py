"""The simulated symbols beside SPX: what they list and what they are worth, and that judgements know them."""

import datetime as dt
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from tests import chains
from tests.proof import expected

from spx_data.market import products
from spx_data.quality.judgement import Judge, Rules
from spx_data.quality.panel import moment_ms
from theta_simulator import Blemish, Market, index, listing, pricing, symbols
from theta_simulator import sessions as simulated
from theta_simulator.blemishes import Kind
from theta_simulator.flawed import FlawedMarket
from theta_simulator.market import FIRST_GREEKS

DAY = dt.date(2024, 1, 3)
BEFORE_A_DIVIDEND = dt.date(2026, 6, 17)
HALF_DAY = dt.date(2024, 7, 3)
PARTS = ("quotes", "underlying", "arbitrage", "parity", "smile", "greeks")
OWN = {"TLT": {"exercise": "American"}}  # what a config says of the one that the library does not know
PRODUCTS = {**products.PRODUCTS, "TLT": products.of("TLT", OWN)}
SYMBOLS = [symbol.name for symbol in symbols.SYMBOLS]


def judged(market, product, day, step_ms=60_000):
    """The judgement on all chains of a product."""
    closes = moment_ms(day, dt.time(13) if day == HALF_DAY else dt.time(16))
    judge = Judge(day, Rules(product, "latest", step_ms, closes, dict.fromkeys(PARTS, 1.0)))
    for root in product.root_names:
        for item in market.expirations(root, day):
            frame = chains.records(market, root, item.label, day, step_ms=step_ms)
            if len(frame):
                judge.add(root, item.label, frame)
    return judge.finish({}).day


# What is listed, and when -------------------------------------------------------------------------------


def test_each_symbol_is_what_the_librarys_table_says():
    assert list(PRODUCTS) == SYMBOLS
    for symbol in symbols.SYMBOLS:
        product = PRODUCTS[symbol.name]
        assert tuple(symbol.roots) == product.root_names
        assert symbol.fund is (product.exercise == "American")
        assert symbol.volatility is not product.held
        assert symbol.dividends <= product.dividends or not symbol.fund
        assert all(
            symbol.settles_at_the_open(root) is product.settles_at_the_open(root) for root in symbol.roots
        )
        assert max(symbol.first_greeks, FIRST_GREEKS) == product.greeks_since.get("theta", FIRST_GREEKS)
        for day, closes in ((DAY, simulated.REGULAR_CLOSE), (HALF_DAY, simulated.EARLY_CLOSE)):
            assert symbol.option_close(day, expires_today=False) == closes + product.longer_ms
            assert symbol.option_close(day, expires_today=True) == closes + product.expiring_longer_ms


def test_vix_is_settled_on_the_mornings_of_wednesdays():
    known = [item for root in ("VIX", "VIXW") for item in listing.all_expirations(root)]

    assert {item.settles.weekday() for item in known} <= {1, 2}  # Tuesday, where the Wednesday is none
    assert all(item.last < item.settles for item in known)
    assert len({item.settles for item in known}) == len(known)


def test_greeks_of_a_symbol_begin_on_a_date():
    market = Market(1, "tiny")
    since = products.PRODUCTS["NDX"].greeks_since["theta"]

    for day, there in ((simulated.before(since), False), (since, True)):
        (item, *_) = market.expirations("NDXP", day)
        assert bool(len(market.history("NDXP", item.label, day, 3_600_000))) is there


def test_symbols_move_together_but_not_as_one():
    days = simulated.between(dt.date(2024, 1, 2), dt.date(2024, 6, 28))
    spx = np.array([index.close(1, day) for day in days])
    moves = [
        np.diff(
            np.log(
                [float(symbol.at(1, day, np.array([level]))[0]) for day, level in zip(days, spx, strict=True)]
            )
        )
        for symbol in symbols.SYMBOLS
        if not symbol.volatility
    ]

    like = np.corrcoef(moves)[0]
    assert like[0] == pytest.approx(1.0) and all(0.7 < each < 0.999 for each in like[2:])


# What options are worth ---------------------------------------------------------------------------------


def asked(item, day, strikes):
    symbol = symbols.OF_ROOT[item.root]
    spx = np.array([index.close(1, day)])
    spot = pricing.level(1, symbol, day, spx)
    stamps = np.array([11 * simulated.HOUR])
    return pricing.Asked(1, day, symbol, item, strikes * spot, stamps, spx, spot)


def test_an_american_option_is_worth_what_exercise_gives_and_no_less_than_a_shorter_one():
    strikes = np.linspace(0.6, 1.4, 41)
    live = listing.expirations("SPY", BEFORE_A_DIVIDEND)
    days = [item.settles for item in live]
    found = [pricing.values(asked(item, BEFORE_A_DIVIDEND, strikes), days) for item in live[:30]]
    spot = asked(live[0], BEFORE_A_DIVIDEND, strikes).spot
    inside = spot * (1.0 - strikes)

    for call, put in ((each.call[:, 0], each.put[:, 0]) for each in found):
        assert (call >= inside - 1e-9).all() and (put >= -inside - 1e-9).all()
        assert (np.diff(call, 2) >= -1e-9).all() and (np.diff(put, 2) >= -1e-9).all()
    for shorter, longer in pairwise(found):
        assert (longer.call >= shorter.call - 1e-9).all() and (longer.put >= shorter.put - 1e-9).all()
    # Before a dividend, a call deep in the money is exercised; a European one would wait and lose it.
    far = asked(live[20], BEFORE_A_DIVIDEND, strikes)
    waiting = pricing._exercised(
        far, live[20].settles, far.symbol.payments(BEFORE_A_DIVIDEND, live[20].settles)
    )
    assert found[20].call[0, 0] > waiting.call[0, 0] + 0.5


@pytest.mark.parametrize("day", [DAY, HALF_DAY, BEFORE_A_DIVIDEND], ids=str)
@pytest.mark.parametrize("name", SYMBOLS)
def test_a_clean_day_of_a_symbol_raises_no_complaint(name, day):
    found = judged(Market(1, "small"), PRODUCTS[name], day, 600_000)

    known = day >= symbols.OF_ROOT[name].first_greeks
    complaints = {check["check"] for check in found["checks"] if check["score"] not in (None, 100.0)}
    # A call at the price of a fund that goes without its dividend tomorrow: the vendor's model knows of none
    # and finds no volatility there, and a small chain has few other quotes.
    eve = symbols.OF_ROOT[name].fund and day == BEFORE_A_DIVIDEND
    assert complaints <= ({"iv-range"} if eve else set())
    assert found["score"] == (pytest.approx(100.0, abs=1.0 if eve else 0.0) if known else None)
    assert set(found["parts"]) == ({*PARTS} - ({"smile"} if name == "VIX" else set()) if known else set())


# Defects ------------------------------------------------------------------------------------------------

MUST = {
    Kind.BOUNDS: {"exercise-bounds"},
    Kind.CALENDAR: {"calendar-strike"},
    Kind.FORWARD_OFF: {"exercise-bounds", "parity-bounds", "underlying-differs"},
    Kind.UNDERLYING_FROZEN: {"underlying-frozen", "exercise-bounds"},
}
CAUGHT = [
    *(Kind.CROSSED, Kind.WIDE, Kind.STALE, Kind.VERTICAL, Kind.BUTTERFLY, Kind.FAILED_IV),
    *(Kind.THETA_PER_YEAR, Kind.DELTA_FLIPPED, Kind.GREEKS_ZEROED),
    *MUST,
]


@cache
def clean(size):
    return hits(Market(1, size))


def hits(market):
    return {
        check["check"]: check["hits"] for check in judged(market, products.PRODUCTS["SPY"], DAY)["checks"]
    }


@pytest.mark.parametrize("kind", CAUGHT)
def test_a_defect_in_an_american_chain_is_found(kind):
    size = "small" if kind is Kind.CALENDAR else "tiny"

    found = hits(FlawedMarket(1, size, (Blemish(kind, 2, root="SPY"),)))

    new = {code for code, count in found.items() if count > clean(size)[code]}
    assert MUST.get(kind, expected.JUDGED[kind].must) <= new
