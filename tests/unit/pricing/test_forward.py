"""The forward and the discount factor by parity: exact, robust, and nothing where there is not enough."""

import numpy as np
import pytest

from spx_data.pricing import forward

STRIKES = np.arange(4_500.0, 5_025.0, 25.0)


def differences(level=4_760.0, discount=0.99, stamps=3):
    """Return C - P at every strike and stamp, as parity has it, the forward rising a dollar a stamp."""
    return discount * (level + np.arange(stamps) - STRIKES[:, np.newaxis])


def found(difference, width=0.4, years=0.2, **more):
    line = forward.fit(STRIKES, difference, np.broadcast_to(width, difference.shape) * 1.0)
    return forward.implied(line, np.full(difference.shape[1], years), **more)


def test_parity_gives_the_forward_and_the_discount_factor():
    implied = found(differences())

    assert implied.forward == pytest.approx([4_760.0, 4_761.0, 4_762.0], rel=1e-6)
    assert implied.discount == pytest.approx(0.99, abs=1e-4)


def test_one_quote_that_is_wrong_moves_nothing():
    spoilt = differences()
    spoilt[4] += 30.0

    implied = found(spoilt)

    assert implied.forward == pytest.approx([4_760.0, 4_761.0, 4_762.0], rel=1e-6)


def test_narrow_quotes_count_and_wide_ones_hardly():
    width = np.where(np.abs(STRIKES - 4_760) < 150, 0.2, 40.0)[:, np.newaxis]
    off = differences() + np.where(width > 1, 15.0, 0.0)

    implied = found(off, width)

    assert implied.forward == pytest.approx([4_760.0, 4_761.0, 4_762.0], rel=1e-5)


@pytest.mark.parametrize("years", [1e-6, 1 / 365, 7 / 365])
def test_in_the_last_days_noise_makes_no_rate(years):
    """A cent of noise on each quote would be a rate of hundreds of percent, was it taken at its word."""
    noise = np.random.default_rng(1).uniform(-0.2, 0.2, (len(STRIKES), 200))
    noisy = np.exp(-0.04 * years) * (4_760.0 - STRIKES[:, np.newaxis]) + noise

    implied = found(noisy, years=years)

    rates = -np.log(implied.discount) / years
    assert np.abs(rates - 0.04).max() < 0.06
    assert np.abs(implied.forward - 4_760.0).max() < 0.5


@pytest.mark.parametrize("rate", [-0.01, 0.0, 0.05])
def test_months_before_the_end_the_rate_is_that_of_the_quotes(rate):
    implied = found(differences(discount=np.exp(-rate * 0.5)), width=0.1, years=0.5)

    assert -np.log(implied.discount) / 0.5 == pytest.approx(rate, abs=2e-4)


def test_a_rate_can_be_left_to_what_rates_are():
    implied = found(differences(), usual_rate=True)

    assert implied.discount == pytest.approx(forward.usual_discount(np.full(3, 0.2)))


def test_where_there_is_not_enough_there_is_nothing():
    few, broken, upside_down = differences(), differences(), differences(discount=-0.99)
    few[2:, 1] = np.nan
    broken[:, 2] = np.nan

    assert np.isnan(found(few).forward).tolist() == [False, True, False]
    assert np.isnan(found(broken).discount).tolist() == [False, False, True]
    assert np.isnan(found(upside_down).forward).all()
    assert np.isnan(found(differences(), years=0.0).forward).all()
    assert np.isnan(found(np.full((len(STRIKES), 2), np.nan)).forward).all()
