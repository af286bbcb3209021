"""Put-call parity, stamp by stamp: implied forward and discount factor, and quotes that contradict them.

C - P = D (F - K) holds for European options whatever the model, so the midpoints of calls and puts of one
chain lie on a straight line over the strikes: its slope is the discount factor, its zero the forward. A quote
is judged by what could be traded, [bid C - ask P, ask C - bid P], never by its midpoint.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spx_data.pricing import forward
from spx_data.pricing.forward import DISCOUNTS, HALF_CENT
from spx_data.quality.checks import Check, Count, Floats, Ints, Mask, Need, Part
from spx_data.quality.panel import CALL, PUT, Panel

_GOOD_R_SQUARED = 0.999
_MANY = 0.25  # of the strikes
_SURE = 3.0  # standard errors
_CARRY, _CARRY_A_YEAR = 0.02, 0.06  # of ln(forward / underlying)

_STOLL = "Stoll (1969), The Relationship between Put and Call Option Prices; Hull, Options, ch. 11"

PARITY = Check(
    "parity",
    Part.PARITY,
    "strike-stamps",
    "the line D (F - K) through the chain's quotes lies outside of [bid C - ask P, ask C - bid P] at a "
    "strike by more than half a cent and the line's own standard error; both sides of both quotes are there",
    _STOLL,
    needs=(Need.EUROPEAN,),
)
PARITY_FIT = Check(
    "parity-fit",
    Part.PARITY,
    "stamps",
    "no one line fits: R-squared below 0.999, and more than a quarter of the strikes off the line by more "
    "than half of their spreads; or its discount factor is outside of 0.5 to 1.1 by more than three of its "
    "standard errors",
    _STOLL,
    needs=(Need.EUROPEAN,),
)
FORWARD_OFF = Check(
    "forward-off",
    Part.PARITY,
    "stamps",
    "|ln(F / underlying)| above 0.02 + 0.06 T (T in years) and the forward's own standard error: the wrong "
    "underlying, or the wrong expiration",
    "F = S exp((r - q) T): Hull, Options, ch. 5; bounds wider than any rate less dividends since 2017",
    needs=(Need.EUROPEAN, Need.HELD, Need.PRICE),
)
CHECKS: tuple[Check, ...] = (PARITY, PARITY_FIT, FORWARD_OFF)


class Fit(NamedTuple):
    """C - P = discount * (forward - K), fitted at each stamp: arrays (stamps,), NaN where it cannot be."""

    forward: Floats  # dollars
    discount: Floats  # fraction
    r_squared: Floats  # of all strikes that were looked at, weighted like the fit
    residual: Floats  # (strikes, stamps): midpoint of C less that of P, less the line; dollars
    half: Floats  # (strikes, stamps): half of both spreads together; dollars, NaN where not two-sided
    moments: Floats  # (3, stamps): sums of the weights times 1, x, x squared, for x = K - centre
    centre: float  # dollars
    absurd: Mask  # where the line's slope can be no discount factor

    def error(self, strike: Floats, stamp: Ints) -> Floats:
        """The line's standard error (dollars) at each *strike* and *stamp*: half spreads as deviations."""
        x = strike - self.centre
        zeroth, first, second = self.moments[:, stamp]
        variance = (second - 2.0 * x * first + x * x * zeroth) / (zeroth * second - first * first)
        return np.asarray(0.5 * np.sqrt(variance))


def fit(panel: Panel) -> Fit:
    """The forward and the discount factor that the quotes of *panel* imply at each stamp: the line's own."""
    usable = panel.two_sided[CALL] & panel.two_sided[PUT]
    if PARITY.unmet(panel.product):  # nothing lies on a line
        usable = np.zeros_like(usable)
    y = np.where(usable, panel.mid[CALL] - panel.mid[PUT], np.nan)
    width = np.where(usable, panel.spread.sum(axis=0), np.nan)
    # A tick on each side at least: a locked quote must not carry all the weight.
    np.maximum(width, 2 * panel.product.tick, out=width)
    line = forward.fit(panel.strikes, y, width)
    slope, residual = line.slope, line.residual

    discount = np.where((-slope >= DISCOUNTS[0]) & (-slope <= DISCOUNTS[1]), -slope, np.nan)
    residual[:, np.isnan(discount)] = np.nan
    unsure = _SURE * line.slope_error
    return Fit(
        forward=line.centre + line.level / discount,
        discount=discount,
        r_squared=_r_squared(np.where(usable, y, 0.0), residual, np.where(usable, width**-2.0, 0.0)),
        residual=residual,
        half=0.5 * width,
        moments=line.moments,
        centre=line.centre,
        absurd=(-slope < DISCOUNTS[0] - unsure) | (-slope > DISCOUNTS[1] + unsure),
    )


def judge(panel: Panel, fit: Fit) -> list[Count]:
    """Where the quotes of a chain contradict the line through all of them."""
    known = np.isfinite(fit.residual)
    beyond = np.abs(fit.residual) - fit.half
    strike, stamp = np.nonzero(beyond > HALF_CENT)
    off = np.zeros((1, *fit.residual.shape), dtype=np.bool_)
    off[0, strike, stamp] = beyond[strike, stamp] > HALF_CENT + fit.error(panel.strikes[strike], stamp)

    fitted = np.isfinite(fit.discount)
    many = np.count_nonzero(beyond > 0.0, axis=0) > _MANY * np.count_nonzero(known, axis=0)
    unfit = fitted & many & (fit.r_squared < _GOOD_R_SQUARED)

    with np.errstate(invalid="ignore", divide="ignore"):
        carried = np.abs(np.log(fit.forward / panel.underlying))
    compared = np.isfinite(carried)
    own = np.full(len(carried), np.nan)
    at = np.flatnonzero(compared)
    own[at] = fit.error(fit.forward[at], at) / (fit.discount[at] * fit.forward[at])
    years = panel.days / 365.0
    return [
        panel.count(PARITY, off, known[np.newaxis]),
        panel.count_stamps(PARITY_FIT, unfit | fit.absurd, fitted | fit.absurd),
        panel.count_stamps(FORWARD_OFF, carried > _CARRY + _CARRY_A_YEAR * years + own, compared),
    ]


def _r_squared(y: Floats, residual: Floats, weights: Floats) -> Floats:
    total = weights.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (weights * y).sum(axis=0) / total
        varied = (weights * (y - mean) ** 2).sum(axis=0)
        left = np.where(weights > 0.0, weights * residual**2, 0.0).sum(axis=0)
        return np.asarray(1.0 - left / varied)
