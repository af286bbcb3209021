"""Values and greeks in closed form, against a pricing library that shares no line with ours."""

import math

import numpy as np
import pytest
import QuantLib

from spx_data.quality import black_scholes

COLUMNS = ("price", "delta", "theta", "vega", "rho", "epsilon", "elasticity")


def reference(spot, strike, call, years, rate, volatility):
    """Return what QuantLib says, in the vendor's units."""
    discount = math.exp(-rate * years)
    payoff = QuantLib.PlainVanillaPayoff(QuantLib.Option.Call if call else QuantLib.Option.Put, strike)
    found = QuantLib.BlackCalculator(payoff, spot / discount, volatility * math.sqrt(years), discount)
    return (
        found.value(),
        found.delta(spot),
        found.theta(spot, years) / 365,
        found.vega(years),
        found.rho(years),
        found.dividendRho(years),
        found.elasticity(spot),
    )


@pytest.fixture(scope="module")
def inputs():
    random, many = np.random.default_rng(20240103), 2_000
    spot = random.uniform(2000, 6500, many)
    years = np.exp(random.uniform(np.log(1 / 8760), np.log(5), many))
    volatility = np.exp(random.uniform(np.log(0.03), np.log(1.5), many))
    strike = spot * np.exp(random.normal(0, 1.5, many) * volatility * np.sqrt(years))
    return spot, strike, random.random(many) < 0.5, years, random.uniform(-0.01, 0.08, many), volatility


@pytest.mark.parametrize("column", COLUMNS)
def test_every_value_is_that_of_an_independent_library(column, inputs):
    found = black_scholes.values(*inputs)

    rows = zip(*(array.tolist() for array in inputs), strict=True)
    wanted = np.array([reference(*row)[COLUMNS.index(column)] for row in rows])
    # A price of less than a cent is a difference of thousands: its reciprocal holds fewer digits.
    told = found.price > 0.01 if column == "elasticity" else np.full(len(wanted), True)
    assert getattr(found, column)[told] == pytest.approx(wanted[told], rel=1e-9, abs=1e-9)
    assert np.count_nonzero(told) > 1_500


def test_the_worthless_have_no_elasticity():
    one = np.array([1.0])

    found = black_scholes.values(5000 * one, 9000 * one, one > 0, one / 365, 0.05, 0.05 * one)

    assert (found.price[0], found.elasticity[0]) == (0.0, 0.0)


def test_the_normal_distribution_is_that_of_the_standard_library():
    deviations = np.concatenate([np.linspace(-40, 40, 8_001), [-7.0710678118654, 7.0710678118654, -0.0]])

    found = black_scholes.probability(deviations)

    wanted = [0.5 * math.erfc(-deviation / math.sqrt(2)) for deviation in deviations]
    assert found == pytest.approx(wanted, rel=0, abs=5e-16)
    assert found[:4_000] == pytest.approx(wanted[:4_000], rel=1e-8, abs=1e-300)


def test_what_is_no_probability_has_no_d1():
    delta = np.array([0.0, 1.0, -0.001, 1.001, np.nan])

    found = black_scholes.d1_of(delta, np.full(5, True))

    assert found.tolist()[:2] == [-math.inf, math.inf]
    assert np.isnan(found[2:]).all()


def test_d1_comes_back_from_its_delta():
    call, delta = np.array([True, True, False]), np.array([0.25, 0.5, -0.25])

    found = black_scholes.d1_of(delta, call)

    assert found == pytest.approx([-0.6744897501960817, 0.0, 0.6744897501960817])
