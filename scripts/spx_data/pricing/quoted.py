"""American options of a chain with a bid and an ask: three volatilities and the greeks, by its table.

A block of rows at a time, so that what is made of them on the way stays in a core's own cache: the premium
leads nearly to the volatility of the midpoint, and there all is computed once; a step of Halley's ends it.
Volatilities of the bid and the ask follow by Taylor's series of the premium. Rows that this leaves open are
put together, for a step costs as much for a few rows as for many, and searched for; what the table does not
know is left to `american`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from spx_data.pricing import american
from spx_data.pricing.black76 import DAYS, Options
from spx_data.pricing.normal import Floats, Ints, Mask
from spx_data.pricing.search import (
    Point,
    Rows,
    begun,
    blocks,
    by_premium,
    is_near,
    point_at,
    searched,
)
from spx_data.pricing.table import Table

_SURE = 2e-5  # of a volatility, relatively: after a last step so small greeks need not be computed anew
_SERIES, _SERIES_TO = 2e-8, 0.7  # of the strike, that the premium's series may be off; of u, how far it goes
_SMALL, _LITTLE = 0.6, 1e-3  # s and steps of u for which Bachelier's model is sure to do


class Quoted(NamedTuple):
    """What is to be priced: arrays of one length."""

    options: Options
    spot: Floats  # dollars
    place: Ints  # which of the table's stamps
    bid: Floats  # dollars
    ask: Floats

    def at(self, rows: Ints | slice) -> Quoted:
        """Some of them."""
        return Quoted(
            self.options.at(rows), self.spot[rows], self.place[rows], self.bid[rows], self.ask[rows]
        )


_Known: TypeAlias = Callable[[Ints | slice], Quoted]


@np.errstate(all="ignore")
def price(table: Table, quoted: _Known, rows: Ints, found: Sequence[Floats]) -> None:
    """Put into *found* the volatilities of bid, midpoint and ask, and the five greeks at the midpoint's.

    Arrays as long as there are rows, of which those in *rows* (ascending) are priced, NaN where there is no
    value, as in `american`; units are those of `black76`. *quoted* gives what is known of some rows: a chain
    as a whole would not stay in a cache.
    """
    work = _Work(table, quoted, found)
    for some in blocks(rows):
        work.begin(some)
    work.end()


class _Asked(NamedTuple):
    """Some rows, and their prices in units of the strike: of the bid, the midpoint and the ask."""

    where: Ints | slice
    number: Ints
    options: Options
    spot: Floats
    rows: Rows
    prices: tuple[Floats, Floats, Floats]
    told: tuple[Mask, ...]  # which of the prices have a volatility

    def at(self, rows: Ints) -> _Asked:
        """Some of them."""
        number, options, (bid, middle, ask), told = self.number[rows], self.options, self.prices, self.told
        return _Asked(
            number,
            number,
            options.at(rows),
            self.spot[rows],
            self.rows.at(rows),
            (bid[rows], middle[rows], ask[rows]),
            (told[0][rows], told[1][rows], told[2][rows]),
        )

    @property
    def anchor(self) -> Floats:
        """The prices that all begins with: of midpoints, or of an ask where that alone has a volatility."""
        (bid, middle, ask), told = self.prices, self.told
        return middle if told[1].all() else np.where(told[1], middle, np.where(told[2], ask, bid))


class _Ended(NamedTuple):
    """Where rows are worth a price."""

    price: Floats
    point: Point  # nearly there
    u: Floats
    about: Floats  # about the u of the point, as `Rows.european` would have it


class _Work:
    """Rows on their way to their values."""

    def __init__(self, table: Table, quoted: _Known, found: Sequence[Floats]) -> None:
        self._table, self._quoted, self._found = table, quoted, found
        # Rows that are left open, with the u at which they are to be computed or NaN; sides of others; and
        # what the table does not know.
        self._open: list[tuple[Ints, Floats]] = []
        self._sides: tuple[list[Ints], list[Ints]] = ([], [])
        self._missed: list[Ints] = []

    def end(self) -> None:
        """Price what was left open."""
        if self._open:
            rows, ends = (np.concatenate(each) for each in zip(*self._open, strict=True))
            order = np.argsort(rows)
            for some in blocks(order):
                self._go_on(rows[some], ends[some])
        for number, sides in enumerate(self._sides):
            for some in blocks(_sorted(sides)):
                self._search(2 * number, some)
        if len(rest := np.unique(_sorted(self._missed))):
            self._without(rest)

    def _asked(self, number: Ints) -> _Asked:
        """The rows of these numbers, which are ascending."""
        # Rows that stand together are looked at where they are.
        together = number[-1] - number[0] == len(number) - 1
        where = slice(int(number[0]), int(number[-1]) + 1) if together else number
        options, spot, place, bid, ask = self._quoted(where)
        bid, ask = bid / options.strike, ask / options.strike
        rows, prices = Rows.of(options, spot, place), (bid, 0.5 * (bid + ask), ask)
        told = rows.have_volatilities(*prices)
        return _Asked(where, number, options, spot, rows, prices, told)

    def begin(self, number: Ints) -> None:
        """End those rows to which the premium leads."""
        table, asked = self._table, self._asked(number)
        told = asked.told[0] | asked.told[1] | asked.told[2]
        near = is_near(table, asked.rows, asked.anchor)
        if not (easy := told & ~near).all():
            later = number[told & near]
            self._open.append((later, np.full(len(later), np.nan)))
            if not easy.any():
                return
            asked = asked.at(np.flatnonzero(easy))
        price = asked.anchor
        led = by_premium(table, asked.rows, price)
        point = point_at(table, asked.rows, led.u, whole=True)
        step, is_last = point.step_to(price)
        end = led.u + step
        there = is_last & (np.abs(step) < _SURE)
        if len(rest := np.flatnonzero(~there)):
            self._open.append((asked.number[rest], np.where(is_last, end, np.nan)[rest]))
        about = led.european - (point.premium.value - led.premium) / point.european
        self._keep(asked, _Ended(price, point, end, about), there)

    def _go_on(self, number: Ints, end: Floats) -> None:
        """End rows of which it is known where, and search for that where it is not."""
        asked = self._asked(number)
        price = asked.anchor
        if len(lost := np.flatnonzero(np.isnan(end))):
            rows = asked.rows.at(lost)
            end[lost] = searched(self._table, rows, price[lost], begun(self._table, rows, price[lost]))
        point = point_at(self._table, asked.rows, end, whole=True)
        known = np.isfinite(point.price)
        self._missed.append(number[~known])
        self._keep(asked, _Ended(price, point, end, asked.rows.european(price - point.premium.value)), known)

    def _keep(self, asked: _Asked, ended: _Ended, there: Mask) -> None:
        """Keep the values of rows that have *ended*; sides of those that are *there* may be left open."""
        root = np.sqrt(asked.options.years)
        values = [np.exp(ended.u) / root, *_greeks(asked, ended.point, root)]
        for column, value in zip((1, *range(3, len(self._found))), values, strict=True):
            self._put(column, asked, asked.told[1], value)
        for number, side in enumerate((0, 2)):
            told = asked.told[side]
            u, sure = _series(asked.rows, ended, asked.prices[side])
            self._put(side, asked, told, np.exp(u) / root)
            open_ = told & there
            open_ &= ~sure
            if open_.any():
                self._sides[number].append(asked.number[open_])

    def _put(self, column: int, asked: _Asked, told: Mask, value: Floats) -> None:
        self._found[column][asked.where] = value if told.all() else np.where(told, value, np.nan)

    def _search(self, side: int, number: Ints) -> None:
        """Search for volatilities of the bid or the ask, beginning with what the series said."""
        asked = self._asked(number)
        price, root = asked.prices[side], np.sqrt(asked.options.years)
        u = begun(self._table, asked.rows, price, np.log(self._found[side][number] * root))
        found = np.exp(searched(self._table, asked.rows, price, u)) / root
        self._found[side][number] = found
        self._missed.append(number[np.isnan(found)])

    def _without(self, number: Ints) -> None:
        """The same without a table."""
        options, spot, _, bid, ask = self._quoted(number)
        middle = american.implied(options, 0.5 * (bid + ask), spot)
        sides = [american.implied(options, each, spot, middle).volatility for each in (bid, ask)]
        greeks = american.values(options, middle.volatility, spot, middle.critical)[1:]
        for column, value in zip(self._found, (sides[0], middle.volatility, sides[1], *greeks), strict=True):
            column[number] = value


def _sorted(parts: list[Ints]) -> Ints:
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)


def _series(rows: Rows, ended: _Ended, price: Floats) -> tuple[Floats, Mask]:
    """The u of another *price* than that of the point, NaN where it is far, and where that is sure."""
    point, premium = ended.point, ended.point.premium
    newton = (price - ended.price) / point.slope
    by = np.clip(newton * (1.0 - 0.5 * newton * point.bend / point.slope), -_SERIES_TO, _SERIES_TO)
    then = premium.value + by * (premium.by_u + 0.5 * by * premium.by_uu)
    there = rows.european(price - then) - ended.about
    more = (there - by) / (1.0 + (premium.by_u + by * premium.by_uu) / point.european)
    by += more
    far = np.abs(by)
    # What the series and that step leave out, of the price: nothing where the premium is nothing.
    turns = far * np.maximum(
        np.abs(premium.by_u / premium.value), np.sqrt(np.abs(premium.by_uu / premium.value))
    )
    left = premium.value * turns**3 * np.exp(turns) + 3.0 * np.square(more) * np.abs(premium.by_uu)
    near = far < _SERIES_TO
    sure = ~(left > 6.0 * _SERIES) & near & ((point.s < _SMALL) | (far < _LITTLE))
    return np.where(near, ended.u + by, np.nan), sure


def _greeks(asked: _Asked, point: Point, root: Floats) -> list[Floats]:
    """Delta, gamma, theta, vega and rho, as `american.values` has them; *root* is that of the years."""
    options, spot, rows, premium = asked.options, asked.spot, asked.rows, point.premium
    strike, years = options.strike, options.years
    assert premium.by_x is not None and premium.by_xx is not None and premium.by_rate is not None
    side, volatility, per = 2.0 * rows.call - 1.0, point.s / root, strike / spot
    # What the underlying less its dividends costs, of its price.
    paid = rows.forward * rows.discount * per
    delta = side * point.n1 * paid + premium.by_x * per
    gamma = (point.density * paid / point.s + (premium.by_xx - premium.by_x) * per) / spot
    carried = -np.log(rows.discount) * point.price * strike - (rows.away - rows.x) * spot * delta
    theta = (carried / years - 0.5 * np.square(volatility * spot) * gamma) / DAYS
    vega = point.slope * strike / volatility
    rho = (side * rows.discount * point.n2 + premium.by_rate) * strike * years
    return [delta, gamma, theta, vega, rho]
