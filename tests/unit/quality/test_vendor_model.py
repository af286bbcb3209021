"""The vendor's values and greeks in closed form, against a pricing library that shares no line with ours."""

import math

import numpy as np
import pytest
import QuantLib

from spx_data.quality import vendor_model

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
    found = vendor_model.values(*inputs)

    rows = zip(*(array.tolist() for array in inputs), strict=True)
    wanted = np.array([reference(*row)[COLUMNS.index(column)] for row in rows])
    # A price of less than a cent is a difference of thousands: its reciprocal holds fewer digits.
    told = found.price > 0.01 if column == "elasticity" else np.full(len(wanted), True)
    assert getattr(found, column)[told] == pytest.approx(wanted[told], rel=1e-9, abs=1e-9)
    assert np.count_nonzero(told) > 1_500


def test_the_worthless_have_no_elasticity():
    one = np.array([1.0])

    found = vendor_model.values(5000 * one, 9000 * one, one > 0, one / 365, 0.05, 0.05 * one)

    assert (found.price[0], found.elasticity[0]) == (0.0, 0.0)
