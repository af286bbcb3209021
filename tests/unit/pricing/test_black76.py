"""Prices, greeks and implied volatilities by Black-76, against QuantLib and against their own differences."""

import itertools
import math

import numpy as np
import pytest
import QuantLib
from hypothesis import given, settings
from hypothesis import strategies as st

from spx_data.pricing import black76
from spx_data.pricing.black76 import Options

GREEKS = ("price", "delta", "gamma", "theta", "vega", "rho")
MINUTE = 1 / (365 * 24 * 60)  # of a year


def reference(forward, discount, strike, call, years, volatility):
    """Return what QuantLib says of an option on what costs D F, in the units of ours."""
    payoff = QuantLib.PlainVanillaPayoff(QuantLib.Option.Call if call else QuantLib.Option.Put, strike)
    found = QuantLib.BlackCalculator(payoff, forward, volatility * math.sqrt(years), discount)
    spot = forward * discount
    return (
        found.value(),
        found.delta(spot),
        found.gamma(spot),
        found.theta(spot, years) / 365,
        found.vega(years),
        found.rho(years),
    )


def market(many, seed):
    """Options from a minute to five years from their end, rates below zero and above, far out and far in."""
    random = np.random.default_rng(seed)
    forward = random.uniform(20, 6500, many)
    years = np.exp(random.uniform(np.log(MINUTE), np.log(5), many))
    volatility = np.exp(random.uniform(np.log(0.02), np.log(3), many))
    away = np.clip(random.normal(0, 1.5, many) * volatility * np.sqrt(years), -7, 7)
    strike = forward * np.exp(away)
    rate = random.choice([0.0, -0.02, 0.001, 0.05, 0.12], many)
    return forward, np.exp(-rate * years), strike, random.random(many) < 0.5, years, volatility


def values(*options):
    """Value options with a volatility each, its last argument."""
    return black76.values(Options(*options[:5]), options[5])


def time_value(options, price):
    forward, discount, strike, call, *_ = options
    return price / discount - np.maximum(np.where(call, forward - strike, strike - forward), 0)


@pytest.fixture(scope="module")
def options():
    return market(4_000, 20240103)


@pytest.mark.parametrize("name", GREEKS)
def test_every_value_is_that_of_an_independent_library(name, options):
    found = values(*options)

    wanted = [
        reference(*row)[GREEKS.index(name)] for row in zip(*(each.tolist() for each in options), strict=True)
    ]
    assert getattr(found, name) == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "moved", "unit"),
    [
        # The underlying costs D F: it moves while the rate does not, and the rate while that does not.
        ("delta", lambda f, d, k, c, t, v, h: (f + h / d, d, k, c, t, v), 1.0),
        ("vega", lambda f, d, k, c, t, v, h: (f, d, k, c, t, v + h), 1.0),
        ("rho", lambda f, d, k, c, t, v, h: (f * np.exp(h * t), d * np.exp(-h * t), k, c, t, v), 1.0),
        (
            "theta",
            lambda f, d, k, c, t, v, h: (f * d ** (h / t), d ** (1 - h / t), k, c, t - h, v),
            1 / 365,
        ),
    ],
)
def test_greeks_are_the_slopes_of_the_price(name, moved, unit, options):
    options = [each[options[4] > 1 / 365] for each in options]
    step = {"delta": 1e-4 * options[0], "vega": 1e-5, "rho": 1e-5, "theta": 1e-5 * options[4]}[name]

    up, down = (values(*moved(*options, way * step)).price for way in (1, -1))

    wanted, found = (up - down) / (2 * step) * unit, getattr(values(*options), name)
    assert found == pytest.approx(wanted, rel=1e-3, abs=2e-3 * unit)


def test_gamma_is_the_slope_of_delta(options):
    forward, discount, strike, call, years, volatility = options
    step = 1e-5 * strike * volatility * np.sqrt(years)

    up, down = (
        values(forward + way * step / discount, discount, strike, call, years, volatility).delta
        for way in (1, -1)
    )

    wanted = (up - down) / (2 * step)
    assert values(*options).gamma == pytest.approx(wanted, rel=1e-4, abs=1e-6 * wanted.max())


def test_a_volatility_comes_back_from_its_price_as_exactly_as_the_price_has_it(options):
    price = values(*options).price

    found = black76.implied(Options(*options[:5]), price)

    told = time_value(options, price) > 1e-13 * (options[0] + options[2])
    assert np.isfinite(found[told]).all() and np.count_nonzero(told) > 3_500
    again = values(*options[:5], found)
    # What a price of this size cannot say more exactly, in units of its last place.
    ulps = np.abs(again.price - price) / np.spacing(np.maximum(options[0], options[2]))
    assert ulps[told].max() <= 32
    assert np.quantile(ulps[told], 0.99) <= 2


def test_volatilities_are_those_of_an_independent_library(options):
    price = values(*options).price

    found = black76.implied(Options(*options[:5]), price)

    # That library wants a price that is not near its bounds.
    inside = (options[5] * np.sqrt(options[4]) < 2) & (time_value(options, price) > 1e-5 * options[2])
    told, wanted = np.flatnonzero(inside)[:2_000], []
    for row in told:
        forward, discount, strike, call, years, _ = (each[row].item() for each in options)
        side = QuantLib.Option.Call if call else QuantLib.Option.Put
        deviation = QuantLib.blackFormulaImpliedStdDev(
            side, strike, forward, price[row].item(), discount, 0.0, 0.5, 1e-12, 10_000
        )
        wanted.append(deviation / math.sqrt(years))
    assert found[told] == pytest.approx(wanted, rel=1e-7)
    assert len(told) > 1_500


def one(*values):
    return [np.array([value], dtype=np.bool_ if isinstance(value, bool) else np.float64) for value in values]


@pytest.mark.parametrize(
    ("price", "what"),
    [
        (100.0, "at its intrinsic value"),
        (99.0, "below it"),
        (0.0, "nothing"),
        (-1.0, "less than nothing"),
        (5000.0, "at its upper bound"),
        (6000.0, "above it"),
        (math.nan, "unknown"),
        (math.inf, "infinite"),
    ],
)
def test_a_price_that_no_volatility_gives_has_none(price, what):
    (found,) = black76.implied(Options(*one(5000.0, 1.0, 4900.0, True, 0.1)), np.array([price]))

    assert math.isnan(found), what


@pytest.mark.parametrize("years", [0.0, -0.001, math.nan])
def test_where_no_time_is_left_there_is_no_value(years):
    options = Options(*one(5000.0, 1.0, 4900.0, True, years))

    assert math.isnan(black76.implied(options, np.array([101.0]))[0])
    assert all(math.isnan(value[0]) for value in black76.values(options, np.array([0.2])))


HOSTILE = itertools.product([1e-4, 1e-3, 0.02, 0.3, 2.0, 6.0], [0.0, 1e-12, 1e-4, 0.1, 1.0, 5.0])


@pytest.mark.parametrize(
    ("deviation", "apart"),
    # Beyond that an option is worth less than the smallest number.
    [(deviation, apart) for deviation, apart in HOSTILE if apart < 37 * deviation],
)
def test_hostile_deviations_come_back(deviation, apart):
    """From a ten-thousandth to six, at the money and e^5 away, as far as a price is a number at all."""
    high, low = math.exp(apart / 2), math.exp(-apart / 2)
    d1 = -apart / deviation + deviation / 2

    def tail(z):
        return 0.5 * math.erfc(-z / math.sqrt(2))

    worth = low * tail(d1) - high * tail(d1 - deviation)

    (found,) = black76.deviation(np.array([apart]), np.array([worth]))

    # The price in its last place, seen as a deviation; the reference itself is a difference of two tails.
    vega = low * math.exp(-0.5 * d1 * d1) / math.sqrt(2 * math.pi)
    assert abs(found - deviation) <= 16 * high * np.spacing(1.0) * max(tail(d1), worth) / vega + 4e-16


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    st.floats(1e-3, 1e6),
    st.floats(-0.05, 0.2),
    st.floats(-3, 3),
    st.booleans(),
    st.floats(MINUTE / 60, 10),
    st.floats(1e-3, 20),
    st.floats(1e-6, 1 - 1e-6),
)
def test_whatever_price_there_can_be_has_a_volatility_that_gives_it(
    forward, rate, away, call, years, start, share
):
    """A price is any *share* of the way from its lower bound to its upper one; a start may be anywhere."""
    strike, discount = forward * math.exp(away), math.exp(-rate * years)
    most = forward if call else strike
    intrinsic = max(forward - strike if call else strike - forward, 0.0)
    price = discount * (intrinsic + share * (most - intrinsic))
    options = Options(*one(forward, discount, strike, call, years))

    found = black76.implied(options, np.array([price]), np.array([start]))

    assert np.isfinite(found).all()
    assert black76.values(options, found).price == pytest.approx(
        price, rel=1e-9, abs=1e-13 * (forward + strike)
    )
