"""Black (1976), The Pricing of Commodity Contracts: European options on a forward and a discount factor.

    price = D [F N(d1) - K N(d2)] of a call,  d1 = ln(F / K) / s + s / 2,  d2 = d1 - s,  s = volatility sqrt T

Greeks are those of Black & Scholes (1973) with the underlying at D F, which is what it costs less its
dividends until the expiration; so they need no dividends, and have the units of the vendor's columns
(docs/wire.md, 3):

    delta   dollars per dollar of the underlying, at constant dividends
    gamma   of delta, per dollar of the underlying
    theta   dollars per calendar day of 365
    vega    dollars per 1.00 of volatility
    rho     dollars per 1.00 of the rate -ln(D) / T

All arguments are arrays that go together, prices in dollars, times in years of 365 days, volatilities
annualised fractions. Where there is no answer there is NaN, and nothing is raised.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from spx_data.pricing import normal
from spx_data.pricing.normal import ROOT_TWO_PI, Floats, Ints, Mask

DAYS = 365.0  # of a year

_LN_ROOT_TWO_PI = math.log(ROOT_TWO_PI)
_ROUNDING = 1e-14  # of the strike and the forward: a time value below it is what subtracting them leaves
_COLD, _WARM = 3, 2  # steps that all take together: after them nearly all are there
_MOST = 80  # that the others take: between brackets, half of that will do
_FAR = 2.0  # of a logarithm
_NEAR = 1e-3  # of a step, relatively: of its fourth power a hundredth is left, so it was the last one


class Options(NamedTuple):
    """What is priced: arrays of one length."""

    forward: Floats  # dollars
    discount: Floats  # fraction
    strike: Floats  # dollars
    call: Mask  # or a put
    years: Floats  # left

    def at(self, rows: Ints | Mask | slice) -> Options:
        """Some of them."""
        return Options(
            self.forward[rows], self.discount[rows], self.strike[rows], self.call[rows], self.years[rows]
        )


class Values(NamedTuple):
    """What options are worth and how that changes; arrays of one shape, in the module's units."""

    price: Floats
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats


@np.errstate(all="ignore")
def values(options: Options, volatility: Floats) -> Values:
    """Value *options*; NaN where there are no years left, or no *volatility*."""
    forward, discount, strike, call, years = options
    root = np.sqrt(years)
    deviation = volatility * root
    deviation = np.where(deviation > 0.0, deviation, np.nan)
    prepaid, discounted = forward * discount, strike * discount
    d1 = np.log(forward / strike) / deviation + 0.5 * deviation
    side = np.where(call, 1.0, -1.0)
    delta = side * normal.probability(side * d1)
    exercised = discounted * side * normal.probability(side * (d1 - deviation))
    density = normal.density_at(d1)
    by_volatility = prepaid * density
    rate = -np.log(discount) / years
    return Values(
        price=np.maximum(prepaid * delta - exercised, 0.0),
        delta=delta,
        gamma=density / (prepaid * deviation),
        theta=(-0.5 * by_volatility * volatility / root - rate * exercised) / DAYS,
        vega=by_volatility * root,
        rho=exercised * years,
    )


@np.errstate(all="ignore")
def implied(options: Options, price: Floats, start: Floats | None = None) -> Floats:
    """The volatility at which *options* are worth their *price*; *start* is about what it may be.

    NaN where there is none: a price at its lower bound, the discounted intrinsic value, or below, where
    what is above it is no more than rounding; at its upper bound (D F of a call, D K of a put) or above; no
    time left.
    """
    forward, discount, strike, call, years = options
    root = np.sqrt(np.where(years > 0.0, years, np.nan))
    inside = np.where(call, forward - strike, strike - forward)
    undiscounted = price / discount
    time_value = undiscounted - np.maximum(inside, 0.0)
    known = (time_value > _ROUNDING * (forward + strike)) & (undiscounted < np.where(call, forward, strike))
    apart = np.abs(np.log(forward / strike))
    worth = np.where(known, time_value / np.sqrt(forward * strike), np.nan)
    return deviation(apart, worth, None if start is None else start * root) / root


@np.errstate(all="ignore")
def deviation(apart: Floats, worth: Floats, start: Floats | None = None) -> Floats:
    """The s = volatility sqrt T of options out of the money that are *worth* so much; NaN without one.

    *apart* is |ln(F / K)|, and *worth* the undiscounted price over sqrt(F K), between 0 and exp(-apart / 2).

    Householder's method of the third order on the logarithm of the price, as in Jäckel (2015), Let's Be
    Rational, so that each step leaves the fourth power of an error. The logarithm and its derivatives come
    from Mills' ratio without cancellation. All take a few steps together; those that are not there then go
    on between brackets that can only close, and those worth more than half of what is possible by what is
    lacking to that.
    """
    ln_worth = np.log(worth)
    lower = worth <= 0.5 * np.exp(-0.5 * apart)
    found = _guess(apart, ln_worth)
    if start is not None:
        found = np.where(start > 0.0, start, found)
    there: Mask = np.zeros(found.shape, dtype=np.bool_)
    for _ in range(_COLD if start is None else _WARM):
        step, newton, off = _step(apart, ln_worth, found)
        there = _is_last(newton, off, found) & lower
        found = np.clip(found + step, 0.25 * found, 4.0 * found)
    if len(rest := np.flatnonzero(~there & np.isfinite(ln_worth) & (worth < np.exp(-0.5 * apart)))):
        found[rest] = _bracketed(apart[rest], worth[rest], lower[rest], found[rest])
    return np.where(np.isfinite(ln_worth), found, np.nan)


def _guess(apart: Floats, ln_worth: Floats) -> Floats:
    """Where to begin: exact at the money for small s, and far out to the leading order."""
    far = np.maximum(-2.0 * (ln_worth + _LN_ROOT_TWO_PI), 1e-3)
    return np.asarray(ROOT_TWO_PI * np.exp(ln_worth) + apart / np.sqrt(far))


def _step(
    apart: Floats, ln_wanted: Floats, s: Floats, lower: Mask | bool = True
) -> tuple[Floats, Floats, Floats]:
    """Householder's step from *s*, Newton's, and by how much the logarithm is off there.

    With a = apart / s and h = s / 2 the price is n(a) n(h) sqrt(2 pi) (M(a - h) - M(a + h)), M being Mills'
    ratio, and what is lacking to the most, exp(-apart / 2), the same with M(h - a) + M(a + h). Where not
    *lower*, the wanted logarithm is of that.
    """
    a, h = apart / s, 0.5 * s
    near = np.where(lower, a - h, h - a)
    inner, outer = normal.mills(np.abs(near)), normal.mills(a + h)
    inner = np.where(near < 0.0, ROOT_TWO_PI * np.exp(0.5 * near * near) - inner, inner)
    sign = np.where(lower, 1.0, -1.0)
    ratio = inner - sign * outer
    off = sign * (np.log(ratio) - 0.5 * (a * a + h * h) - _LN_ROOT_TWO_PI - ln_wanted)
    slope = sign / ratio
    bend = (a - h) * (a + h) / s
    second = bend - slope
    third = second * second - 3.0 * np.square(a / s) - 0.25 - slope * second
    newton = -off * ratio
    step = newton * (1.0 + 0.5 * second * newton) / (1.0 + newton * (second + third * newton / 6.0))
    return step, newton, off


def _is_last(newton: Floats, off: Floats, s: Floats) -> Mask:
    """Whether a step leaves nothing: far from the price it can be small as well, and of no use."""
    return np.asarray((np.abs(newton) <= _NEAR * s) & (np.abs(off) < _FAR))


def _bracketed(apart: Floats, worth: Floats, lower: Mask, s: Floats) -> Floats:
    """The same from *s* on, step by step between brackets; where a step, or Newton's, leads out, halved."""
    wanted = np.log(np.where(lower, worth, np.exp(-0.5 * apart) - worth))
    low, high = np.full_like(s, 1e-12), np.full_like(s, 80.0)
    s = np.clip(np.where(np.isfinite(s), s, 1.0), low, high)
    found, at = s.copy(), np.arange(len(s))
    for _ in range(_MOST):
        step, newton, off = _step(apart[at], wanted[at], s, lower[at])
        low, high = np.where(off > 0.0, low, s), np.where(off > 0.0, s, high)  # NaN: too small to tell
        outside = ~((s + np.minimum(step, newton) > low) & (s + np.maximum(step, newton) < high))
        taken = np.where(outside, np.sqrt(low * high), s + step)
        found[at] = np.where(off == 0.0, s, taken)
        going = (outside | ~_is_last(newton, off, s)) & (off != 0.0) & (high > low * (1.0 + 1e-15))
        if not going.any():
            break
        at, s, low, high = at[going], taken[going], low[going], high[going]
    return found
