"""The vendor's Greeks, against genuine rows and formulas derived again by other means."""

from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from theta_simulator import greeks, sessions
from theta_simulator.greeks import Inputs, Version

NAMES = ("delta", "theta", "vega", "rho", "epsilon", "lambda_", "implied_vol", "iv_error")


def solve(spot, strike, call, years, rate, mid, guess=0.25):
    count = max(np.size(value) for value in (spot, strike, call, years, mid))
    columns = (
        np.broadcast_to(np.asarray(value), (count,)).copy() for value in (spot, strike, call, years, mid)
    )
    spot, strike, call, years, mid = columns
    rows = Inputs(spot.astype(float), strike.astype(float), call, years, rate, mid.astype(float))
    return greeks.first_order(rows, 0.2 * np.sqrt(years), guess)


def expected_payoff(spot, strike, call, years, rate, dividend, vol):
    """Price by integrating the payoff over the lognormal density: no Black-Scholes formula in sight."""
    deviation = vol * np.sqrt(years)
    mean = np.log(spot) + (rate - dividend - 0.5 * vol**2) * years
    sign = 1.0 if call else -1.0

    def weighted(z):
        return max(sign * (np.exp(mean + deviation * z) - strike), 0.0) * np.exp(-0.5 * z * z)

    kink = (np.log(strike) - mean) / deviation
    edges = np.clip([-12.0, kink, 12.0], -12.0, 12.0)
    total = sum(quad(weighted, low, high, epsabs=1e-10)[0] for low, high in pairwise(edges))
    return np.exp(-rate * years) * total / np.sqrt(2.0 * np.pi)


@pytest.mark.parametrize("strike", [4600.0, 4750.0, 4800.0, 4900.0])
@pytest.mark.parametrize("call", [True, False])
def test_greeks_are_the_slopes_of_an_integrated_payoff(strike, call):
    spot, years, rate, vol = 4783.0, 17 / 365, 0.0531, 0.142

    def price(spot=spot, years=years, rate=rate, dividend=0.0, vol=vol):
        return expected_payoff(spot, strike, call, years, rate, dividend, vol)

    def slope(name, at, width):
        return (price(**{name: at + width}) - price(**{name: at - width})) / (2.0 * width)

    found = solve(spot, strike, call, years, rate, price())

    # Four decimals cut off, and a volatility good to a price tolerance of 0.001.
    assert found.implied_vol[0] == pytest.approx(vol, abs=2e-4)
    assert found.delta[0] == pytest.approx(slope("spot", spot, 0.5), abs=3e-4)
    assert found.vega[0] == pytest.approx(slope("vol", vol, 1e-4), abs=0.05)
    assert found.theta[0] == pytest.approx(-slope("years", years, 1e-5) / 365.0, abs=2e-3)
    assert found.rho[0] == pytest.approx(slope("rate", rate, 1e-4), abs=0.05)
    assert found.epsilon[0] == pytest.approx(slope("dividend", 0.0, 1e-4), abs=0.05)
    assert found.lambda_[0] == pytest.approx(slope("spot", spot, 0.5) * spot / price(), abs=0.02)
    assert found.iv_error[0] == pytest.approx(0.0, abs=1e-3)


def test_genuine_rows_come_out_again(samples):
    genuine = pl.read_csv(samples / "v2_hist_option_greeks.SPXW_20241024_5850C_1h.csv")
    expiration = date(2024, 10, 24)
    years = [
        Version.V2.years(date(day // 10_000, day // 100 % 100, day % 100), expiration, np.array([0]))[0]
        for day in genuine["date"]
    ]
    mid = (0.5 * (genuine["bid"] + genuine["ask"])).to_numpy()

    ours = solve(genuine["underlying_price"].to_numpy(), 5850.0, True, np.array(years), 0.0483, mid, 0.5)

    # Below three dollars the vendor's own search is off by up to half a cent.
    dear = mid > 3.0
    assert dear.sum() > 30
    tolerances = {
        "delta": 3e-4,
        "theta": 0.01,
        "vega": 0.06,
        "rho": 5e-3,
        "epsilon": 5e-3,
        "implied_vol": 2e-4,
    }
    for name, tolerance in tolerances.items():
        np.testing.assert_allclose(getattr(ours, name)[dear], genuine[name].to_numpy()[dear], atol=tolerance)
    np.testing.assert_allclose(ours.lambda_[dear], genuine["lambda"].to_numpy()[dear], rtol=2e-3)
    np.testing.assert_allclose(ours.delta[~dear], genuine["delta"].to_numpy()[~dear], atol=1.5e-3)


def test_a_v3_terminal_counts_whole_days_before_the_expiration_day(samples):
    genuine = pl.read_csv(samples / "v3_option_history_trade_greeks_first_order.AAPL_20241108.csv")
    genuine = genuine.filter((pl.col("strike") == 140.0) & (pl.col("delta") < 1.0))

    # epsilon / (delta * spot) is the time the vendor used, here before noon.
    days = -genuine["epsilon"] / (genuine["delta"] * genuine["underlying_price"]) * 365.0

    ours = Version.LATEST.years(date(2024, 11, 4), date(2024, 11, 8), np.array([12 * sessions.HOUR])) * 365.0
    np.testing.assert_allclose(days.to_numpy(), ours[0], atol=0.01)


def test_the_expiration_day_differs_by_version():
    day, noon = date(2024, 1, 2), np.array([12 * sessions.HOUR, 15 * sessions.HOUR + 30 * sessions.MINUTE])

    assert Version.ONE.years(day, day, noon).tolist() == [0.15 / 365.0] * 2
    assert Version.V2.years(day, day, noon).tolist() == [0.15 / 365.0] * 2
    np.testing.assert_allclose(Version.LATEST.years(day, day, noon) * 365.0 * 24.0, [4.0, 1.0])


def test_decimals_are_cut_not_rounded_and_zero_has_no_sign():
    cut = greeks.cut(np.array([0.10839, -0.10839, -0.00001]))

    assert cut.tolist() == [0.1083, -0.1083, 0.0]
    assert not np.signbit(cut[2])


@pytest.mark.parametrize(("call", "strike", "delta"), [(True, 1000.0, 1.0), (False, 9000.0, -1.0)])
def test_a_price_below_intrinsic_keeps_only_delta(call, strike, delta):
    intrinsic = abs(5000.0 - strike * np.exp(-0.05 * 0.1))

    found = solve(5000.0, strike, call, 0.1, 0.05, intrinsic - 10.0)

    values = [getattr(found, name)[0] for name in NAMES[:7]]
    assert values == [delta, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert found.iv_error[0] == pytest.approx(intrinsic / (intrinsic - 10.0) - 1.0, abs=1e-4)


@pytest.mark.parametrize("guess", [0.25, 0.5])
def test_no_market_leaves_the_guess_behind(guess):
    found = solve(5000.0, 5600.0, True, 7 / 365, 0.05, 0.0, guess)

    assert found.implied_vol[0] == guess
    assert found.iv_error[0] == 100.0
    assert 0.0 <= found.delta[0] < 0.1


def test_no_market_deep_in_the_money_has_delta_one():
    found = solve(5000.0, 1000.0, True, 7 / 365, 0.05, 0.0)

    assert [found.delta[0], found.implied_vol[0], found.iv_error[0], found.vega[0]] == [1.0, 0.0, 100.0, 0.0]


def test_no_underlying_means_nothing_but_an_error():
    found = solve(0.0, 5000.0, True, 7 / 365, 0.05, 12.0)

    assert [getattr(found, name)[0] for name in NAMES] == [0.0] * 7 + [100.0]


def test_pennies_far_away_are_still_solved():
    years = 0.15 / 365.0

    found = solve(5000.0, np.array([400.0, 2000.0, 3000.0]), False, years, 0.05, 0.025)

    for strike, vol in zip((400.0, 2000.0, 3000.0), found.implied_vol, strict=True):
        exact = brentq(
            lambda v, k=strike: expected_payoff(5000.0, k, False, years, 0.05, 0.0, v) - 0.025, 0.5, 60.0
        )
        assert vol == pytest.approx(exact, rel=5e-3)
