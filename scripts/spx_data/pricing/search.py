"""The search for volatilities of American options of a chain, by the table of its premiums.

All is in units of the strike, and u is the logarithm of the deviation s = volatility sqrt T. The premium at
the volatility of a European option of that price says by how much the price is to be less; that leads nearly
there. Beside where exercise pays, its distance does. What is not sure goes on between brackets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from spx_data.pricing import normal
from spx_data.pricing.bachelier import Inverse
from spx_data.pricing.black76 import Options
from spx_data.pricing.normal import Floats, Ints, Mask
from spx_data.pricing.table import Premium, Table

_ROUNDING = 1e-12  # of the strike
_LEFT = 1e-7  # likewise, that a step of Halley's may leave
_NEAR = 1e-10  # of the strike, that the price at a volatility may be off
_CLOSE = 2e-2  # of a volatility: steps so small are Halley's
NEAR_EXERCISE = 0.6  # deviations from where it pays
_BOUNDARY = 4  # steps to a volatility at which exercise nearly pays
_STEPS = 60
_BOUNDS = (-12.0, 5.0)  # of u
_BLOCK = 8_192  # rows that are worked on at a time


class Rows(NamedTuple):
    """Options in units of the strike: arrays of one length."""

    call: Ints  # 1, or 0 of a put
    place: Ints  # which of the table's stamps
    x: Floats  # ln(S / K)
    away: Floats  # ln(F / K)
    forward: Floats
    discount: Floats
    scale: Floats  # of the price of a European option out of the money
    inside: Floats  # the European intrinsic value
    paid: Floats  # what exercise at once pays, or 0
    inverse: Inverse

    @classmethod
    def of(cls, options: Options, spot: Floats, place: Ints) -> Rows:
        """Those of *options* while the underlying is at *spot*."""
        forward, side = options.forward / options.strike, np.where(options.call, 1.0, -1.0)
        moneyness = spot / options.strike
        away = np.log(forward)
        return cls(
            options.call.astype(np.int64),
            place,
            np.log(moneyness),
            away,
            forward,
            options.discount,
            options.discount * np.sqrt(forward),
            options.discount * np.maximum(side * (forward - 1.0), 0.0),
            np.maximum(side * (moneyness - 1.0), 0.0),
            Inverse(np.abs(away)),
        )

    def at(self, rows: Ints | Mask | slice) -> Rows:
        """Some of them."""
        return Rows._make(each[rows] for each in self)

    def has_volatility(self, price: Floats) -> Mask:
        """Whether there is a volatility that gives a *price*."""
        most = self.discount * np.where(self.call > 0, self.forward, 1.0)
        return (price > np.maximum(self.inside, self.paid) + _ROUNDING) & (price < most)

    def european(self, price: Floats) -> Floats:
        """About the u of European options of that *price*; NaN without one."""
        return np.log(self.inverse.deviation((price - self.inside) / self.scale))


class Point(NamedTuple):
    """What rows are worth at a volatility."""

    u: Floats
    price: Floats
    slope: Floats  # of the price by u
    bend: Floats
    european: Floats  # the part of the slope that is not the premium's
    premium: Premium
    n1: Floats  # N(side d1), N(side d2) and the density at d1
    n2: Floats
    density: Floats
    end: Floats  # where a search ended, beside u

    def with_(self, rows: Ints, there: Point) -> Point:
        """The same, but for some *rows* which are *there*."""
        for old, new in zip((*self, *self.premium), (*there, *there.premium), strict=True):
            if isinstance(old, np.ndarray):
                old[rows] = new
        return self

    def step_to(self, price: Floats) -> Floats:
        """Halley's step to a *price*."""
        newton = (price - self.price) / self.slope
        return np.asarray(newton / (1.0 + 0.5 * newton * self.bend / self.slope))

    def is_last(self, price: Floats) -> Mask:
        """Whether that step leaves nothing: about Newton's cubed, or more where the price bends much."""
        newton = (price - self.price) / self.slope
        left = np.square(newton) + np.square(newton * self.bend / self.slope)
        return np.asarray(np.abs(newton) * left < _LEFT)


def point_at(table: Table, rows: Rows, u: Floats, *, rate: bool = False) -> Point:
    """What *rows* are worth at *u*, with the premium's derivative by the rate where that is asked for."""
    premium = table.at(rows.call, rows.place, u, rows.x, rate=rate)
    s = np.exp(u)
    d1 = rows.away / s + 0.5 * s
    d2 = d1 - s
    side = 2.0 * rows.call - 1.0
    n1, n2, density = normal.probability(side * d1), normal.probability(side * d2), normal.density_at(d1)
    slope = rows.discount * rows.forward * density * s
    price = side * rows.discount * (rows.forward * n1 - n2) + premium.value
    early = premium.exercised
    return Point(
        u,
        np.where(early, rows.paid, price),
        np.where(early, np.nan, slope + premium.by_u),
        slope * (1.0 + d1 * d2) + premium.by_uu,
        slope,
        premium,
        n1,
        n2,
        density,
        u,
    )


def out_of(table: Table, rows: Rows, price: Floats) -> Floats:
    """How many deviations a *price* says that the spot is from where exercise pays; infinite far from it.

    Beside the spot S* from which it does, a price is above what it pays by (r K - q S) T (ln(S / S*) / s)^2:
    what the equation of Black & Scholes leaves there.
    """
    saved = np.abs(table.interest[rows.place] - table.yielded[rows.place] * np.exp(rows.x))
    return np.where(rows.paid > 0.0, np.sqrt((price - rows.paid) / saved), np.inf)


def nearly(table: Table, rows: Rows, price: Floats) -> Floats:
    """Nearly the u at which *rows* are worth their *price*."""
    found, out = rows.european(price), out_of(table, rows, price)
    is_near = out < NEAR_EXERCISE
    for some in blocks(np.flatnonzero(~is_near)):
        found[some] = _by_premium(table, rows.at(some), price[some], found[some])
    near = np.flatnonzero(is_near)
    for some in blocks(near):
        these = rows.at(some)
        found[some] = searched(table, these, price[some], by_exercise(table, these, out[some], found[some]))
    return found


def blocks(rows: Ints) -> Iterator[Ints]:
    """Some rows at a time: what is made of them on the way stays in a core's own cache."""
    return (rows[begin : begin + _BLOCK] for begin in range(0, len(rows), _BLOCK))


def _by_premium(table: Table, rows: Rows, price: Floats, u: Floats) -> Floats:
    """Where the premium leads that an option has at the volatility of a European one of that price."""
    premium = table.at(rows.call, rows.place, u, rows.x)
    s = np.exp(u)
    slope = rows.discount * rows.forward * normal.density_at(rows.away / s + 0.5 * s) * s
    by = np.zeros_like(u)
    for _ in range(2):
        then = premium.value + by * (premium.by_u + 0.5 * by * premium.by_uu)
        grown = (premium.by_u + by * premium.by_uu) / slope
        by += (rows.european(price - then) - u - by) / (1.0 + grown)
    return np.where(np.abs(by) < 1.0, u + by, u)


def by_exercise(table: Table, rows: Rows, out: Floats, u: Floats) -> Floats:
    """The u at which exercise pays *out* deviations off the spot; *u* is that of a European option."""
    y = out * (1.0 - 2.0 * rows.call)
    found = u
    for _ in range(_BOUNDARY):
        critical, slope = table.critical(rows.call, rows.place, found)
        from_strike = rows.x * np.exp(-found)
        found = found + np.clip((from_strike - critical - y) / (from_strike + slope), -0.7, 0.7)
    return np.where(np.isfinite(found) & (found < u), found, u)


def searched(table: Table, rows: Rows, price: Floats, u: Floats) -> Floats:
    """The same between brackets, from *u*.

    Near where exercise pays, what a price is above that grows like a square: so steps are those of its root
    there, and of its logarithm elsewhere.
    """
    near = out_of(table, rows, price) < 2.0 * NEAR_EXERCISE
    low, high = np.full_like(u, _BOUNDS[0]), np.full_like(u, _BOUNDS[1])
    found, at = np.full_like(u, np.nan), np.arange(len(u))
    for _ in range(_STEPS):
        point = point_at(table, rows, u)
        off = point.price - price
        below = point.premium.exercised | (off < 0.0)
        low, high = np.where(below, u, low), np.where(below, high, u)
        step = point.step_to(price)
        last = point.is_last(price)
        step = np.where(np.abs(step) < _CLOSE, step, _far_step(rows, point, price, near))
        taken = u + step
        inside = (taken > low) & (taken < high)
        taken = np.where(inside, taken, 0.5 * (np.maximum(low, u - 1.0) + np.minimum(high, u + 1.0)))
        known = np.isfinite(off)
        found[at] = np.where(known, np.where(last & ~inside, u, taken), np.nan)
        going = known & ~last & (np.abs(off) > _NEAR) & (high - low > 1e-12)
        if not going.any():
            break
        at, u, rows, price = at[going], taken[going], rows.at(going), price[going]
        low, high, near = low[going], high[going], near[going]
    return found


def _far_step(rows: Rows, point: Point, price: Floats, near: Mask) -> Floats:
    """Halley's step for the root of what a price is above what exercise pays; Newton's for its logarithm."""
    above, wanted = point.price - rows.paid, price - rows.paid
    newton = 2.0 * (np.sqrt(above * wanted) - above) / point.slope
    root = newton / (1.0 + newton * (0.5 * point.bend / point.slope - 0.25 * point.slope / above))
    return np.where(near, root, above * np.log(wanted / above) / point.slope)
