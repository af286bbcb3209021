"""American options of a chain with a bid and an ask: three volatilities and the greeks, by its table.

The `search` leads nearly to the volatility of the midpoint; there all is computed once, and a step of
Halley's ends it. Volatilities of the bid and the ask follow by Taylor's series of the premium. What that
leaves open is searched for, and what the table does not know is left to `american`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spx_data.pricing import american
from spx_data.pricing.black76 import DAYS, Options
from spx_data.pricing.normal import Floats, Ints, Mask
from spx_data.pricing.search import (
    NEAR_EXERCISE,
    Point,
    Rows,
    blocks,
    by_exercise,
    nearly,
    out_of,
    point_at,
    searched,
)
from spx_data.pricing.table import Table

_SURE = 2e-5  # of a volatility, relatively: after a last step so small greeks need not be computed anew
_SERIES, _SERIES_TO = 2e-8, 0.7  # of the strike, that the premium's series may be off; of u, how far it goes
_SMALL, _LITTLE = 0.6, 1e-3  # s and steps of u for which Bachelier's model is sure to do


class _Priced(NamedTuple):
    """What was found of rows: u of the bid, the midpoint (or what stands for it) and the ask, and greeks."""

    bid: Floats
    mid: Floats
    ask: Floats
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats


@np.errstate(all="ignore")
def values(
    table: Table, options: Options, spot: Floats, place: Ints, bid: Floats, ask: Floats
) -> list[Floats]:
    """Volatilities of the bid, the midpoint and the ask, and the five greeks at that of the midpoint.

    Arrays of the length of *options*, in the units of `black76`. NaN where there is none, as in `american`.
    """
    rows, strike = Rows.of(options, spot, place), options.strike
    prices = (bid / strike, 0.5 * (bid + ask) / strike, ask / strike)
    told = [rows.has_volatility(each) for each in prices]
    any_told = told[0] | told[1] | told[2]
    some = slice(None) if any_told.all() else np.flatnonzero(any_told)
    found = [np.full(len(strike), np.nan) for _ in _Priced._fields]
    if not any_told.any():
        return found
    wanted, known = [each[some] for each in prices], [each[some] for each in told]
    priced = _priced(table, options.at(some), spot[some], rows.at(some), wanted, known)
    root = np.sqrt(options.years[some])
    for number, each in enumerate(priced):
        value = np.exp(each) / root if number < 3 else each
        found[number][some] = np.where(known[number if number < 3 else 1], value, np.nan)
    missed = [told[side] & np.isnan(found[side]) for side in range(3)]
    if len(rest := np.flatnonzero(missed[0] | missed[1] | missed[2])):
        parts = _without(options.at(rest), spot[rest], bid[rest], ask[rest])
        for whole, part in zip(found, parts, strict=True):
            whole[rest] = part
    return found


def _priced(
    table: Table, options: Options, spot: Floats, rows: Rows, prices: list[Floats], told: list[Mask]
) -> _Priced:
    """The same in u, of rows of which at least one price has a volatility."""
    # Where only the ask has a volatility, all begins with that.
    anchor = np.where(told[1], prices[1], np.where(told[2], prices[2], prices[0]))
    u = nearly(table, rows, anchor)
    found = _Priced(*(np.empty_like(u) for _ in _Priced._fields))
    later: tuple[list[Ints], list[Ints]] = ([], [])
    for some in blocks(np.arange(len(u))):
        block = slice(some[0], some[-1] + 1)
        these, price = rows.at(block), anchor[block]
        point = _ended(table, these, price, u[block])
        found.mid[block] = point.end
        for whole, part in zip(found[3:], _greeks(options.at(block), spot[block], these, point), strict=True):
            whole[block] = part
        middle = these.european(price - point.premium.value)
        for number, side in enumerate((0, 2)):
            by, sure = _series(these, point, price, middle, prices[side][block])
            found[side][block] = by
            later[number].append(some[told[side][block] & ~sure])
    for number, side in enumerate((0, 2)):
        for some in blocks(np.concatenate(later[number])):
            these, price = rows.at(some), prices[side][some]
            out = out_of(table, these, price)
            begun = np.where(np.isfinite(found[side][some]), found[side][some], found.mid[some])
            near = np.flatnonzero(out < NEAR_EXERCISE)
            begun[near] = by_exercise(table, these.at(near), out[near], these.at(near).european(price[near]))
            found[side][some] = searched(table, these, price, begun)
    return found


def _ended(table: Table, rows: Rows, price: Floats, u: Floats) -> Point:
    """The point at which rows are worth their *price*, *u* being nearly there."""
    point = point_at(table, rows, u, rate=True)
    step = point.step_to(price)
    end, is_last = u + step, point.is_last(price)
    moved = np.flatnonzero(~((np.abs(step) < _SURE) & is_last))
    if len(moved):
        these = rows.at(moved)
        far = np.flatnonzero(~is_last[moved])
        then = end[moved]
        then[far] = searched(table, these.at(far), price[moved][far], u[moved][far])
        point = point.with_(moved, point_at(table, these, then, rate=True))
        end[moved] = then
    return point._replace(end=end)


def _without(options: Options, spot: Floats, bid: Floats, ask: Floats) -> list[Floats]:
    """The same without a table."""
    middle = american.implied(options, 0.5 * (bid + ask), spot)
    sides = [american.implied(options, each, spot, middle).volatility for each in (bid, ask)]
    greeks = american.values(options, middle.volatility, spot, middle.critical)[1:]
    return [sides[0], middle.volatility, sides[1], *greeks]


def _series(rows: Rows, point: Point, anchor: Floats, middle: Floats, price: Floats) -> tuple[Floats, Mask]:
    """The u of another *price* than the *anchor* that gave the point, and where that is sure.

    *middle* is about what u is at the point.
    """
    premium = point.premium
    newton = (price - anchor) / point.slope
    by = np.clip(newton * (1.0 - 0.5 * newton * point.bend / point.slope), -_SERIES_TO, _SERIES_TO)
    then = premium.value + by * (premium.by_u + 0.5 * by * premium.by_uu)
    there = rows.european(price - then) - middle
    more = (there - by) / (1.0 + (premium.by_u + by * premium.by_uu) / point.european)
    by += more
    # What the series and that step leave out, of the price: nothing where the premium is nothing.
    turns = np.abs(by) * np.maximum(
        np.abs(premium.by_u / premium.value), np.sqrt(np.abs(premium.by_uu / premium.value))
    )
    left = premium.value * turns**3 * np.exp(turns) + 3.0 * np.square(more) * np.abs(premium.by_uu)
    sure = ~(left > 6.0 * _SERIES) & (np.abs(by) < _SERIES_TO)
    sure &= (np.exp(point.end) < _SMALL) | (np.abs(by) < _LITTLE)
    return point.end + by, sure


def _greeks(options: Options, spot: Floats, rows: Rows, point: Point) -> list[Floats]:
    """Delta, gamma, theta, vega and rho, as `american.values` has them."""
    strike, years, premium = options.strike, options.years, point.premium
    side, volatility = 2.0 * rows.call - 1.0, np.exp(point.u) / np.sqrt(years)
    prepaid = options.forward * options.discount
    paid = prepaid / spot
    delta = side * point.n1 * paid + premium.by_x * strike / spot
    gamma = point.density / (prepaid * np.exp(point.u)) * paid * paid + (
        premium.by_xx - premium.by_x
    ) * strike / np.square(spot)
    rate = -np.log(options.discount) / years
    carry = np.log(options.forward / spot) / years
    carried = rate * point.price * strike - carry * spot * delta
    theta = (carried - 0.5 * np.square(volatility * spot) * gamma) / DAYS
    vega = point.slope * strike / volatility
    assert premium.by_rate is not None
    rho = (side * rows.discount * point.n2 + premium.by_rate) * strike * years
    return [delta, gamma, theta, vega, rho]
