"""American options: the approximation's error against QuantLib's engine, as docs/data.md states it."""

import numpy as np
import pytest
import QuantLib

from spx_data.pricing import american, black76, quoted
from spx_data.pricing.black76 import Options
from spx_data.pricing.table import Table

SPOT = 400.0
# Days to expiration, and the most that a price may be off, in hundredths of a percent of the underlying:
# at the 99th percentile, and ever. The same figures stand in docs/data.md.
STATED = {(0.01, 1): (0.03, 0.1), (1, 30): (0.3, 1.0), (30, 180): (2.5, 6.0), (180, 730): (12.0, 25.0)}


class Engine:
    """QuantLib's engine of Andersen, Lake & Offengenden, for options that have a year left.

    A price depends on the product of time with variance, rate and yield: so any time can be told as a year.
    """

    def __init__(self):
        today = QuantLib.Date(1, 1, 2023)
        QuantLib.Settings.instance().evaluationDate = today
        self.quotes = [QuantLib.SimpleQuote(value) for value in (SPOT, 0.01, 0.01, 0.2)]
        spot, dividends, rate, volatility = (QuantLib.QuoteHandle(quote) for quote in self.quotes)
        days = QuantLib.Actual365Fixed()
        curves = (
            QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, each, days))
            for each in (dividends, rate)
        )
        surface = QuantLib.BlackConstantVol(today, QuantLib.NullCalendar(), volatility, days)
        process = QuantLib.BlackScholesMertonProcess(
            spot, *curves, QuantLib.BlackVolTermStructureHandle(surface)
        )
        self.exercise = QuantLib.AmericanExercise(today, today + 365)
        self.engine = QuantLib.QdFpAmericanEngine(process, QuantLib.QdFpAmericanEngine.accurateScheme())

    def price(self, spot, strike, call, years, rate, dividends, volatility):
        values = (spot, dividends * years, rate * years, volatility * years**0.5)
        for quote, value in zip(self.quotes, values, strict=True):
            quote.setValue(value)
        payoff = QuantLib.PlainVanillaPayoff(QuantLib.Option.Call if call else QuantLib.Option.Put, strike)
        option = QuantLib.VanillaOption(payoff, self.exercise)
        option.setPricingEngine(self.engine)
        return option.NPV()


def market(low, high, many, seed=7):
    """Options on 400 dollars between *low* and *high* days from their end."""
    random = np.random.default_rng(seed)
    years = np.exp(random.uniform(np.log(low), np.log(high), many)) / 365
    volatility = np.exp(random.uniform(np.log(0.08), np.log(0.8), many))
    strike = SPOT * np.exp(random.normal(0, 1, many) * volatility * np.sqrt(years))
    rate, dividends = random.uniform(0, 0.06, many), random.uniform(0, 0.03, many)
    return np.full(many, SPOT), strike, random.random(many) < 0.5, years, rate, dividends, volatility


def arguments(spot, strike, call, years, rate, dividends, volatility):
    forward, discount = spot * np.exp((rate - dividends) * years), np.exp(-rate * years)
    return Options(forward, discount, strike, call, years), volatility, spot


@pytest.mark.parametrize("days", STATED, ids=str)
def test_prices_are_as_near_to_an_exact_engine_as_is_stated(days):
    options = market(*days, 1_000)
    engine = Engine()

    found = american.values(*arguments(*options)).price

    wanted = [engine.price(*row) for row in zip(*(each.tolist() for each in options), strict=True)]
    off = np.abs(found - wanted) / SPOT * 1e4
    most, ever = STATED[days]
    assert np.quantile(off, 0.99) <= most
    assert off.max() <= ever


@pytest.mark.parametrize("days", STATED, ids=str)
def test_volatilities_of_a_chain_are_as_near_to_an_exact_engine(days):
    """Those of bid, midpoint and ask, which a table of the chain's premiums gives."""
    rate, dividends = 0.045, 0.02
    spot, strike, call, _, _, _, volatility = market(*days, 80, seed=9)
    years = np.full(80, np.sqrt(days[0] * days[1]) / 365)
    strike = SPOT * np.exp(np.random.default_rng(4).normal(0, 1, 80) * volatility * np.sqrt(years))
    table = Table(years[:1], rate * years[:1], dividends * years[:1])
    options, _, _ = arguments(spot, strike, call, years, rate, dividends, volatility)
    engine, place = Engine(), np.zeros(80, dtype=np.int64)
    price = np.array(
        [
            engine.price(*each, rate, dividends, sigma)
            for *each, sigma in zip(
                *(each.tolist() for each in (spot, strike, call, years, volatility)), strict=True
            )
        ]
    )

    found = [np.full(80, np.nan) for _ in range(8)]
    quoted.price(table, quoted.Quoted(options, spot, place, price, price).at, np.arange(80), found)

    # An error of the price is one of the volatility times vega.
    told = np.isfinite(found[1])
    off = (np.abs(found[1] - volatility) * american.values(options, volatility, spot).vega)[told] / SPOT * 1e4
    assert np.count_nonzero(told) > 60
    assert np.quantile(off, 0.95) <= STATED[days][0]
    assert found[0][told] == pytest.approx(found[1][told], rel=1e-6)


@pytest.fixture(scope="module")
def options():
    return arguments(*market(0.02, 730, 4_000, seed=3))


def test_american_options_are_worth_what_european_ones_are_and_more_and_what_exercise_pays(options):
    (_, _, strike, call, _), volatility, spot = options

    found = american.values(*options).price

    european = black76.values(options[0], volatility).price
    assert (found >= european * (1 - 1e-12)).all()
    assert (found >= np.where(call, spot - strike, strike - spot) - 2e-3 * strike).all()
    assert np.count_nonzero(found > european + 0.01) > 500


@pytest.mark.parametrize(
    ("call", "rate", "dividends"), [(True, 0.05, 0.0), (False, 0.0, 0.02), (False, -0.01, 0.0)]
)
def test_what_nobody_exercises_early_is_european(call, rate, dividends):
    strike, years = np.linspace(300, 500, 41), np.full(41, 0.5)
    forward, discount = np.full(41, 400 * np.exp((rate - dividends) / 2)), np.full(41, np.exp(-rate / 2))
    common = Options(forward, discount, strike, np.full(41, call), years), np.full(41, 0.25)

    found, european = american.values(*common, np.full(41, 400.0)), black76.values(*common)

    assert found.price == pytest.approx(european.price, rel=1e-12)
    assert found.vega == pytest.approx(european.vega, rel=1e-9, abs=1e-9)


def test_a_volatility_comes_back_from_its_price(options):
    (_, _, strike, call, _), _, spot = options
    price = american.values(*options).price

    found = american.implied(options[0], price, spot)

    paid = price <= np.where(call, spot - strike, strike - spot) + 1e-12 * strike
    assert (np.isnan(found.volatility) == paid).all()
    again = american.values(options[0], found.volatility, spot).price
    assert np.abs(again - price)[~paid].max() <= 1e-5
    assert np.count_nonzero(paid) > 20


def test_a_volatility_is_the_same_from_wherever_the_search_begins(options):
    _, _, spot = options
    price = american.values(*options).price
    begun = american.implied(options[0], 1.02 * price, spot)

    found = american.implied(options[0], price, spot, begun).volatility

    cold = american.implied(options[0], price, spot).volatility
    again, wanted = (american.values(options[0], iv, spot).price for iv in (found, cold))
    np.testing.assert_allclose(again, wanted, rtol=0, atol=1e-5)


def test_greeks_are_the_slopes_of_the_price(options):
    (forward, discount, strike, call, years), volatility, spot = options
    found = american.values(*options)
    rate = -np.log(discount) / years

    def later(h):
        carried = spot * (forward / spot) ** (1 - h / years)
        return Options(carried, np.exp(-rate * (years - h)), strike, call, years - h), volatility, spot

    def dearer(h):
        moved = forward * np.exp(h * years), discount * np.exp(-h * years)
        return Options(*moved, strike, call, years), volatility, spot

    def higher(h):
        return Options(forward * (1 + h / spot), discount, strike, call, years), volatility, spot + h

    shifts = {
        "delta": (1e-4 * spot, 1.0, higher),
        "vega": (1e-4, 1.0, lambda h: (options[0], volatility + h, spot)),
        "rho": (1e-4, 1.0, dearer),
        "theta": (1e-4 * years, 1 / 365, later),
    }
    for name, (step, unit, moved) in shifts.items():
        up, down = (american.values(*moved(way * step)).price for way in (1, -1))
        off = np.abs(getattr(found, name) - (up - down) / (2 * step) * unit)
        # Where exercise begins to pay, a price has a kink; theta is what the equation says, not this formula.
        assert np.quantile(off, 0.9) <= {"delta": 1e-4, "vega": 2e-2, "rho": 5e-2, "theta": 5e-3}[name], name
        assert np.quantile(off, 0.99) <= {"delta": 2e-2, "vega": 0.2, "rho": 2.0, "theta": 0.05}[name], name


def one(*values):
    return [np.array([value]) for value in values]


def test_what_is_exercised_moves_with_the_underlying_and_with_nothing_else():
    options = Options(*one(400 * np.exp(0.025), np.exp(-0.025), 800.0, False, 0.5))
    (spot,) = one(400.0)

    found = american.values(options, *one(0.1), spot)

    assert [value[0] for value in found] == [400.0, -1.0, 0.0, 0.0, 0.0, 0.0]
    assert np.isnan(american.implied(options, found.price, spot).volatility[0])


@pytest.mark.parametrize("years", [0.0, -1.0, np.nan])
def test_where_no_time_is_left_there_is_no_value(years):
    options = Options(*one(400.0, 1.0, 390.0, True, years))

    assert np.isnan(american.implied(options, *one(10.5, 400.0)).volatility[0])
    assert np.isnan(american.values(options, *one(0.2, 400.0)).price[0])
