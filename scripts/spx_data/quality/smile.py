"""The smile: implied volatilities in range and smooth across strikes, delta falling with the strike.

Only options out of the money with both sides quoted are judged: in the money, the vendor's volatility is
solved on what little its intrinsic value leaves, and says as much about dividends as about the market.
Neighbours are strikes next to each other in the chain, calls among calls and puts among puts.
"""

from __future__ import annotations

import numpy as np

from spx_data.pricing.black76 import DAYS
from spx_data.pricing.normal import d1_of
from spx_data.quality.checks import Check, Count, Floats, Ints, Mask, Need, Part
from spx_data.quality.panel import CALL, FAILED, PUT, Panel, close_ms
from spx_data.quality.parity import Fit

_RANGE = (0.005, 5.0)  # annualised fractions
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_PRINTED = 1e-4  # the last decimal of a volatility and of a delta
_SOLVER = 0.005  # dollars: what the vendor's search for a volatility leaves
_NEAR = 0.5  # of a standard deviation: neighbours further apart may differ by the smile's own bend
_NEAR_THE_MONEY = 0.025  # of the forward
_BEND = 0.02  # of the volatility: what a smile bends within that distance

IV_RANGE = Check(
    "iv-range",
    Part.SMILE,
    "quotes",
    "the volatility of an option out of the money with both sides is outside of 0.005 to 5 (on its last day, "
    "of 0.0001 to 5), though it did not fail",
    "docs/wire.md, 2.2, without its sentinels; section 3: a clock that stands still on the last day",
    tolerated=0.001,
    ruinous=0.05,
    needs=(Need.HELD, Need.VOLATILITY),
)
IV_KINK = Check(
    "iv-kink",
    Part.SMILE,
    "quotes",
    "the volatility is off the straight line between its neighbours' by more than half of the three spreads "
    "over their vegas, the solver's half cent and 2 % explain, and by more than its neighbours are; strikes "
    "within half a standard deviation",
    "a smile without kinks: Gatheral & Jacquier (2014), Arbitrage-free SVI Volatility Surfaces",
    tolerated=0.001,
    ruinous=0.05,
    needs=(Need.HELD, Need.VOLATILITY),
)
DELTA_RISES = Check(
    "delta-rises",
    Part.SMILE,
    "pairs of strikes",
    "delta rises from a strike to the next, by more than its last two decimals and what half of both spreads "
    "can move it",
    "N(d1) falls with the strike: Black & Scholes (1973); d delta / d price = -d2 / (S iv sqrt T)",
    tolerated=0.001,
    ruinous=0.05,
    needs=(Need.HELD, Need.GREEKS),
)
CHECKS: tuple[Check, ...] = (IV_RANGE, IV_KINK, DELTA_RISES)


def judge(panel: Panel, fit: Fit) -> list[Count]:
    """What the implied volatilities and deltas of a chain show."""
    outside = out_of_the_money(panel, fit)
    solved = _solved(panel)
    good = solved & _possible(panel)
    return [
        panel.count(IV_RANGE, solved & outside & ~good, solved & outside),
        _kinks(panel, good, outside),
        _rises(panel, good & outside),
    ]


def centre_of(panel: Panel, fit: Fit) -> Floats:
    """The forward at each stamp (dollars); the underlying stands in where there is none."""
    return np.where(np.isfinite(fit.forward), fit.forward, panel.underlying)


def out_of_the_money(panel: Panel, fit: Fit) -> Mask:
    """Calls at and above the centre, puts below it."""
    centre = centre_of(panel, fit)
    above = panel.strikes[:, np.newaxis] >= centre
    outside = np.zeros(panel.shape, dtype=np.bool_)
    outside[CALL] = above
    outside[PUT] = ~above & np.isfinite(centre)
    return outside


def in_range(panel: Panel) -> Mask:
    """Where a volatility was found, from both sides of a quote, that an option can have."""
    return _solved(panel) & _possible(panel)


def relative_spreads(panel: Panel, fit: Fit) -> Floats:
    """Spreads as shares of the midpoint, out of the money and near it; NaN everywhere else."""
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.abs(panel.strikes[:, np.newaxis] / centre_of(panel, fit) - 1.0) <= _NEAR_THE_MONEY
        relative = panel.spread / panel.mid
    return np.where(panel.two_sided & out_of_the_money(panel, fit) & near, relative, np.nan)


def volatility_at_the_money(panel: Panel, fit: Fit) -> Floats:
    """The mean volatility of call and put at the strike nearest to the forward, at each stamp."""
    iv = panel.grid("implied_vol")
    solved = panel.two_sided & (panel.grid("iv_error") < FAILED) & (iv > 0.0)
    return at_the_money(panel, fit, np.where(solved, iv, np.nan))


def at_the_money(panel: Panel, fit: Fit, values: Floats) -> Floats:
    """The mean of call's and put's *values* at the strike nearest to the forward; NaN where one lacks."""
    centre, line = centre_of(panel, fit), np.full(len(panel.stamps), np.nan)
    stamps = np.flatnonzero(np.isfinite(centre))
    if not len(stamps) or not len(panel.strikes):
        return line
    after = np.clip(np.searchsorted(panel.strikes, centre[stamps]), 1, max(1, len(panel.strikes) - 1))
    below, above = panel.strikes[after - 1], panel.strikes[np.minimum(after, len(panel.strikes) - 1)]
    nearest = np.where(centre[stamps] - below <= above - centre[stamps], after - 1, after)
    nearest = np.minimum(nearest, len(panel.strikes) - 1)
    line[stamps] = 0.5 * (values[CALL, nearest, stamps] + values[PUT, nearest, stamps])
    return line


def years(panel: Panel) -> Floats:
    """About the time that the vendor counts until the expiration, at each stamp: an hour at least."""
    if panel.days > 0:
        return np.full(len(panel.stamps), panel.days / DAYS)
    left = close_ms(panel.expiration) - panel.stamps
    return np.asarray(np.maximum(left, _HOUR_MS) / (_DAY_MS * DAYS))


def _solved(panel: Panel) -> Mask:
    return panel.two_sided & (panel.grid("iv_error") < FAILED) & np.isfinite(panel.grid("implied_vol"))


def _possible(panel: Panel) -> Mask:
    iv = panel.grid("implied_vol")
    # The vendor's older model gives the last minute more than three hours, and so next to no volatility.
    least = _RANGE[0] if panel.days else _PRINTED
    return (iv >= least) & (iv <= _RANGE[1])


def _kinks(panel: Panel, good: Mask, outside: Mask) -> Count:
    """Kinks out of the money; neighbours may be in it or far apart, and their kinks are not laid to it."""
    iv, vega, strikes = panel.grid("implied_vol"), panel.grid("vega"), panel.strikes
    if len(strikes) < 3:
        return Count(IV_KINK, 0, 0)
    half = 0.5 * panel.spread
    loose = (half + _SOLVER) / np.where(vega > 0.0, vega, np.nan)
    deviation = iv * np.sqrt(years(panel))
    weight = ((strikes[1:-1] - strikes[:-2]) / (strikes[2:] - strikes[:-2]))[:, np.newaxis]
    width = np.log(strikes[2:] / strikes[:-2])[:, np.newaxis]

    middle, below, above = iv[:, 1:-1], iv[:, :-2], iv[:, 2:]
    off = np.abs(middle - (below + weight * (above - below)))
    allowed = loose[:, 1:-1] + (1.0 - weight) * loose[:, :-2] + weight * loose[:, 2:]
    near = width <= _NEAR * np.fmin(deviation[:, :-2], deviation[:, 2:])
    known = good[:, 1:-1] & good[:, :-2] & good[:, 2:] & np.isfinite(allowed)
    compared = known & near & outside[:, 1:-1]
    kinked = compared & (off > allowed + _BEND * middle + 2.0 * _PRINTED)

    found, looked_at = np.zeros(panel.shape, dtype=np.bool_), np.zeros(panel.shape, dtype=np.bool_)
    looked_at[:, 1:-1] = compared
    found[:, 1:-1] = kinked & _sharpest(np.where(known, off, 0.0))
    return panel.count(IV_KINK, found, looked_at)


def _sharpest(off: Floats) -> Mask:
    """Where nothing beside is further off: the neighbours of a kink are off too, for its sake."""
    most = np.ones(off.shape, dtype=np.bool_)
    most[:, 1:] &= off[:, 1:] >= off[:, :-1]
    most[:, :-1] &= off[:, :-1] >= off[:, 1:]
    return most


def _rises(panel: Panel, good: Mask) -> Count:
    delta = panel.grid("delta")
    good = good & np.isfinite(delta)
    pairs = good[:, 1:] & good[:, :-1]
    right, strike, stamp = np.nonzero(pairs & (delta[:, 1:] - delta[:, :-1] > 2.0 * _PRINTED))
    excess = delta[right, strike + 1, stamp] - delta[right, strike, stamp] - 2.0 * _PRINTED
    movable = _movable(panel, right, strike, stamp) + _movable(panel, right, strike + 1, stamp)
    rises = excess > movable
    right, strike, stamp = right[rises], strike[rises], stamp[rises]
    found = np.zeros(panel.shape, dtype=np.bool_)
    found[right, strike + _upper_is_off(delta, good, right, strike, stamp), stamp] = True
    return panel.count(DELTA_RISES, found, int(np.count_nonzero(pairs)))


def _movable(panel: Panel, right: Ints, strike: Ints, stamp: Ints) -> Floats:
    """How far half of the spread can move the delta: half a spread times |d2| / (S iv sqrt T)."""
    at = (right, strike, stamp)
    deviation = panel.grid("implied_vol")[at] * np.sqrt(years(panel)[stamp])
    d1 = d1_of(panel.grid("delta")[at], right == CALL)
    half = 0.5 * panel.spread[at] + _SOLVER
    movable = half * np.abs(d1 - deviation) / (panel.underlying[stamp] * deviation)
    return np.where(np.isfinite(movable), movable, 0.0)


def _upper_is_off(delta: Floats, good: Mask, right: Ints, strike: Ints, stamp: Ints) -> Ints:
    """1 where the upper of two strikes is out of line with the one below both, 0 where the lower seems so."""
    below = np.maximum(strike - 1, 0)
    known = (strike > 0) & good[right, below, stamp]
    return (known & (delta[right, strike + 1, stamp] > delta[right, below, stamp])).astype(np.int64)
