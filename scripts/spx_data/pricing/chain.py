"""The rows of one chain on one date, priced: what its quotes imply, stamp by stamp and contract by contract.

First the forward and the discount factor of each stamp (`forward`), of American options from what is left of
their quotes when the premium of early exercise is taken off; then each row by its model. A row without a
market (no bid, or an ask below it), at a stamp without a forward, or with no time left has no values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spx_data.market.stamps import distinct, indexed
from spx_data.pricing import black76, forward, parity, quoted
from spx_data.pricing.black76 import Options
from spx_data.pricing.normal import Floats, Ints
from spx_data.pricing.quoted import Quoted
from spx_data.pricing.quotes import Pairs, Quotes, is_market
from spx_data.pricing.table import Table

YEAR_MS = 365 * 86_400_000

# Rows that are worked on at a time: what is made of them on the way stays in a core's own cache.
_BLOCK = 8_192
# Strikes by which a forward is found: those at which calls and puts are worth the most alike.
_NEAR_THE_MONEY = 64


@dataclass(frozen=True)
class Terms:
    """What the options of a chain are, whatever their quotes."""

    settled_ms: int  # since the epoch
    american: bool = False
    tick: float = 0.01  # dollars: no spread is narrower than that


class Priced(NamedTuple):
    """What the rows imply: arrays of their length in the units of `black76`, NaN where there is no value."""

    forward: Floats
    discount: Floats
    iv_bid: Floats
    iv_mid: Floats
    iv_ask: Floats
    delta: Floats  # this and what follows at the volatility of the midpoint
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats


class Line(NamedTuple):
    """A value at each stamp: arrays of one length, stamps ascending."""

    stamps: Ints  # ms since the epoch
    values: Floats

    def at(self, stamps: Ints) -> Floats:
        """The values at other *stamps*: the last one known then, NaN before the first."""
        known = np.flatnonzero(np.isfinite(self.values))
        place = np.searchsorted(self.stamps[known], stamps, side="right") - 1
        found = np.full(len(stamps), np.nan)
        found[place >= 0] = self.values[known][place[place >= 0]]
        return found


class Market(NamedTuple):
    """What a chain's quotes say of its underlying: arrays over its stamps."""

    stamps: Ints  # ms since the epoch, ascending
    years: Floats  # to the settlement
    forward: Floats  # dollars
    discount: Floats
    spot: Floats  # dollars: the underlying's price, or what it costs less its dividends until the settlement
    early: Table | None = None  # premiums of early exercise, of American options

    @property
    def prepaid(self) -> Line:
        """What the underlying costs less its dividends until the settlement: near it, its price."""
        return Line(self.stamps, self.forward * self.discount)


def price(terms: Terms, quotes: Quotes, spot: Line | None = None) -> Priced:
    """All values of all rows; *spot* is the underlying's price, which American options need for dividends."""
    stamps, place = indexed(quotes.stamp)
    if not len(stamps):
        return _nothing(0)
    return price_in(terms, quotes, market(terms, quotes, spot, stamps), place)


def price_in(terms: Terms, quotes: Quotes, within: Market, place: Ints) -> Priced:
    """The same where the market is known, and at which of its stamps each row is (*place*)."""
    found = _nothing(len(place))
    usable = is_market(quotes.bid, quotes.ask)
    for begin in range(0, len(place), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        at = place[block]
        found.forward[block], found.discount[block] = within.forward[at], within.discount[at]
        usable[block] &= np.isfinite(found.forward[block])
        if not terms.american and usable[block].any():
            rows = block if usable[block].all() else begin + np.flatnonzero(usable[block])
            for column, part in zip(found[2:], _european(quotes.at(rows), within, place[rows]), strict=True):
                column[rows] = part
    if terms.american:
        _price_american(quotes, within, place, np.flatnonzero(usable), found)
    return found


def _nothing(rows: int) -> Priced:
    return Priced(*(np.full(rows, np.nan) for _ in Priced._fields))


def _european(quotes: Quotes, within: Market, place: Ints) -> list[Floats]:
    """The three volatilities and the greeks of a few rows that have a market."""
    options, mid = _options(quotes, within, place), 0.5 * (quotes.bid + quotes.ask)
    iv = black76.implied(options, mid)
    sides = [black76.implied(options, side, iv) for side in (quotes.bid, quotes.ask)]
    return [sides[0], iv, sides[1], *black76.values(options, iv)[1:]]


def _price_american(quotes: Quotes, within: Market, place: Ints, usable: Ints, found: Priced) -> None:
    """The same for all *usable* rows, put where they are to be."""

    def quoted_at(rows: Ints | slice) -> Quoted:
        these, at = quotes.at(rows), place[rows]
        return Quoted(_options(these, within, at), within.spot[at], at, these.bid, these.ask)

    if len(usable):
        assert within.early is not None
        quoted.price(within.early, quoted_at, usable, found[2:])


def _options(quotes: Quotes, within: Market, place: Ints) -> Options:
    return Options(
        within.forward[place], within.discount[place], quotes.strike, quotes.call, within.years[place]
    )


# The forward ---------------------------------------------------------------------------------------------


def nearest(quotes: Quotes) -> Quotes:
    """Those rows of a chain, or of what is known of it, by which its forward is found."""
    pairs = Pairs.of(quotes, distinct(quotes.stamp), 0.0)
    if len(pairs.strikes) <= _NEAR_THE_MONEY:
        return quotes
    return quotes.at(np.isin(quotes.strike, pairs.near(_NEAR_THE_MONEY).strikes))


def market(terms: Terms, quotes: Quotes, spot: Line | None = None, stamps: Ints | None = None) -> Market:
    """What the quotes of a chain imply at each of their stamps, or of *stamps*, if there are more."""
    stamps = distinct(quotes.stamp) if stamps is None else stamps
    years = (terms.settled_ms - stamps) / YEAR_MS
    pairs = Pairs.of(quotes, stamps, terms.tick).near(_NEAR_THE_MONEY)
    found = forward.implied(forward.fit(pairs.strikes, pairs.difference, pairs.width), years)
    known = None if spot is None else spot.at(stamps)
    if terms.american and np.isfinite(found.forward).any():
        found = parity.implied(pairs, found, years, known)
    at = parity.spot_of(found, known)
    early = parity.table_of(found, years, at) if terms.american else None
    return Market(stamps, years, found.forward, found.discount, at, early)
