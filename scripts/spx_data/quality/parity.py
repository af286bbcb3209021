"""Put-call parity, stamp by stamp: implied forward and discount factor, and quotes that contradict them.

C - P = D (F - K) holds for European options whatever the model, so the midpoints of calls and puts of one
chain lie on a straight line over the strikes: its slope is the discount factor, its zero the forward. A quote
is judged by what could be traded, [bid C - ask P, ask C - bid P], never by its midpoint.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spx_data.quality.checks import Check, Count, Floats, Ints, Mask, Part
from spx_data.quality.panel import CALL, PUT, Panel

_FEWEST = 3  # strikes that make a line worth the name
_HALF_CENT = 0.005
_DISCOUNTS = (0.5, 1.1)  # of a sane world
_GOOD_R_SQUARED = 0.999
_MANY = 0.25  # of the strikes
_SURE = 3.0  # standard errors
_CARRY, _CARRY_A_YEAR = 0.02, 0.06  # of ln(forward / underlying)
_ROBUST_STRIKES = 24

_STOLL = "Stoll (1969), The Relationship between Put and Call Option Prices; Hull, Options, ch. 11"

PARITY = Check(
    "parity",
    Part.PARITY,
    "strike-stamps",
    "the line D (F - K) through the chain's quotes lies outside of [bid C - ask P, ask C - bid P] at a "
    "strike by more than half a cent and the line's own standard error; both sides of both quotes are there",
    _STOLL,
)
PARITY_FIT = Check(
    "parity-fit",
    Part.PARITY,
    "stamps",
    "no one line fits: R-squared below 0.999, and more than a quarter of the strikes off the line by more "
    "than half of their spreads; or its discount factor is outside of 0.5 to 1.1 by more than three of its "
    "standard errors",
    _STOLL,
)
FORWARD_OFF = Check(
    "forward-off",
    Part.PARITY,
    "stamps",
    "|ln(F / underlying)| above 0.02 + 0.06 T (T in years) and the forward's own standard error: the wrong "
    "underlying, or the wrong expiration",
    "F = S exp((r - q) T): Hull, Options, ch. 5; bounds wider than any rate less dividends since 2017",
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
    """The forward and the discount factor that the quotes of *panel* imply at each stamp.

    Weighted least squares over the strikes where call and put are two-sided, weights 1 / (spread C + spread
    P)^2. At stamps where a strike lies off the line, a robust line (Siegel's repeated medians) says which
    strikes to leave out, and the rest is fitted anew: one bad quote does not move the line.
    """
    bid, ask = panel.grid("bid"), panel.grid("ask")
    usable = panel.two_sided[CALL] & panel.two_sided[PUT]
    y = np.where(usable, panel.mid[CALL] - panel.mid[PUT], 0.0)
    width = np.where(usable, (ask - bid).sum(axis=0), np.nan)
    # A tick on each side at least: a locked quote must not carry all the weight.
    np.maximum(width, 2 * panel.product.tick, out=width)
    weights = np.where(usable, width**-2.0, 0.0)
    centre = float(panel.strikes.mean()) if len(panel.strikes) else 0.0
    x = panel.strikes - centre

    level, slope, moments = _line(x, y, weights)
    residual = y - level - slope * x[:, np.newaxis]
    suspect = np.flatnonzero((np.abs(residual) > 0.5 * width + _HALF_CENT).any(axis=0))
    if len(suspect):
        kept = weights[:, suspect] * _on_robust_line(x, y[:, suspect], width[:, suspect])
        level[suspect], slope[suspect], moments[:, suspect] = _line(x, y[:, suspect], kept)
        residual[:, suspect] = y[:, suspect] - level[suspect] - slope[suspect] * x[:, np.newaxis]

    discount = np.where((-slope >= _DISCOUNTS[0]) & (-slope <= _DISCOUNTS[1]), -slope, np.nan)
    residual[:, np.isnan(discount)] = np.nan
    residual[~usable] = np.nan
    unsure = _SURE * _slope_error(moments)
    return Fit(
        forward=centre + level / discount,
        discount=discount,
        r_squared=_r_squared(y, residual, weights),
        residual=residual,
        half=0.5 * width,
        moments=moments,
        centre=centre,
        absurd=(-slope < _DISCOUNTS[0] - unsure) | (-slope > _DISCOUNTS[1] + unsure),
    )


def judge(panel: Panel, fit: Fit) -> list[Count]:
    """Where the quotes of a chain contradict the line through all of them."""
    known = np.isfinite(fit.residual)
    beyond = np.abs(fit.residual) - fit.half
    strike, stamp = np.nonzero(beyond > _HALF_CENT)
    off = np.zeros((1, *fit.residual.shape), dtype=np.bool_)
    off[0, strike, stamp] = beyond[strike, stamp] > _HALF_CENT + fit.error(panel.strikes[strike], stamp)

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


def _line(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Level at x = 0 and slope of the weighted line at each stamp, and the moments of its weights."""
    enough = np.count_nonzero(weights, axis=0) >= _FEWEST
    moments = np.stack([np.ones_like(x), x, x * x]) @ weights
    zeroth, first, second = moments
    weighted = weights * y
    sum_y, sum_xy = weighted.sum(axis=0), x @ weighted
    determinant = zeroth * second - first * first
    determinant[~enough | (determinant <= 0.0)] = np.nan
    slope = (zeroth * sum_xy - first * sum_y) / determinant
    return (second * sum_y - first * sum_xy) / determinant, slope, moments


def _slope_error(moments: Floats) -> Floats:
    zeroth, first, second = moments
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(0.5 * np.sqrt(zeroth / (zeroth * second - first * first)))


def _on_robust_line(x: Floats, y: Floats, width: Floats) -> Mask:
    """Which strikes lie on the line of repeated medians, within their whole width and its own looseness."""
    chosen = _narrowest(width)
    near, value = x[chosen], np.where(np.isnan(width[chosen]), np.nan, y[chosen])
    apart = near[:, np.newaxis] - near[np.newaxis, :]
    np.fill_diagonal(apart, np.nan)
    slopes = (value[:, np.newaxis] - value[np.newaxis, :]) / apart[:, :, np.newaxis]
    slope = _median(_median(slopes))
    level = _median(value - slope * near[:, np.newaxis])
    away = np.abs(y - level - slope * x[:, np.newaxis])
    loose = _median(away[chosen] + 0.0 * value)
    return np.asarray(away <= width + 3.0 * loose)


def _narrowest(width: Floats) -> Ints:
    """The few strikes that are quoted at most stamps, and among them most narrowly: in ascending order."""
    there = ~np.isnan(width)
    seldom = there.shape[1] - np.count_nonzero(there, axis=1)
    mean = np.where(there, width, 0.0).sum(axis=1) / np.maximum(1, np.count_nonzero(there, axis=1))
    order = np.lexsort((mean, seldom))[:_ROBUST_STRIKES]
    return np.sort(order).astype(np.int64)


def _median(values: Floats) -> Floats:
    """The lower median over the last axis but one, of what is not NaN: NaN where nothing is."""
    ordered = np.sort(values, axis=-2)  # NaN last
    known = np.count_nonzero(~np.isnan(values), axis=-2)
    place = np.maximum(known - 1, 0) // 2
    return np.take_along_axis(ordered, np.expand_dims(place, -2), axis=-2).squeeze(-2)


def _r_squared(y: Floats, residual: Floats, weights: Floats) -> Floats:
    total = weights.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (weights * y).sum(axis=0) / total
        varied = (weights * (y - mean) ** 2).sum(axis=0)
        left = np.where(weights > 0.0, weights * residual**2, 0.0).sum(axis=0)
        return np.asarray(1.0 - left / varied)
