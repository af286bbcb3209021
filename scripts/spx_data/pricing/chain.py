"""The rows of one chain on one date, priced: what its quotes imply, stamp by stamp and contract by contract.

First the forward and the discount factor of each stamp (`forward`), of American options from what is left of
their quotes when the premium of early exercise is taken off; then each row by its model. A row without a
market (no bid, or an ask below it), at a stamp without a forward, or with no time left has no values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spx_data.pricing import american, black76, forward
from spx_data.pricing.black76 import Options
from spx_data.pricing.forward import Forward
from spx_data.pricing.normal import Floats, Ints, Mask

YEAR_MS = 365 * 86_400_000

# Rows that are worked on at a time: what is made of them on the way stays in a core's own cache.
_BLOCK = 16_384
# Strikes by which a forward is found: those at which calls and puts are worth the most alike.
_NEAR_THE_MONEY, _NEAREST = 64, 24
_ROUNDS = 3  # of taking premiums off and fitting anew, twice each


@dataclass(frozen=True)
class Terms:
    """What the options of a chain are, whatever their quotes."""

    settled_ms: int  # since the epoch
    american: bool = False
    tick: float = 0.01  # dollars: no spread is narrower than that


class Quotes(NamedTuple):
    """Rows of a chain, in any order: arrays of one length."""

    strike: Floats  # dollars
    call: Mask
    stamp: Ints  # ms since the epoch
    bid: Floats  # dollars
    ask: Floats

    @classmethod
    def none(cls) -> Quotes:
        """No rows at all."""
        no, numbers = np.empty(0), np.empty(0, dtype=np.int64)
        return cls(no, no.astype(np.bool_), numbers, no, no)

    def with_(self, more: Quotes) -> Quotes:
        """These and *more*."""
        if not len(self.strike):
            return more
        pairs = zip(self, more, strict=True)
        strike, call, stamp, bid, ask = (np.concatenate(pair) for pair in pairs)
        return Quotes(strike, call, stamp, bid, ask)

    def at(self, rows: Ints | Mask) -> Quotes:
        """Some of them."""
        return Quotes(self.strike[rows], self.call[rows], self.stamp[rows], self.bid[rows], self.ask[rows])


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

    @property
    def prepaid(self) -> Line:
        """What the underlying costs less its dividends until the settlement: near it, its price."""
        return Line(self.stamps, self.forward * self.discount)


def price(terms: Terms, quotes: Quotes, spot: Line | None = None) -> Priced:
    """All values of all rows; *spot* is the underlying's price, which American options need for dividends."""
    stamps, place = np.unique(quotes.stamp, return_inverse=True)
    return price_in(terms, quotes, market(terms, quotes, spot), place) if len(stamps) else _nothing(0)


def price_in(terms: Terms, quotes: Quotes, within: Market, place: Ints) -> Priced:
    """The same where the market is known, and at which of its stamps each row is (*place*)."""
    found = _nothing(len(place))
    usable = is_market(quotes.bid, quotes.ask)
    for begin in range(0, len(place), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        at = place[block]
        found.forward[block], found.discount[block] = within.forward[at], within.discount[at]
        rows = begin + np.flatnonzero(usable[block] & np.isfinite(within.forward[at]))
        if len(rows):
            values = _block(terms, quotes.at(rows), within, place[rows])
            for column, part in zip(found[2:], values, strict=True):
                column[rows] = part
    return found


def is_market(bid: Floats, ask: Floats) -> Mask:
    """Where there is a bid, and an ask that is not below it."""
    return np.asarray((bid > 0.0) & (ask >= bid) & np.isfinite(ask))


def _nothing(rows: int) -> Priced:
    return Priced(*(np.full(rows, np.nan) for _ in Priced._fields))


def _block(terms: Terms, quotes: Quotes, within: Market, place: Ints) -> list[Floats]:
    """The three volatilities and the greeks of a few rows that have a market."""
    mid = 0.5 * (quotes.bid + quotes.ask)
    options = Options(
        within.forward[place],
        within.discount[place],
        quotes.strike,
        quotes.call,
        within.years[place],
    )
    if not terms.american:
        iv = black76.implied(options, mid)
        sides = [black76.implied(options, side, iv) for side in (quotes.bid, quotes.ask)]
        return [sides[0], iv, sides[1], *black76.values(options, iv)[1:]]
    spot = within.spot[place]
    found = american.implied(options, mid, spot)
    bid, ask = (american.implied(options, side, spot, found).volatility for side in (quotes.bid, quotes.ask))
    values = american.values(options, found.volatility, spot, found.critical)
    return [bid, found.volatility, ask, *values[1:]]


# The forward ---------------------------------------------------------------------------------------------


def nearest(quotes: Quotes) -> Quotes:
    """Those rows of a chain, or of what is known of it, by which its forward is found."""
    pairs = _Pairs.of(quotes, np.unique(quotes.stamp), 0.0)
    if len(pairs.strikes) <= _NEAR_THE_MONEY:
        return quotes
    return quotes.at(np.isin(quotes.strike, pairs.near(_NEAR_THE_MONEY).strikes))


def market(terms: Terms, quotes: Quotes, spot: Line | None = None, stamps: Ints | None = None) -> Market:
    """What the quotes of a chain imply at each of their stamps, or of *stamps*, if there are more."""
    stamps = np.unique(quotes.stamp) if stamps is None else stamps
    years = (terms.settled_ms - stamps) / YEAR_MS
    pairs = _Pairs.of(quotes, stamps, terms.tick).near(_NEAR_THE_MONEY)
    found = forward.implied(forward.fit(pairs.strikes, pairs.difference, pairs.width), years)
    known = None if spot is None else spot.at(stamps)
    if terms.american and np.isfinite(found.forward).any():
        found = _american(pairs, found, years, known)
    return Market(stamps, years, found.forward, found.discount, _spot(found, known))


class _Pairs(NamedTuple):
    """Calls and puts at the same strikes and stamps: arrays (2, strikes, stamps), NaN without a market."""

    strikes: Floats
    mid: Floats
    spread: Floats  # a tick at least: a locked quote must not carry all the weight

    @classmethod
    def of(cls, quotes: Quotes, stamps: Ints, tick: float) -> _Pairs:
        strikes, row = np.unique(quotes.strike, return_inverse=True)
        mid = np.full((2, len(strikes), len(stamps)), np.nan)
        spread = mid.copy()
        there = is_market(quotes.bid, quotes.ask)
        at = (
            np.where(quotes.call[there], 0, 1),
            row[there],
            np.searchsorted(stamps, quotes.stamp[there]),
        )
        bid, ask = quotes.bid[there], quotes.ask[there]
        mid[at], spread[at] = 0.5 * (bid + ask), np.maximum(ask - bid, tick)
        return cls(strikes, mid, spread)

    @property
    def difference(self) -> Floats:
        """C - P: (strikes, stamps)."""
        return np.asarray(self.mid[0] - self.mid[1])

    @property
    def width(self) -> Floats:
        """Both spreads together: (strikes, stamps)."""
        return np.asarray(self.spread.sum(axis=0))

    def near(self, most: int) -> _Pairs:
        """Those at the *most* strikes at which calls and puts are worth the most alike."""
        apart = np.abs(self.difference)
        known = np.flatnonzero(np.isfinite(apart).any(axis=1))
        if len(known) > most:
            order = np.argsort(np.nanmedian(apart[known], axis=1), kind="stable")
            known = np.sort(known[order[:most]])
        return _Pairs(self.strikes[known], self.mid[:, known], self.spread[:, known])


def _spot(found: Forward, known: Floats | None) -> Floats:
    """The underlying at each stamp: the forward less the carry, which is one for the day: the median.

    So a price that lags by seconds moves nothing. Where none is *known*, there are no dividends but in it.
    """
    if known is None or not (there := np.isfinite(found.forward) & (known > 0.0)).any():
        return np.asarray(found.forward * found.discount)
    carry = np.median(np.log(found.forward[there] / known[there]))
    return np.asarray(found.forward * np.exp(-carry))


def _american(pairs: _Pairs, found: Forward, years: Floats, known: Floats | None) -> Forward:
    """The forward by what options near the money would be worth without their right of early exercise.

    For American options parity is an inequality. So the premium of each option is computed at the
    volatility that its midpoint implies, and parity is asked of the rest; then again with the forward that
    comes of it. From one round to the next a like share of the error is left, so every third says where
    they lead. Rates cannot be told from dividends where the underlying's price is not *known*: then they
    are what they usually are.
    """
    blind = known is None or not np.isfinite(known).any()
    few = pairs.near(_NEAREST)
    there = np.isfinite(few.mid) & (years > 0.0)
    right, row, at = np.nonzero(there)
    mid, strike, call = few.mid[there], few.strikes[row], right == 0
    rounds = [Forward(found.forward, forward.usual_discount(years))]
    for _ in range(_ROUNDS):
        for _ in range(2):
            last = rounds[-1]
            options = Options(last.forward[at], last.discount[at], strike, call, years[at])
            rest = few.mid.copy()
            # NaN where exercise pays at once: nothing is known of the rest.
            rest[there] -= american.implied(options, mid, _spot(last, known)[at]).premium
            line = forward.fit(few.strikes, rest[0] - rest[1], few.width)
            rounds.append(forward.implied(line, years, usual_rate=blind))
        rounds = [Forward(*map(_limit, *rounds[-3:]))]
    return rounds[-1]


@np.errstate(all="ignore")
def _limit(first: Floats, second: Floats, third: Floats) -> Floats:
    """Where values lead whose differences shrink by one ratio (Aitken)."""
    ratio = np.clip((third - second) / (second - first), -0.5, 0.8)
    return np.asarray(third + np.where(np.isfinite(ratio), (third - second) * ratio / (1.0 - ratio), 0.0))
