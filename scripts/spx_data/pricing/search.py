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
_FARTHEST = 1.0  # of u, that a step may go: beyond the table there is no way back
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

    def have_volatilities(self, *prices: Floats) -> tuple[Mask, ...]:
        """Of each of the *prices* whether there is a volatility that gives it."""
        least = np.maximum(self.inside, self.paid) + _ROUNDING
        most = self.discount * np.where(self.call > 0, self.forward, 1.0)
        return tuple((price > least) & (price < most) for price in prices)

    def european(self, price: Floats) -> Floats:
        """About the u of European options of that *price*; NaN without one."""
        return np.log(self.inverse.deviation((price - self.inside) / self.scale))


class Point(NamedTuple):
    """What rows are worth at a volatility."""

    u: Floats
    s: Floats
    price: Floats
    slope: Floats  # of the price by u
    bend: Floats
    european: Floats  # the part of the slope that is not the premium's
    premium: Premium
    n1: Floats  # N(side d1), N(side d2) and the density at d1
    n2: Floats
    density: Floats

    def step_to(self, price: Floats) -> tuple[Floats, Mask]:
        """Halley's step to a *price*, and whether it leaves nothing.

        What it leaves is about Newton's cubed, or more where the price bends much.
        """
        newton = (price - self.price) / self.slope
        turn = newton * self.bend / self.slope
        left = (newton * newton + turn * turn) * np.abs(newton)
        turn *= 0.5
        turn += 1.0
        return newton / turn, left < _LEFT


def point_at(table: Table, rows: Rows, u: Floats, *, whole: bool = False) -> Point:
    """What *rows* are worth at *u*; the *whole* premium is known by the spot and the rate as well."""
    premium = table.at(rows.call, rows.place, u, rows.x, rate=whole, spot=whole)
    s = np.exp(u)
    d1 = rows.away / s + 0.5 * s
    d2 = d1 - s
    side = 2.0 * rows.call - 1.0
    density = normal.density_at(d1)
    n1, n2 = normal.probability(side * d1), normal.probability(side * d2)
    slope = rows.discount * rows.forward
    price = (slope * n1 - rows.discount * n2) * side + premium.value
    slope *= density
    slope *= s
    early = premium.exercised
    whole_slope, bend = slope + premium.by_u, slope * (1.0 + d1 * d2) + premium.by_uu
    if early.any():
        price[early], whole_slope[early] = rows.paid[early], np.nan
    return Point(u, s, price, whole_slope, bend, slope, premium, n1, n2, density)


def saved_by_exercise(table: Table, rows: Rows) -> Floats:
    """What exercise at once saves until the end, interest less dividends, where it pays anything."""
    moneyness = rows.paid * (2.0 * rows.call - 1.0) + 1.0
    return np.abs(table.interest[rows.place] - table.yielded[rows.place] * moneyness)


def is_near(table: Table, rows: Rows, price: Floats, most: float = NEAR_EXERCISE) -> Mask:
    """Whether a *price* says that the spot is within so many deviations from where exercise pays.

    Beside the spot S* from which it does, a price is above what it pays by (r K - q S) T (ln(S / S*) / s)^2:
    what the equation of Black & Scholes leaves there.
    """
    above = price - rows.paid
    return np.asarray((above < most * most * saved_by_exercise(table, rows)) & (rows.paid > 0.0))


def begun(table: Table, rows: Rows, price: Floats, u: Floats | None = None) -> Floats:
    """Nearly the u at which *rows* are worth their *price*, where it is not known as *u*."""
    near = np.flatnonzero(is_near(table, rows, price))
    found = np.full_like(price, np.nan) if u is None else u
    if len(near):
        found[near] = by_exercise(table, rows.at(near), price[near])
    if len(rest := np.flatnonzero(np.isnan(found))):
        found[rest] = by_premium(table, rows.at(rest), price[rest]).u
    return found


def blocks(rows: Ints) -> Iterator[Ints]:
    """Some rows at a time: what is made of them on the way stays in a core's own cache."""
    return (rows[begin : begin + _BLOCK] for begin in range(0, len(rows), _BLOCK))


class Led(NamedTuple):
    """Where a premium leads."""

    u: Floats
    premium: Floats  # nearly that at u
    european: Floats  # about the u of a European option of the price less that


def by_premium(table: Table, rows: Rows, price: Floats) -> Led:
    """Where the premium leads that an option has at the volatility of a European one of that price."""
    u = rows.european(price)
    return led(rows, price, u, table.at(rows.call, rows.place, u, rows.x, spot=False))


def led(rows: Rows, price: Floats, u: Floats, premium: Premium) -> Led:
    """Where *rows* are worth their *price*, by their *premium* at *u*, the volatility of a European option.

    A step of Halley's, and what a European option says of what is left without the premium there.
    """
    s = np.exp(u)
    d1 = rows.away / s + 0.5 * s
    slope = rows.discount * rows.forward * normal.density_at(d1) * s
    both = slope + premium.by_u
    by = premium.value / both
    by /= 0.5 * by * (slope * (1.0 + d1 * (d1 - s)) + premium.by_uu) / both - 1.0
    then = premium.value + by * (premium.by_u + 0.5 * by * premium.by_uu)
    european = rows.european(price - then)
    grown = (premium.by_u + by * premium.by_uu) / slope
    by += (european - u - by) / (1.0 + grown)
    return Led(np.where(np.abs(by) < 1.0, u + by, u), then, european)


def by_exercise(table: Table, rows: Rows, price: Floats) -> Floats:
    """The u at which exercise pays as many deviations off the spot as the *price* says."""
    u = found = rows.european(price)
    y = np.sqrt((price - rows.paid) / saved_by_exercise(table, rows)) * (1.0 - 2.0 * rows.call)
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
    near = is_near(table, rows, price, 2.0 * NEAR_EXERCISE)
    low, high = np.full_like(u, _BOUNDS[0]), np.full_like(u, _BOUNDS[1])
    found, at = np.full_like(u, np.nan), np.arange(len(u))
    for _ in range(_STEPS):
        point = point_at(table, rows, u)
        off = point.price - price
        below = point.premium.exercised | (off < 0.0)
        low, high = np.where(below, u, low), np.where(below, high, u)
        step, last = point.step_to(price)
        far = np.clip(_far_step(rows, point, price, near), -_FARTHEST, _FARTHEST)
        step = np.where(np.abs(step) < _CLOSE, step, far)
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
