"""European option values and their first derivatives in closed form, in the vendor's units.

Black & Scholes (1973), The Pricing of Options and Corporate Liabilities; without dividends, as the vendor
computes index options (wire-facts, section 3): theta per day of 365, vega, rho and epsilon per 1.00, lambda
relative to the model's price. Nothing is cut off: a printed value is the truth truncated to four decimals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spx_data.quality.checks import Floats, Mask

DAYS = 365.0  # of a year
_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)
_WORTHLESS = 1e-9  # dollars: below it there is no elasticity


@dataclass(frozen=True)
class Values:
    """What options are worth and how that changes; arrays of one shape."""

    price: Floats
    delta: Floats
    theta: Floats
    vega: Floats
    rho: Floats
    epsilon: Floats
    elasticity: Floats  # the column lambda


def values(
    spot: Floats, strike: Floats, call: Mask, years: Floats, rate: Floats | float, volatility: Floats
) -> Values:
    """Value calls (and puts where not *call*); *spot*, *years* and *volatility* are positive."""
    from scipy.special import ndtr  # here, because many a short job loads this room and values nothing

    root = np.sqrt(years)
    deviation = volatility * root
    d1 = (np.log(spot / strike) + rate * years) / deviation + 0.5 * deviation
    side = np.where(call, 1.0, -1.0)
    delta = side * ndtr(side * d1)
    discounted = strike * np.exp(-rate * years)
    exercised = discounted * side * ndtr(side * (d1 - deviation))
    price = np.maximum(spot * delta - exercised, 0.0)
    density = spot * density_at(d1)
    worth = price > _WORTHLESS
    return Values(
        price=price,
        delta=delta,
        theta=(-0.5 * density * volatility / root - rate * exercised) / DAYS,
        vega=density * root,
        rho=exercised * years,
        epsilon=-spot * years * delta,
        elasticity=np.where(worth, delta * spot / np.where(worth, price, 1.0), 0.0),
    )


def density_at(deviations: Floats) -> Floats:
    """The density of the normal distribution."""
    return np.asarray(np.exp(-0.5 * deviations * deviations) / _ROOT_TWO_PI)


def d1_of(delta: Floats, call: Mask) -> Floats:
    """The d1 whose normal probability is a *delta*: infinite at 0 and 1, NaN outside of them."""
    from scipy.special import ndtri

    return np.asarray(ndtri(np.where(call, delta, 1.0 + delta)))
