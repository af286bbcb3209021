"""Quoted American options of a chain, priced by its table: held against the formula itself."""

import numpy as np
import pytest

from spx_data.pricing import american, quoted
from spx_data.pricing.black76 import Options
from spx_data.pricing.quoted import Quoted
from spx_data.pricing.table import Table

STAMPS, SPOT = 40, 400.0
NAMES = ("bid", "mid", "ask", "delta", "gamma", "theta", "vega", "rho")
# Name → days that are left, rate, and carry (r - q).
CHAINS = {
    "ten minutes": (0.007, 0.045, 0.031),
    "a day": (1, 0.045, 0.031),
    "a month": (30, 0.045, 0.031),
    "a month, no rate": (30, 0.0, 0.0),
    "half a year, large dividends": (180, 0.02, -0.02),
    "two years": (730, 0.05, 0.03),
}


class Made:
    """Options of a chain at volatilities of all sorts: deep in and out of the money, and at the bound."""

    def __init__(self, days, rate, carry, many=3_000):
        random = np.random.default_rng(11)
        years = days / 365 * np.linspace(1, 0.98, STAMPS)
        interest = (rate + random.normal(0, 0.001, STAMPS)) * years
        forward, discount = np.full(STAMPS, SPOT * np.exp(carry * days / 365)), np.exp(-interest)
        self.table = Table(years, interest, interest - carry * days / 365)
        self.place = random.integers(0, STAMPS, many)
        self.volatility = np.exp(random.uniform(np.log(0.03), np.log(1.5), many))
        away = self.volatility * np.sqrt(years[self.place]) * random.normal(0, 2, many)
        at, call = self.place, random.random(many) < 0.5
        self.options = Options(forward[at], discount[at], SPOT * np.exp(away), call, years[at])
        self.spot = np.full(many, SPOT)
        self.price = american.values(self.options, self.volatility, self.spot).price

    def values(self, bid, ask, rows=slice(None)):
        return priced(self.table, Quoted(self.options, self.spot, self.place, bid, ask).at(rows))


def priced(table, these):
    """All values of rows, by name."""
    found = {name: np.full(len(these.spot), np.nan) for name in NAMES}
    quoted.price(table, these.at, np.arange(len(these.spot)), list(found.values()))
    return found


@pytest.fixture(scope="module", params=CHAINS.values(), ids=CHAINS)
def made(request):
    return Made(*request.param)


@pytest.mark.parametrize("half", [0.0, 0.002, 0.2])
def test_each_volatility_gives_its_price_back(made, half):
    bid, ask = made.price * (1 - half), made.price * (1 + half)

    found = made.values(bid, ask)

    _, discount, strike, call, _ = made.options
    most = discount * np.where(call, made.options.forward, strike)
    for side, price in (("bid", bid), ("mid", 0.5 * (bid + ask)), ("ask", ask)):
        told = np.isfinite(found[side])
        paid = np.maximum(np.where(call, made.spot - strike, strike - made.spot), 0.0)
        assert not told[price <= paid].any()
        european = discount * np.maximum(np.where(call, 1, -1) * (made.options.forward - strike), 0)
        assert told[(price > np.maximum(paid, european) + 1e-9 * strike) & (price < most)].all()
        again = american.values(made.options, np.where(told, found[side], 0.2), made.spot).price
        # What is next to no volatility at all is beyond the formula.
        sure = told & (found[side] > 1e-3)
        off = np.abs(again - price)[sure] / np.maximum(strike, SPOT)[sure]
        assert np.quantile(off, 0.99) < 5e-7, side
        assert off.max() < 5e-6, side
        assert np.count_nonzero(told & ~sure) <= 2
        assert np.count_nonzero(told) > 600


def test_greeks_are_those_without_a_table(made):
    found = made.values(made.price, made.price)

    told = np.isfinite(found["mid"])
    exact = american.values(made.options, found["mid"], made.spot)
    for name, off in {"delta": 1e-5, "gamma": 1e-5, "theta": 1e-4, "vega": 5e-3, "rho": 2e-2}.items():
        wanted = getattr(exact, name)[told]
        one = np.abs(found[name][told] - wanted) / (1 + np.abs(wanted))
        # Where there is no rate, the formula's rho is that of the next tenth of a percent.
        assert np.quantile(one, 0.99) < off or (name == "rho" and made.options.discount.max() > 1), name
        assert np.isnan(found[name][~told]).all()


def test_rows_are_priced_alike_in_whatever_company():
    made = Made(*CHAINS["a month"])
    bid, ask = 0.97 * made.price, 1.03 * made.price
    whole = made.values(bid, ask)

    order = np.random.default_rng(2).permutation(len(bid))
    part, shuffled = made.values(bid, ask, slice(0, 700)), made.values(bid, ask, order)

    for name, values in whole.items():
        np.testing.assert_array_equal(part[name], values[:700], err_msg=name)
        np.testing.assert_array_equal(shuffled[name], values[order], err_msg=name)


@pytest.mark.parametrize("price", [0.0, -1.0, np.nan, np.inf, 5_000.0])
def test_what_is_no_price_of_an_option_has_no_value(price):
    made = Made(30, 0.045, 0.031, many=40)

    found = made.values(np.full(40, price), np.full(40, price))

    assert all(np.isnan(values).all() for values in found.values())


def test_without_one_carry_a_table_knows_nothing():
    years = np.linspace(0.1, 0.2, 5)
    table = Table(years, 0.04 * years, 0.01 * years)
    call, place, u = np.array([0, 1]), np.array([2, 2]), np.full(2, np.log(0.1))

    assert np.isnan(table.at(call, place, u, np.zeros(2)).value).all()


def test_what_the_table_does_not_know_is_found_without_it():
    options = Options(*(np.array([each]) for each in (SPOT, 0.999, 100.0, False, 0.01)))
    spot, place = np.array([SPOT]), np.array([0])
    table = Table(options.years, -np.log(options.discount), np.array([0.0005]))
    price = american.values(options, np.array([12.0]), spot).price

    found = priced(table, Quoted(options, spot, place, price, price))

    assert found["mid"] == pytest.approx([12.0], rel=1e-6)
    assert all(np.isfinite(each).all() for each in found.values())
