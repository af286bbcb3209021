"""The forward and the discount factor that an expiration's quotes imply, stamp by stamp, by put-call parity.

Whatever the model, C - P = D (F - K) for European options (Stoll, 1969), so the midpoints of a chain's calls
less its puts lie on a straight line over the strikes: its slope is the discount factor, its zero the forward.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spx_data.pricing.normal import Floats, Ints, Mask

FEWEST = 3  # strikes that make a line worth the name
DISCOUNTS = (0.5, 1.1)  # of a sane world
HALF_CENT = 0.005

# What a rate is before any quote is seen: 2.5 % and 3 % to either side. It decides where quotes cannot, in
# the last days of an expiration, and has no say a month before it.
_RATE, _RATE_OFF = 0.025, 0.03
_RATES = (-0.01, 0.12)  # beyond them it is no rate that quotes imply, but a flaw of theirs
_ROBUST_STRIKES = 24


class Line(NamedTuple):
    """C - P over the strikes, fitted at each stamp: arrays (stamps,), NaN where it cannot be."""

    level: Floats  # dollars, at the centre
    slope: Floats
    moments: Floats  # (3, stamps): sums of the weights times 1, x, x squared, for x = K - centre
    residual: Floats  # (strikes, stamps): what is left of C - P; dollars
    centre: float  # dollars

    @property
    def slope_error(self) -> Floats:
        """The slope's standard error: half spreads as deviations."""
        zeroth, first, second = self.moments
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(0.5 * np.sqrt(zeroth / (zeroth * second - first * first)))


class Forward(NamedTuple):
    """What quotes imply at each stamp: arrays (stamps,), NaN where they are not enough."""

    forward: Floats  # dollars
    discount: Floats  # fraction

    def at(self, stamps: Ints) -> Forward:
        """The same for each of *stamps*, which are places."""
        return Forward(self.forward[stamps], self.discount[stamps])


def fit(strikes: Floats, difference: Floats, width: Floats) -> Line:
    """The line through *difference* (C - P, dollars) over *strikes*: (strikes, stamps); NaN where unknown.

    Weighted least squares with weights 1 / *width*^2, *width* being both spreads together. At stamps where a
    strike lies off the line by more than half of it, a robust line (Siegel's repeated medians) says which
    strikes to leave out, and the rest is fitted anew: one bad quote does not move the line.
    """
    known = np.isfinite(difference) & np.isfinite(width)
    y, width = np.where(known, difference, 0.0), np.where(known, width, np.nan)
    weights = np.where(known, width**-2.0, 0.0)
    centre = float(strikes.mean()) if len(strikes) else 0.0
    x = strikes - centre

    level, slope, moments = _line(x, y, weights)
    residual = y - level - slope * x[:, np.newaxis]
    suspect = np.flatnonzero((np.abs(residual) > 0.5 * width + HALF_CENT).any(axis=0))
    if len(suspect):
        kept = weights[:, suspect] * _on_robust_line(x, y[:, suspect], width[:, suspect])
        level[suspect], slope[suspect], moments[:, suspect] = _line(x, y[:, suspect], kept)
        residual[:, suspect] = y[:, suspect] - level[suspect] - slope[suspect] * x[:, np.newaxis]
    residual[~known] = np.nan
    return Line(level, slope, moments, residual, centre)


@np.errstate(all="ignore")
def implied(line: Line, years: Floats, *, usual_rate: bool = False) -> Forward:
    """The forward and the discount factor by *line*; NaN at stamps with no *years* left.

    The slope is the mean of what the quotes say and of what rates usually are, each weighted by how sure it
    is: so it is stable where strikes are few, spreads wide or minutes left, and no forward hangs on it. With
    *usual_rate* quotes have no say in it, nor where what they say can be no rate.
    """
    zeroth, first, second = line.moments
    quoted = 0.0 if usual_rate else 4.0 * (second - first * first / zeroth)  # 1 / error^2
    usual = np.square(_RATE_OFF * years) ** -1.0
    discount = (usual * usual_discount(years) - quoted * line.slope) / (quoted + usual)
    rate = -np.log(discount) / years
    unusual = (rate < _RATES[0]) | (rate > _RATES[1]) | (np.isnan(rate) & np.isfinite(discount))
    discount = np.where(unusual, usual_discount(years), discount)
    discount[(years <= 0.0) | (-line.slope < DISCOUNTS[0]) | (-line.slope > 1.0 / DISCOUNTS[0])] = np.nan
    middle = first / zeroth
    found = line.centre + middle + (line.level + line.slope * middle) / discount
    found = np.where(found > 0.0, found, np.nan)
    return Forward(found, np.where(np.isnan(found), np.nan, discount))


def usual_discount(years: Floats) -> Floats:
    """The discount factor before any quote is seen."""
    return np.asarray(np.exp(-_RATE * years))


def _line(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Level at x = 0 and slope of the weighted line at each stamp, and the moments of its weights."""
    enough = np.count_nonzero(weights, axis=0) >= FEWEST
    moments = np.stack([np.ones_like(x), x, x * x]) @ weights
    zeroth, first, second = moments
    weighted = weights * y
    sum_y, sum_xy = weighted.sum(axis=0), x @ weighted
    determinant = zeroth * second - first * first
    determinant[~enough | (determinant <= 0.0)] = np.nan
    slope = (zeroth * sum_xy - first * sum_y) / determinant
    return (second * sum_y - first * sum_xy) / determinant, slope, moments


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
