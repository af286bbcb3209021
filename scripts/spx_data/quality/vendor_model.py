"""Records of the vendor, and its model of what they say: that of `pricing`, with the vendor's greeks.

Black & Scholes (1973), The Pricing of Options and Corporate Liabilities; without dividends, as the vendor
computes index options (docs/wire.md, 3): theta per day of 365, vega, rho and epsilon per 1.00, lambda
relative to the model's price. Nothing is cut off: a printed value is the truth truncated to four decimals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from spx_data.pricing import black76
from spx_data.pricing.black76 import Options
from spx_data.quality.checks import Floats, Ints, Mask

GREEKS = ("delta", "theta", "vega", "rho", "epsilon", "lambda")
PRINTED = 1e-4  # the last decimal of every value, behind which all are cut off
DAY_MS = 86_400_000.0

CHEAP, SOLVER = 3.0, 0.006  # dollars: what the vendor's solver is off for cheap options
EXACT = 0.0015  # dollars: the same for all others

_WORTHLESS = 1e-9  # dollars: below it there is no elasticity


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
    discount = np.exp(-rate * years)
    found = black76.values(Options(spot / discount, discount, strike, call, years), volatility)
    worth = found.price > _WORTHLESS
    return Values(
        price=found.price,
        delta=found.delta,
        theta=found.theta,
        vega=found.vega,
        rho=found.rho,
        epsilon=-spot * years * found.delta,
        elasticity=np.where(worth, found.delta * spot / np.where(worth, found.price, 1.0), 0.0),
    )
