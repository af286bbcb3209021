"""Rows of a chain with their bids and asks, and calls and puts side by side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spx_data.market.stamps import places
from spx_data.pricing.normal import Floats, Ints, Mask


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

    def at(self, rows: Ints | Mask | slice) -> Quotes:
        """Some of them."""
        return Quotes(self.strike[rows], self.call[rows], self.stamp[rows], self.bid[rows], self.ask[rows])


def is_market(bid: Floats, ask: Floats) -> Mask:
    """Where there is a bid, and an ask that is not below it."""
    return np.asarray((bid > 0.0) & (ask >= bid) & np.isfinite(ask))


class Pairs(NamedTuple):
    """Calls and puts at the same strikes and stamps: arrays (2, strikes, stamps), NaN without a market."""

    strikes: Floats
    mid: Floats
    spread: Floats  # a tick at least: a locked quote must not carry all the weight

    @classmethod
    def of(cls, quotes: Quotes, stamps: Ints, tick: float) -> Pairs:
        """Those of *quotes* at *stamps*."""
        # Rows of a contract mostly stand together, so that runs of a strike are few.
        begins = np.flatnonzero(np.diff(quotes.strike, prepend=np.nan) != 0.0)
        runs = quotes.strike[begins]
        strikes = np.unique(runs)
        shape = 2, len(strikes), len(stamps)
        there = is_market(quotes.bid, quotes.ask)
        lengths = np.diff(begins, append=len(quotes.strike))
        row, at = np.repeat(np.searchsorted(strikes, runs), lengths), places(stamps, quotes.stamp)
        place = (np.where(quotes.call, 0, len(strikes)) + row) * len(stamps) + at
        mid, spread = np.full(shape, np.nan), np.full(shape, np.nan)
        # Where there is no market nothing is put, so that of two rows the one that has one counts.
        place = place if there.all() else place[there]
        bid, ask = (each if there.all() else each[there] for each in (quotes.bid, quotes.ask))
        mid.put(place, 0.5 * (bid + ask))
        spread.put(place, np.maximum(ask - bid, tick))
        return cls(strikes, mid, spread)

    def at(self, stamps: Ints) -> Pairs:
        """Those at some stamps."""
        return Pairs(self.strikes, self.mid[:, :, stamps], self.spread[:, :, stamps])

    @property
    def difference(self) -> Floats:
        """C - P: (strikes, stamps)."""
        return np.asarray(self.mid[0] - self.mid[1])

    @property
    def width(self) -> Floats:
        """Both spreads together: (strikes, stamps)."""
        return np.asarray(self.spread.sum(axis=0))

    def near(self, most: int) -> Pairs:
        """Those at the *most* strikes at which calls and puts are worth the most alike."""
        apart = np.abs(self.difference)
        known = np.flatnonzero(np.isfinite(apart).any(axis=1))
        if len(known) > most:
            order = np.argsort(_medians(apart[known]), kind="stable")
            known = np.sort(known[order[:most]])
        return Pairs(self.strikes[known], self.mid[:, known], self.spread[:, known])


def _medians(values: Floats) -> Floats:
    """The median of what is a number in each row."""
    ordered = np.sort(values, axis=1)  # NaN last
    last = np.count_nonzero(~np.isnan(ordered), axis=1) - 1
    every = np.arange(len(ordered))
    return np.asarray(0.5 * (ordered[every, last // 2] + ordered[every, (last + 1) // 2]))
