"""Static arbitrage that quotes would really allow: bought at the ask, sold at the bid.

A cell can be sold into where it has a bid and bought where it has an ask; crossed quotes are `quotes`'
finding and stay out. A hit is the cell that would be sold, so that one bid too high is one hit (`bounds` also
knows asks too low, and counts the cell that would be bought). Nothing is smoothed or fitted but the forward
and the discount factor, and those are used no closer than the quotes pin them down (`_Line`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from spx_data.quality.checks import Check, Count, Floats, Ints, Mask, Need, Part
from spx_data.quality.panel import CALL, PUT, Panel
from spx_data.quality.parity import Fit

TOLERANCE = 0.005  # dollars: prices are whole cents, sums of them are not exactly
WINGS = 8  # strikes to either side in which a butterfly is looked for

VERTICAL = Check(
    "vertical",
    Part.ARBITRAGE,
    "bids beside an ask of another strike",
    "calls, any K1 < K2: bid(K2) > ask(K1), or bid(K1) − ask(K2) > K2 − K1; puts mirrored",
    "Carr & Madan 2005, A note on sufficient conditions for no arbitrage",
    ruinous=0.01,
)
BUTTERFLY = Check(
    "butterfly",
    Part.ARBITRAGE,
    "bids between two asks of other strikes",
    "K1 < K2 < K3 within 8 strikes of K2: bid(K2) > the straight line from ask(K1) to ask(K3)",
    "Carr & Madan 2005, A note on sufficient conditions for no arbitrage",
    ruinous=0.01,
)
BOUNDS = Check(
    "bounds",
    Part.ARBITRAGE,
    "quotes at stamps with an implied forward F and discount factor D",
    "call: ask < D·(F − K) or bid > D·F; put: ask < D·(K − F) or bid > D·K; "
    "by more than F and D are uncertain",
    "Merton 1973, Theory of rational option pricing",
    ruinous=0.01,
    needs=(Need.EUROPEAN,),
)
CALENDAR = Check(
    "calendar",
    Part.ARBITRAGE,
    "out-of-the-money bids of the root's expiration before, beside an ask at the same moneyness",
    "calls, K' ≤ K·F2/F1: bid1(K) / (D1·F1) > ask2(K') / (D2·F2), by more than F and D are uncertain; "
    "puts, K' ≥ K·F2/F1",
    "Gatheral & Jacquier 2014, Arbitrage-free SVI volatility surfaces, lemma 2.1",
    ruinous=0.01,
    needs=(Need.EUROPEAN, Need.HELD),
)

CHECKS: tuple[Check, ...] = (VERTICAL, BUTTERFLY, BOUNDS, CALENDAR)


def judge(panel: Panel, fit: Fit, before: tuple[Panel, Fit] | None) -> list[Count]:
    """The arbitrage in a chain, and between it and the chain *before* it (same root, earlier expiration)."""
    if not len(panel.stamps):
        return []
    book, line = Book.of(panel), _Line.of(panel, fit)
    found = [
        panel.count(VERTICAL, *_vertical(panel, book)),
        panel.count(BUTTERFLY, *_butterfly(panel, book)),
        panel.count(BOUNDS, *_bounds(panel, book, line)),
    ]
    return [*found, _calendar(panel, book, line, before)] if before and len(before[0].stamps) else found


class Book(NamedTuple):
    """What can be traded: grids of prices, -∞ where nobody buys and ∞ where nobody sells."""

    bid: Floats
    ask: Floats

    @classmethod
    def of(cls, panel: Panel) -> Book:
        """What can be traded of *panel*."""
        bid, ask = panel.grid("bid"), panel.grid("ask")
        wanted, offered = bid > 0, ask > 0
        crossed = wanted & offered & (bid > ask)
        return cls(
            np.where(wanted & ~crossed, bid, -np.inf),
            np.where(offered & ~crossed, ask, np.inf),
        )

    def sides(self, strikes: Floats) -> Iterator[tuple[slice, Floats, Floats, Floats]]:
        """Per right: the order of strikes in which its prices fall, with coordinates, bids and asks in it.

        Calls fall as the strike rises; puts do, seen from the other end.
        """
        yield slice(None), strikes, self.bid[CALL], self.ask[CALL]
        back = slice(None, None, -1)
        yield back, -strikes[back], self.bid[PUT, back], self.ask[PUT, back]


@dataclasses.dataclass(frozen=True)
class _Line:
    """The line D·(F - K) at each stamp, and how far quotes let the true one be from it.

    Quotes without arbitrage hold the true line in bid(C) - ask(P) … ask(C) - bid(P) at every strike. Two
    lines differ by a line: by *off* at most at the strike *at* where quotes leave the least room, and from
    there on by no more than *tilt* a dollar, which the room at *at* and at any other strike bounds. Arrays
    (stamps,), NaN where it is not *known*: two strikes with both quotes are the least.
    """

    forward: Floats
    discount: Floats
    at: Floats
    off: Floats
    tilt: Floats

    @classmethod
    def of(cls, panel: Panel, fit: Fit) -> _Line:
        strikes = panel.strikes[:, np.newaxis]
        room = np.full(panel.shape[1:], np.inf)
        usable = panel.two_sided[CALL] & panel.two_sided[PUT] & np.isfinite(fit.forward * fit.discount)
        fitted = fit.discount * (fit.forward - strikes)
        bid, ask = panel.grid("bid"), panel.grid("ask")
        above, below = ask[CALL] - bid[PUT] - fitted, fitted - bid[CALL] + ask[PUT]
        np.maximum(above, below, out=room, where=usable)
        room += TOLERANCE
        best = room.argmin(axis=0)
        off, at = room[best, np.arange(len(best))], panel.strikes[best]
        with np.errstate(divide="ignore"):
            tilt = ((room + off) / np.abs(strikes - at)).min(axis=0)
        unknown = ~np.isfinite(tilt)
        for line in (off, at, tilt):
            line[unknown] = np.nan
        return cls(fit.forward, fit.discount, at, off, tilt)

    @property
    def known(self) -> Mask:
        """Where there is a line whose doubt is finite."""
        return np.isfinite(self.tilt)

    def value(self, strikes: Floats) -> Floats:
        """D·(F - K) for each strike and stamp."""
        return np.asarray(self.discount * (self.forward - strikes[:, np.newaxis]))

    def doubt(self, strikes: Floats) -> Floats:
        """How far the true D·(F - K) can be from that, for each strike and stamp."""
        return np.asarray(self.off + self.tilt * np.abs(strikes[:, np.newaxis] - self.at))

    @property
    def doubt_at_zero(self) -> Floats:
        """How far the true D·F can be from that, at each stamp."""
        return self.off + self.tilt * self.at

    @property
    def doubt_of_forward(self) -> Floats:
        """How far the true forward can be; NaN where the discount factor could be none at all."""
        slope = self.discount - self.tilt
        slope = np.where(slope > 0, slope, np.nan)
        return np.asarray((self.off + self.tilt * np.abs(self.forward - self.at)) / slope)

    def pick(self, stamps: Ints) -> _Line:
        """The line at some of its stamps, by index."""
        return _Line(*(getattr(self, field.name)[stamps] for field in dataclasses.fields(self)))


def _vertical(panel: Panel, book: Book) -> tuple[Mask, Mask]:
    """Bids that buy a spread of two strikes for less than nothing, or sell it for more than it can pay."""
    found, looked_at = np.empty(panel.shape, dtype=np.bool_), np.empty(panel.shape, dtype=np.bool_)
    for right, (order, at, bid, ask) in enumerate(book.sides(panel.strikes)):
        place = at[:, np.newaxis]
        # The cell's own ask is among them; it is no less than its bid, so it decides nothing.
        dearer = bid > _lowest(ask) + TOLERANCE
        steeper = bid + place > _lowest((ask + place)[::-1])[::-1] + TOLERANCE
        found[right, order] = dearer | steeper
        offered = np.isfinite(ask)
        looked_at[right, order] = np.isfinite(bid) & (offered.sum(axis=0) - offered > 0)
    return found, looked_at


def _lowest(prices: Floats) -> Floats:
    """The lowest of each stamp's prices so far, strike by strike."""
    return np.asarray(np.minimum.accumulate(prices, axis=0))


def _butterfly(panel: Panel, book: Book) -> tuple[Mask, Mask]:
    """Bids above the chord of two asks: the slope down to some ask below exceeds that to some ask above."""
    lower, upper = np.full(panel.shape, -np.inf), np.full(panel.shape, np.inf)
    sold = book.bid - TOLERANCE
    scratch = np.empty(panel.shape[1:])  # one right at a time: what is at work stays in the cache
    for wing in range(1, min(WINGS + 1, len(panel.strikes))):
        per_dollar = 1.0 / (panel.strikes[wing:] - panel.strikes[:-wing])[:, np.newaxis]
        slope = scratch[wing:]
        for right in (CALL, PUT):
            below, above = lower[right, wing:], upper[right, :-wing]
            np.subtract(sold[right, wing:], book.ask[right, :-wing], out=slope)
            np.maximum(below, np.multiply(slope, per_dollar, out=slope), out=below)
            np.subtract(book.ask[right, wing:], sold[right, :-wing], out=slope)
            np.minimum(above, np.multiply(slope, per_dollar, out=slope), out=above)
    return lower > upper, np.isfinite(lower) & np.isfinite(upper)


def _bounds(panel: Panel, book: Book, line: _Line) -> tuple[Mask, Mask]:
    """Asks below what exercise is worth, bids above what exercise can ever pay; both as of today."""
    strikes = panel.strikes[:, np.newaxis]
    value, doubt = line.value(panel.strikes), line.doubt(panel.strikes) + TOLERANCE
    found = np.empty(panel.shape, dtype=np.bool_)
    most = line.discount * line.forward + line.doubt_at_zero + TOLERANCE
    found[CALL] = (book.ask[CALL] < value - doubt) | (book.bid[CALL] > most)
    most = (line.discount + line.tilt) * strikes + TOLERANCE
    found[PUT] = (book.ask[PUT] < -value - doubt) | (book.bid[PUT] > most)
    return found, (np.isfinite(book.bid) | np.isfinite(book.ask)) & line.known


def _calendar(panel: Panel, book: Book, line: _Line, before: tuple[Panel, Fit]) -> Count:
    """Bids of the expiration *before* above an ask of this one, at the same moneyness or a better one.

    A call over its discounted forward, at a strike in proportion to the forward, cannot fall with the
    expiration, and it falls with the strike: so every K' ≤ K·F2/F1 will do; puts mirrored. Out of the money
    alone (K ≥ F1 for calls), where that holds for dividends in dollars as well as for those in proportion:
    they put the strike to compare with, K - PV(dividends) carried forward, above K·F2/F1.
    """
    near, near_fit = before
    _, mine, other = np.intersect1d(panel.stamps, near.stamps, assume_unique=True, return_indices=True)
    far, first = line.pick(mine), _Line.of(near, near_fit).pick(other)
    least = (far.forward - far.doubt_of_forward) / (first.forward + first.doubt_of_forward)
    lowest = first.forward - first.doubt_of_forward
    most = (far.forward + far.doubt_of_forward) / np.where(lowest > 0, lowest, np.nan)
    worth = (far.discount * far.forward - far.doubt_at_zero) / (
        first.discount * first.forward + first.doubt_at_zero
    )
    sold = Book.of(near).bid
    asks = book.ask[:, :, mine]
    found, looked_at = np.zeros(near.shape, dtype=np.bool_), np.zeros(near.shape, dtype=np.bool_)
    for right, ratio in ((CALL, least), (PUT, most)):
        strikes = near.strikes[:, np.newaxis]
        outside = strikes >= first.forward if right == CALL else strikes <= first.forward
        rows = np.flatnonzero(outside.any(axis=1))
        cells = np.ix_(rows, other)
        bid = sold[right][cells]
        lowest = cheapest(panel.strikes, asks[right], strikes[rows] * ratio, right)
        judged = outside[rows] & np.isfinite(bid) & np.isfinite(lowest) & np.isfinite(worth * ratio)
        looked_at[right][cells] = judged
        found[right][cells] = judged & ((bid - TOLERANCE) * worth > lowest)
    return near.count_of_another(CALENDAR, found, looked_at)


def cheapest(strikes: Floats, ask: Floats, limit: Floats, right: int) -> Floats:
    """The lowest ask at a strike up to *limit* (calls) or from it on (puts); ∞ where there is none."""
    nothing = np.full((1, ask.shape[1]), np.inf)
    if right == CALL:
        lowest = np.concatenate([nothing, _lowest(ask)])
        place = np.searchsorted(strikes, limit, side="right")
    else:
        lowest = np.concatenate([_lowest(ask[::-1])[::-1], nothing])
        place = np.searchsorted(strikes, limit, side="left")
    return np.asarray(np.take_along_axis(lowest, place, axis=0))
