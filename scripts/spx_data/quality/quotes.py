"""Quotes by themselves (crossed, locked, one-sided, wide, stale), and whether a date's market was alive.

A price of 0 is the terminal's way to say that there is none (docs/wire.md, 0.4). What one contract or one
chain does alone is its own affair, and may be how a quiet market looks. Only what nearly all contracts of
nearly all chains do at once, without any market or with quotes that all stand still, is the feed's doing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spx_data.quality.checks import Check, Count, Floats, Ints, Mask, Need, Part
from spx_data.quality.panel import CALL, MINUTE_MS, Panel, clock, moment_ms, runs
from spx_data.quality.underlying import CLOSES_AT_THE_EARLIEST, OPENS

# A quote is wide beyond both of these: half of its midpoint, and a dollar.
WIDE_SHARE = 0.5
WIDE_DOLLARS = 1.0
WIDE_FROM_MID = 1.0  # dollars; below it a tick or two are half of the price

STALE_MS = 30 * MINUTE_MS
STALE_RECORDS = 5  # at least, where stamps are far apart
STALE_SPREADS = 2.0
LEAST_DELTA = 0.1

# Of a whole date.
_NEARLY_ALL = 0.95  # of the contracts of a chain
_NEARLY_ALL_CHAINS = 0.9
_FEWEST = 4  # contracts that make a chain worth asking
_FEWEST_OF_ALL = 10  # contracts that make a date worth asking
_NEAR = 0.025  # of the underlying: strikes whose options move with it
_SEVERAL = 3  # stamps in a row at which nothing moves
_STEPS = 2.0  # usual steps that the index moves meanwhile
_RUINOUS = 0.15  # of the stamps: an hour of a regular day

CROSSED = Check(
    "crossed",
    Part.QUOTES,
    "quotes with a bid and an ask",
    "bid > ask > 0",
    "arithmetic: who bought at the ask could sell at the bid at once",
    tolerated=0.0005,
    ruinous=0.02,
)
LOCKED = Check(
    "locked",
    Part.QUOTES,
    "quotes with a bid and an ask",
    "bid = ask > 0",
    "arithmetic: such orders trade with each other",
    tolerated=0.001,
    ruinous=0.05,
)
ONE_SIDED = Check(
    "one-sided",
    Part.QUOTES,
    "quotes",
    "bid > 0, ask = 0",
    "among 13,536 genuine SPXW quotes not one was without an ask (docs/wire.md, 2.2)",
    tolerated=0.001,
    ruinous=0.05,
)
ZERO_BID = Check(
    "zero-bid",
    Part.QUOTES,
    "quotes",
    "bid = 0 < ask: nobody buys what is almost worthless",
    "7.6 % of 13,536 genuine SPXW quotes (docs/wire.md, 2.2)",
    ruinous=None,
)
NO_MARKET = Check(
    "no-market",
    Part.QUOTES,
    "quotes",
    "bid = ask = 0",
    "docs/wire.md, 2.2",
    ruinous=None,
)
WIDE = Check(
    "wide",
    Part.QUOTES,
    "two-sided quotes with a midpoint of $1 or more",
    "ask − bid > $1 and > 50 % of the midpoint",
    "a convention of this project: the value can be anything from half to one and a half of the midpoint",
    tolerated=0.02,
    ruinous=0.5,
)
STALE = Check(
    "stale",
    Part.QUOTES,
    "two-sided quotes with |delta| of 0.1 or more",
    "bid and ask unchanged for 30 minutes or more, in which "
    "mean |delta| · (highest − lowest underlying) > 2 spreads",
    "first order of the Taylor series: a price moves by delta times the underlying's move",
    tolerated=0.002,
    ruinous=0.05,
    needs=(Need.GREEKS,),
)
DEAD = Check(
    "dead-stamps",
    Part.QUOTES,
    "stamps of the session",
    "in nine of ten chains, 95 % of the contracts that had a market (a bid or an ask) before, and have one "
    "after, if the session is over by then, have bid = ask = 0",
    "a convention of this project: contracts lose their market one by one, a feed loses all of them at once",
    ruinous=_RUINOUS,
)
STALLED = Check(
    "stalled",
    Part.QUOTES,
    "stamps of the session",
    "in nine of ten chains, 95 % of the two-sided quotes within 2.5 % of the underlying are those of the "
    "stamp before, three stamps or more in a row, in which the underlying moves by two of its usual steps",
    "a convention of this project: quotes near the money follow the index; its usual step is the median one",
    ruinous=_RUINOUS,
    needs=(Need.PRICE,),
)

CHECKS = (CROSSED, LOCKED, ONE_SIDED, ZERO_BID, NO_MARKET, WIDE, STALE, DEAD, STALLED)


def judge(panel: Panel) -> list[Count]:
    """What the quotes of a chain show."""
    bid, ask = panel.grid("bid"), panel.grid("ask")
    offered, wanted = ask > 0, bid > 0
    both = offered & wanted
    worthwhile = panel.two_sided & (panel.mid >= WIDE_FROM_MID)
    wide = worthwhile & (panel.spread > WIDE_DOLLARS) & (panel.spread > WIDE_SHARE * panel.mid)
    still, moving = stale(panel)
    return [
        panel.count(CROSSED, both & (bid > ask), both),
        panel.count(LOCKED, both & (bid == ask), both),
        panel.count(ONE_SIDED, wanted & (ask == 0), panel.there),
        panel.count(ZERO_BID, offered & (bid == 0), panel.there),
        panel.count(NO_MARKET, (bid == 0) & (ask == 0), panel.there),
        panel.count(WIDE, wide, worthwhile),
        panel.count(STALE, still, moving),
    ]


def stale(panel: Panel) -> tuple[Mask, Mask]:
    """Which quotes stood still though the underlying moved, among those that its moves concern."""
    weight = _weights(panel)
    looked_at = panel.two_sided & (weight >= LEAST_DELTA) & np.isfinite(panel.underlying)
    least = max(-(-STALE_MS // panel.step_ms) + 1, STALE_RECORDS)
    begin, length = _unchanged(panel.grid("bid"), panel.grid("ask"), least)
    judged, summed = _sums(begin, length, looked_at, np.where(looked_at, weight, 0.0))
    begin, length, delta = begin[judged > 0], length[judged > 0], summed[judged > 0] / judged[judged > 0]
    stamp = begin % panel.shape[2]
    moved = _range(panel.underlying, stamp, stamp + length)
    still = delta * moved > STALE_SPREADS * np.maximum(panel.spread.reshape(-1)[begin], panel.product.tick)
    return looked_at & _marked(panel.shape, begin[still], length[still]), looked_at


def _weights(panel: Panel) -> Floats:
    """|delta| of each record; where the vendor knows none, 1 in the money and 0 out of it."""
    delta = np.abs(panel.grid("delta"))
    unknown = (delta == 0) & panel.two_sided
    if unknown.any():
        right, strike, stamp = np.nonzero(unknown)
        side = np.where(right == CALL, 1.0, -1.0)
        inside = side * (panel.underlying[stamp] - panel.strikes[strike]) > 0
        delta[unknown] = np.where(inside, 1.0, 0.0)
    return delta


def _unchanged(bid: Floats, ask: Floats, least: int) -> tuple[Ints, Ints]:
    """Runs of *least* or more equal quotes of a contract: their first cells and their lengths.

    A missing record equals nothing, so it ends a run.
    """
    starts = np.ones(bid.shape, dtype=np.bool_)
    starts[..., 1:] = (bid[..., 1:] != bid[..., :-1]) | (ask[..., 1:] != ask[..., :-1])
    places = np.append(np.flatnonzero(starts), bid.size)
    lengths = np.diff(places)
    return places[:-1][lengths >= least], lengths[lengths >= least]


def _sums(begin: Ints, length: Ints, *grids: Floats | Mask) -> list[Floats]:
    """The sum of each grid over each run of cells."""
    edges = np.stack([begin, begin + length], axis=1).reshape(-1)
    padded = (np.append(grid.reshape(-1), 0.0) for grid in grids)  # a run may end where the grid does
    return [np.add.reduceat(line, edges)[::2] if len(edges) else np.empty(0) for line in padded]


def _range(line: Floats, begin: Ints, end: Ints) -> Floats:
    """Highest less lowest of *line* within each half-open range; missing values are passed over.

    By doubling: the extremes of every stretch of 1, 2, 4 … values, two of which cover any range.
    """
    high, low = np.where(np.isfinite(line), line, -np.inf), np.where(np.isfinite(line), line, np.inf)
    highest, lowest = np.empty(len(begin)), np.empty(len(begin))
    level = np.frexp(end - begin)[1] - 1
    for power in range(int(level.max(initial=-1)) + 1):
        half = 1 << power
        at = level == power
        first, last = begin[at], end[at] - half
        highest[at] = np.maximum(high[first], high[last])
        lowest[at] = np.minimum(low[first], low[last])
        high, low = np.maximum(high[:-half], high[half:]), np.minimum(low[:-half], low[half:])
    return highest - lowest


def _marked(shape: tuple[int, int, int], cell: Ints, length: Ints) -> Mask:
    """A grid that is true in the runs of cells that begin at *cell*."""
    edges = np.zeros(shape[0] * shape[1] * shape[2] + 1, dtype=np.int8)
    np.add.at(edges, cell, 1)
    np.add.at(edges, cell + length, -1)
    return np.cumsum(edges[:-1], dtype=np.int8).astype(np.bool_).reshape(shape)


# A whole date -------------------------------------------------------------------------------------------


class Activity(NamedTuple):
    """What one chain's market does at each of its *stamps* (ms since the epoch)."""

    stamps: Ints
    due: Ints  # contracts that should have a market
    lively: Mask  # there are enough of them
    dead: Mask  # nearly all of them have none at the stamp
    moving: Mask  # there are quotes enough near the money, here and at the stamp before
    still: Mask  # nearly all of them are the same
    underlying: Floats  # dollars; NaN where it is not known

    @classmethod
    def of(cls, panel: Panel, closes_ms: int | None) -> Activity:
        """The activity of *panel*'s chain; *closes_ms* is the stock market's close, None if unknown."""
        closes_ms = moment_ms(panel.date, CLOSES_AT_THE_EARLIEST) if closes_ms is None else closes_ms
        opens_ms = moment_ms(panel.date, OPENS)
        on = (panel.stamps > opens_ms) & (panel.stamps < closes_ms)
        gone, due = _dead(panel, on)
        lively, dead = _nearly_all(gone, due)
        moving, still = _nearly_all(*_still(panel))
        on_before = on & np.append(False, on)[:-1]
        later = panel.stamps > opens_ms
        return cls(
            panel.stamps,
            np.count_nonzero(due, axis=(0, 1)),
            lively & later,
            dead & later,
            moving & on_before,
            still & on_before,
            panel.underlying,
        )


def across(chains: Sequence[Activity]) -> list[Count]:
    """What the chains of a date show together: whether its market was alive."""
    stamps = np.unique(np.concatenate([one.stamps for one in chains])) if chains else np.empty(0, np.int64)
    due, lively, dead, moving, still = (
        _summed(stamps, chains, name) for name in ("due", "lively", "dead", "moving", "still")
    )
    lively[due < _FEWEST_OF_ALL] = 0
    gone = (lively > 0) & (dead >= _NEARLY_ALL_CHAINS * lively)
    same = (moving > 0) & (still >= _NEARLY_ALL_CHAINS * moving)
    stalled = _while_the_index_moves(same, _underlying(stamps, chains))
    return [_count(DEAD, stamps, gone, lively > 0), _count(STALLED, stamps, stalled, moving > 0)]


def _dead(panel: Panel, on: Mask) -> tuple[Mask, Mask]:
    """Contracts without a market, and those that should have one: (2, strikes, stamps)."""
    market = (panel.grid("bid") > 0) | (panel.grid("ask") > 0)
    before = np.logical_or.accumulate(market, axis=2)
    after = np.logical_or.accumulate(market[..., ::-1], axis=2)[..., ::-1]
    due = panel.there & before & (after | on)
    return due & ~market, due


def _still(panel: Panel) -> tuple[Mask, Mask]:
    """Quotes near the money that are those of the stamp before, and all of those near the money."""
    bid, ask = panel.grid("bid"), panel.grid("ask")
    with np.errstate(invalid="ignore"):
        near = np.abs(panel.strikes[:, np.newaxis] / panel.underlying - 1.0) <= _NEAR
    looked_at = panel.two_sided & near
    looked_at[..., 1:] &= panel.two_sided[..., :-1]
    looked_at[..., :1] = False
    same = np.zeros(panel.shape, dtype=np.bool_)
    same[..., 1:] = (bid[..., 1:] == bid[..., :-1]) & (ask[..., 1:] == ask[..., :-1])
    return looked_at & same, looked_at


def _nearly_all(found: Mask, of: Mask) -> tuple[Mask, Mask]:
    """At which stamps there are contracts enough to look at, and at which nearly all of them are *found*."""
    hits, looked_at = np.count_nonzero(found, axis=(0, 1)), np.count_nonzero(of, axis=(0, 1))
    enough = looked_at >= _FEWEST
    return enough, enough & (hits >= _NEARLY_ALL * looked_at)


def _summed(stamps: Ints, chains: Sequence[Activity], name: str) -> Ints:
    """In how many chains the mask of that *name* is true at each of *stamps*, or the sum of their numbers."""
    line = np.zeros(len(stamps), dtype=np.int64)
    for chain in chains:
        line[np.searchsorted(stamps, chain.stamps)] += getattr(chain, name)
    return line


def _underlying(stamps: Ints, chains: Sequence[Activity]) -> Floats:
    """The day's underlying at each of *stamps*: of the first chain that knows it."""
    line = np.full(len(stamps), np.nan)
    for chain in chains:
        place = np.searchsorted(stamps, chain.stamps)
        line[place] = np.where(np.isfinite(line[place]), line[place], chain.underlying)
    return line


def _while_the_index_moves(same: Mask, underlying: Floats) -> Mask:
    """Those of the stamps at which quotes are the *same* that come in a row and leave the index behind."""
    steps = np.abs(np.diff(underlying))
    steps = steps[np.isfinite(steps)]
    usual = float(np.median(steps)) if len(steps) else 0.0
    found = np.zeros(len(same), dtype=np.bool_)
    for first, last in runs(same):
        meanwhile = underlying[first - 1 : last + 1]  # nothing is like what was before the first stamp
        meanwhile = meanwhile[np.isfinite(meanwhile)]
        moved = float(np.ptp(meanwhile)) if len(meanwhile) else 0.0
        found[first : last + 1] = last - first + 1 >= _SEVERAL and moved > _STEPS * usual
    return found


def _count(check: Check, stamps: Ints, found: Mask, looked_at: Mask) -> Count:
    """The count of a date, which names the first row of stamps: `10:31 to 11:30`."""
    first = None
    if found.any():
        begin, end = (clock(int(stamps[place])) for place in runs(found)[0])
        first = begin if begin == end else f"{begin} to {end}"
    timed = (stamps, found.astype(np.int64)) if len(stamps) else (None, None)
    return Count(check, int(np.count_nonzero(found)), int(np.count_nonzero(looked_at)), first, *timed)
