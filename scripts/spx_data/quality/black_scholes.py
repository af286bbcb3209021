"""European option values and their first derivatives in closed form, and records to be explained by them.

Black & Scholes (1973), The Pricing of Options and Corporate Liabilities; without dividends, as the vendor
computes index options (docs/wire.md, 3): theta per day of 365, vega, rho and epsilon per 1.00, lambda
relative to the model's price. Nothing is cut off: a printed value is the truth truncated to four decimals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from spx_data.quality.checks import Floats, Ints, Mask

GREEKS = ("delta", "theta", "vega", "rho", "epsilon", "lambda")
PRINTED = 1e-4  # the last decimal of every value, behind which all are cut off
DAY_MS = 86_400_000.0

CHEAP, SOLVER = 3.0, 0.006  # dollars: what the vendor's solver is off for cheap options
EXACT = 0.0015  # dollars: the same for all others

DAYS = 365.0  # of a year
_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)
_WORTHLESS = 1e-9  # dollars: below it there is no elasticity

# Hart (1968), Computer Approximations, algorithm 5666, as printed by West (2005), Better approximations to
# cumulative normal functions: within 3e-16 of the truth. A library for it would cost each short job more
# to load than a large date has to compute (docs/decisions/0019).
_ABOVE = (
    3.52624965998911e-02,
    0.700383064443688,
    6.37396220353165,
    33.912866078383,
    112.079291497871,
    221.213596169931,
    220.206867912376,
)
_BELOW = (
    8.83883476483184e-02,
    1.75566716318264,
    16.064177579207,
    86.7807322029461,
    296.564248779674,
    637.333633378831,
    793.826512519948,
    440.413735824752,
)
_FAR = 7.07106781186547


@dataclass(frozen=True)
class Rows:
    """Records to be explained: arrays of one length; a value that the source left out is NaN."""

    spot: Floats  # dollars
    strike: Floats
    call: Mask
    days: Floats  # whole calendar days to expiration
    left: Floats  # ms until 16:00 in New York on the expiration date
    shift: Floats  # ms that New York's clocks are put forward between the date and the expiration
    mid: Floats
    iv: Floats
    iv_error: Floats
    printed: Floats  # (greeks, records)

    def __len__(self) -> int:
        return len(self.spot)

    def greek(self, name: str) -> Floats:
        """The printed values of one greek."""
        return np.asarray(self.printed[GREEKS.index(name)])

    def untruncated(self, name: str) -> Floats:
        """The same, each in the middle of what is printed like it."""
        value = self.greek(name)
        return np.asarray(value + np.copysign(0.5 * PRINTED, value))

    def at(self, where: Ints | slice) -> Rows:
        """Some of the records."""
        return Rows(*(getattr(self, field.name)[..., where] for field in fields(self)))

    def some(self, most: int) -> Rows:
        """At most *most* of the records, spread evenly."""
        return self.at(np.linspace(0, len(self) - 1, min(most, len(self))).astype(np.int64))

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """The records of several chains, one after the other."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names))


def solver_error(mid: Floats) -> Floats:
    """Dollars that the vendor's own price may be off (docs/wire.md, 3.6)."""
    return np.where(mid < CHEAP, SOLVER, EXACT)


class Values(NamedTuple):
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
    root = np.sqrt(years)
    deviation = volatility * root
    d1 = (np.log(spot / strike) + rate * years) / deviation + 0.5 * deviation
    side = np.where(call, 1.0, -1.0)
    delta = side * probability(side * d1)
    discounted = strike * np.exp(-rate * years)
    exercised = discounted * side * probability(side * (d1 - deviation))
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


def probability(deviations: Floats) -> Floats:
    """The normal distribution: how probable a smaller deviation is."""
    distance = np.abs(deviations)
    tail = np.exp(-0.5 * distance * distance) * _polynomial(_ABOVE, distance) / _polynomial(_BELOW, distance)
    far = distance > _FAR
    if far.any():
        tail[far] = density_at(distance[far]) / _fraction(distance[far])
    return np.where(deviations > 0.0, 1.0 - tail, tail)


def _polynomial(coefficients: Sequence[float], of: Floats) -> Floats:
    """The polynomial with these *coefficients*, that of the highest power first."""
    found = coefficients[0] * of
    for coefficient in coefficients[1:-1]:
        found += coefficient
        found *= of
    return np.asarray(found + coefficients[-1])


def _fraction(distance: Floats) -> Floats:
    """Density over tail, far out: a continued fraction."""
    found = distance + 0.65
    for numerator in (4.0, 3.0, 2.0, 1.0):
        found = distance + numerator / found
    return found


def density_at(deviations: Floats) -> Floats:
    """The density of the normal distribution."""
    return np.asarray(np.exp(-0.5 * deviations * deviations) / _ROOT_TWO_PI)


def d1_of(delta: Floats, call: Mask) -> Floats:
    """The d1 whose normal probability is a *delta*: infinite at 0 and 1, NaN outside of them."""
    probabilities = np.where(call, delta, 1.0 + delta)
    found = np.full(probabilities.shape, np.nan)
    found[probabilities == 0.0], found[probabilities == 1.0] = -np.inf, np.inf
    inside = (probabilities > 0.0) & (probabilities < 1.0)
    found[inside] = [*map(NormalDist().inv_cdf, probabilities[inside].tolist())]
    return found
