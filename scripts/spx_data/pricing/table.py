"""The premium of early exercise for all rows of a chain: a table of what it is made of, interpolated.

In units of the strike the premium (`american.Shape`) depends on ln(S / K) in closed form, and through its
shape on three numbers: the deviation s = volatility sqrt T, r T and q T. Within a chain the last two move
together, for its carry (r - q) T is one for the day, or there are no dividends at all. So the shape is
computed at deviations a seventh of a logarithm apart and at a few values of r T (of puts) or q T (of
calls), on whose logarithm it hangs smoothly: a polynomial over these gives each stamp a spline over the
deviation.

What an interpolated premium is off by is stated in docs/decisions/0065.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from spx_data.pricing import american
from spx_data.pricing.american import LEAST, NOTHING, Terms
from spx_data.pricing.normal import Floats, Ints, Mask

_STEP = 0.14  # of ln s
VOLATILITIES = (0.02, 8.0)  # that are in the table, at all times of the day
_MARGIN = 3  # nodes beyond them: a spline is worst at its ends
_RANGE = 6.0  # of ln(r T): what is less than the most by a factor of 400 is not in the table
_NODES = ((0.2, 4), (0.7, 6), (2.0, 8), (_RANGE, 12))  # so many, for a range up to so much
_NOTHING = 2e-7  # of the strike: a premium never is more than r T of a put, or q T of a call
_ALIKE = 1e-9  # of carries: they are one
_NEVER = 1e4  # minus the logarithm of a premium that there is none of
_BUMP = 1e-3  # of r T, relatively: for derivatives by it
_PARTS = 5  # of a shape
_MADE_OF = 4 * _PARTS  # coefficients of cubics


class Premium(NamedTuple):
    """The premium in units of the strike, and its derivatives; u is ln s, x is ln(S / K)."""

    value: Floats
    by_u: Floats
    by_uu: Floats
    by_x: Floats | None  # this and what follows where it was asked for
    by_xx: Floats | None
    by_rate: Floats | None  # by r T, likewise
    exercised: Mask  # where exercise pays at once


class _Parts(NamedTuple):
    """One shape a row: of ln most, power s, ln(S* / K) / s, b s^2 and c s, or of their derivatives."""

    most: Floats
    power: Floats
    critical: Floats
    b: Floats
    c: Floats


class Table:
    """Premiums of the puts and calls of a chain."""

    def __init__(
        self,
        years: Floats,
        interest: Floats,
        yielded: Floats,
        volatilities: tuple[float, float] = VOLATILITIES,
        *,
        rates: bool = True,
    ) -> None:
        """For stamps with *years* left, *interest* r T and dividends *yielded* q T: arrays of one length.

        These are to differ by one carry, or there are to be no dividends: else it knows nothing. It knows
        *volatilities* between two, and derivatives by the rate where *rates* are wanted.
        """
        self.interest, self.yielded = interest, yielded
        self._stamps = len(years)
        known = np.isfinite(interest) & np.isfinite(yielded) & (years > 0.0)
        roots = np.sqrt(years[known]) if known.any() else np.ones(1)
        low = math.log(volatilities[0] * float(roots.min()))
        high = math.log(volatilities[1] * float(roots.max()))
        self._first, self._cells = low, math.ceil((high - low) / _STEP)
        nodes = low + _STEP * np.arange(-_MARGIN, self._cells + _MARGIN + 1, dtype=np.float64)
        stamps = _Stamps(years, interest, yielded, known)
        self._sides = [_Side(side, stamps) for side in (-1.0, 1.0)]
        for side, cubics in zip(self._sides, _splines(self._sides, nodes, rates), strict=True):
            side.cubics = cubics
        cells = 2 * self._cells
        self._held = np.empty((2 * _MADE_OF if rates else _MADE_OF, cells, self._stamps))
        self._filled = np.zeros(cells, dtype=np.bool_)

    def at(
        self, call: Ints, place: Ints, u: Floats, x: Floats, *, rate: bool = False, spot: bool = True
    ) -> Premium:
        """The premium of rows: 1 of a *call* and 0 of a put, at which of the stamps; NaN beyond the table."""
        index, along = self._found(call, place, u)
        held = self._held.reshape(len(self._held), -1)
        rated = _values(held[_MADE_OF:], index, along) if rate else None
        return _premium(*_looked_up(held[:_MADE_OF], index, along), call, u, x, rated, spot=spot)

    def critical(self, call: Ints, place: Ints, u: Floats) -> tuple[Floats, Floats]:
        """ln(S* / K) / s, with S* the spot from which exercise pays, and its derivative by u."""
        index, along = self._found(call, place, u)
        held = self._held.reshape(len(self._held), -1)[8:12]
        return _cubic(held.take(index, axis=1), along)[:2]

    def _found(self, call: Ints, place: Ints, u: Floats) -> tuple[Ints, Floats]:
        """In which column rows find their cubics, and how far along in that cell they are."""
        along = (u - self._first) * (1.0 / _STEP)
        cell = np.floor(along)
        inside = (cell >= 0.0) & (cell < self._cells)
        cell = np.where(inside, cell, 0.0)
        along = np.where(inside, along - cell, np.nan)
        slot = call * self._cells + cell.astype(np.int64)
        self._fill(slot)
        return slot * self._stamps + place, along

    def _fill(self, slots: Ints) -> None:
        """Have the cells that rows want: a cell's numbers are the same whichever come first."""
        wanted = np.zeros_like(self._filled)
        wanted[slots] = True
        for slot in np.flatnonzero(wanted & ~self._filled):
            side, cell = divmod(int(slot), self._cells)
            self._sides[side].fill(self._held[:, slot], cell + _MARGIN)
        self._filled |= wanted


class _Stamps(NamedTuple):
    """The stamps of a chain: arrays of one length."""

    years: Floats
    interest: Floats
    yielded: Floats
    known: Mask


class _Side:
    """The puts or the calls of a chain."""

    cubics: Floats  # (cells, rows of the table, pairs)

    def __init__(self, side: float, stamps: _Stamps) -> None:
        years, interest, yielded, known = stamps
        self.side = side
        driver, other = (yielded, interest) if side > 0.0 else (interest, yielded)
        some = known & (driver > np.maximum(NOTHING * years, _NOTHING))
        self._none = np.flatnonzero(known & ~some)
        self.rates, self.dividends, self._weights = np.empty(0), np.empty(0), np.empty((0, len(years)))
        if not some.any():
            return
        driven = np.log(np.where(some, driver, np.nan))
        top = float(np.nanmax(driven))
        low = max(float(np.nanmin(driven)), top - _RANGE)
        covered = driven >= low
        few = next(many for most, many in _NODES if top - low <= most)
        at = 0.5 * (top + low) + 0.5 * max(top - low, 1e-6) * np.cos(np.pi * (np.arange(few) + 0.5) / few)
        # The other one: it moves along, or there is none of it; else nothing is covered.
        apart, drivers = (other - driver)[some], np.exp(at)
        alike = float(np.ptp(apart)) <= _ALIKE
        if not alike and float(np.max(np.abs(other[some]))) > _ALIKE:
            covered = np.zeros_like(known)
        others = drivers + np.median(apart) if alike else np.zeros_like(drivers)
        self.rates, self.dividends = (others, drivers) if side > 0.0 else (drivers, others)
        self._weights = _lagrange(np.where(covered, driven, np.nan), at)

    def fill(self, held: Floats, cell: int) -> None:
        """Put the cubics of one *cell* at all stamps into *held*: (rows of the table, stamps)."""
        held[:] = self.cubics[cell] @ self._weights if len(self.rates) else np.nan
        if len(self._none):
            held[:, self._none] = 0.0
            held[0, self._none] = -_NEVER
            held[8, self._none] = self.side * _NEVER


def _lagrange(wanted: Floats, nodes: Floats) -> Floats:
    """What each of the *nodes* has to say in the polynomial through them: (nodes, wanted)."""
    apart = wanted - nodes[:, np.newaxis]
    every = np.arange(len(nodes))
    return np.stack(
        [
            np.prod(apart[every != one] / (nodes[one] - nodes[every != one])[:, np.newaxis], axis=0)
            for one in every
        ]
    )


@np.errstate(all="ignore")
def _splines(sides: list[_Side], nodes: Floats, rates: bool) -> list[Floats]:
    """The cubics through the parts of a shape, and with *rates* through their derivatives by r T.

    For each side an array (deviations - 1, parts x 4 or 2 x parts x 4, pairs), for the deviations
    exp(*nodes*) and the side's pairs of interest and dividends. Both sides are made together: numbers are so
    few that calls are what this costs.
    """
    side = np.concatenate([np.full(len(each.rates), each.side) for each in sides])
    if not len(side):
        return [np.empty(0), np.empty(0)]
    shape = len(nodes), len(side)
    deviation = np.repeat(np.exp(nodes), len(side))
    rate, dividends, side = (
        np.tile(each, len(nodes))
        for each in (
            np.concatenate([each.rates for each in sides]),
            np.concatenate([each.dividends for each in sides]),
            side,
        )
    )
    ones = np.ones_like(deviation)
    terms = Terms(ones, ones, side, ones, rate, dividends)
    critical = american.critical_of(terms, deviation)
    if rates:
        bump = _BUMP * np.maximum(np.abs(rate), 1e-9)
        terms = Terms(*(np.tile(each, 3) for each in terms))
        terms = terms._replace(rate=np.concatenate([rate, rate + bump, rate - bump]))
        deviation, critical = np.tile(deviation, 3), np.tile(critical, 3)
    values = _parts(american.shape_of(terms, deviation, critical), deviation)
    if rates:
        plain, dearer, cheaper = np.split(values, 3, axis=1)
        values = np.concatenate([plain, (dearer - cheaper) / (2.0 * bump)])
    cubics = _cubic_spline(values.reshape(-1, *shape)).reshape(-1, len(nodes) - 1, len(side) // len(nodes))
    first = len(sides[0].rates)
    return [np.ascontiguousarray(each.swapaxes(0, 1)) for each in (cubics[..., :first], cubics[..., first:])]


def _parts(shape: american.Shape, s: Floats) -> Floats:
    """Of each shape what `_Parts` names: (parts, rows)."""
    critical = np.log(shape.critical) / s
    return np.stack([np.log(shape.most), shape.power * s, critical, shape.b * s * s, shape.c * s])


def _cubic_spline(values: Floats) -> Floats:
    """Natural splines through *values* a unit apart on the middle axis: (parts, 4, nodes - 1, splines)."""
    right = np.zeros_like(values)
    right[:, 1:-1] = 6.0 * (values[:, 2:] - 2.0 * values[:, 1:-1] + values[:, :-2])
    bend = _bending(values.shape[1]) @ right
    first, last = values[:, :-1], values[:, 1:]
    slope = last - first - (2.0 * bend[:, :-1] + bend[:, 1:]) / 6.0
    return np.stack([first, slope, 0.5 * bend[:, :-1], (bend[:, 1:] - bend[:, :-1]) / 6.0], axis=1)


@functools.lru_cache
def _bending(many: int) -> Floats:
    """What the second derivatives of a natural spline through so *many* values are made with."""
    matrix = np.diag(np.full(many, 4.0)) + np.diag(np.ones(many - 1), 1) + np.diag(np.ones(many - 1), -1)
    matrix[0, :2], matrix[-1, -2:] = (1.0, 0.0), (0.0, 1.0)
    return np.linalg.inv(matrix)


def _looked_up(held: Floats, index: Ints, along: Floats) -> tuple[_Parts, _Parts, _Parts]:
    """The parts of rows, their derivatives by u, and the second ones."""
    parts = (held[4 * part : 4 * part + 4].take(index, axis=1) for part in range(_PARTS))
    values, slopes, bends = zip(*(_cubic(part, along) for part in parts), strict=True)
    return _Parts(*values), _Parts(*slopes), _Parts(*bends)


def _values(held: Floats, index: Ints, along: Floats) -> _Parts:
    """The parts of rows alone."""
    parts = (held[4 * part : 4 * part + 4].take(index, axis=1) for part in range(_PARTS))
    return _Parts(*(((c3 * along + c2) * along + c1) * along + c0 for c0, c1, c2, c3 in parts))


def _cubic(held: Floats, along: Floats) -> tuple[Floats, Floats, Floats]:
    """The value, the slope and the bend by u of cubics, whose coefficients are *held*: that of 1 first.

    What is *held* is used up: numbers that are made in place of others are in a cache already.
    """
    c0, c1, c2, c3 = held
    c3 *= along
    c2 += c3
    c0 += along * (c2 * along + c1)
    slope = c2 + c2
    slope += c3
    slope *= along
    slope += c1
    slope *= 1.0 / _STEP
    c3 += c3
    c3 += c2
    c3 *= 2.0 / _STEP**2
    return c0, slope, c3


def _premium(
    part: _Parts,
    slope: _Parts,
    bend: _Parts,
    call: Ints,
    u: Floats,
    x: Floats,
    by_rate: _Parts | None,
    *,
    spot: bool,
) -> Premium:
    """The premium by its parts."""
    per = np.exp(-u)
    out = x * per
    y, y_u, y_uu = out - part.critical, -out - slope.critical, out - bend.critical
    q_y = part.b * y
    q = (q_y + part.c) * y
    q_y += q_y
    q_y += part.c
    over = 1.0 / (1.0 - q)
    q_uu = y_uu * q_y + (part.b * y_u + 2.0 * slope.b * y + slope.c) * (y_u + y_u) + y * (bend.b * y + bend.c)
    turn, turn_u = q_y * over, (y_u * q_y + y * (slope.b * y + slope.c)) * over
    q_uu *= over
    value = np.exp(part.most + part.power * y) * over
    limited = np.flatnonzero(~(1.0 - q > LEAST))
    if len(limited):
        _limit(limited, part, y, (value, over, turn, turn_u, q_uu))
    by_u = slope.most + slope.power * y + part.power * y_u + turn_u
    by_uu = bend.most + bend.power * y + 2.0 * slope.power * y_u + part.power * y_uu
    by_uu += q_uu
    by_uu += turn_u * turn_u
    by_uu += by_u * by_u
    by_uu *= value
    by_x = by_xx = rated = None
    if spot:
        turned = (part.power + turn) * per
        by_xx = ((part.b + part.b) * over + turn * turn) * per * per
        by_xx += turned * turned
        by_xx *= value
        by_x = turned * value
    if by_rate is not None:
        nearer = by_rate.critical
        rated = (
            by_rate.most
            + by_rate.power * y
            - part.power * nearer
            + (y * (by_rate.b * y + by_rate.c) - nearer * q_y) * over
        )
        rated *= value
    by_u *= value
    return Premium(value, by_u, by_uu, by_x, by_xx, rated, np.where(call > 0, y >= 0.0, y <= 0.0))


def _limit(rows: Ints, part: _Parts, y: Floats, of: tuple[Floats, Floats, Floats, Floats, Floats]) -> None:
    """Have the correction of some rows be no more than its limit, and no function of anything."""
    value, *rest = of
    value[rows] = np.exp(part.most[rows] + part.power[rows] * y[rows]) / LEAST
    for each in rest:
        each[rows] = 0.0
