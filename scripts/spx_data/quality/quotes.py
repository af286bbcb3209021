"""Quotes by themselves: crossed, locked, without a bid, one-sided, wide, stale.

A price of 0 is the terminal's way to say that there is none (docs/wire.md, 0.4).
"""

from __future__ import annotations

import numpy as np

from spx_data.market.products import tick
from spx_data.quality.checks import Check, Count, Floats, Ints, Mask, Part
from spx_data.quality.panel import CALL, MINUTE_MS, Panel

# A quote is wide beyond both of these: half of its midpoint, and a dollar.
WIDE_SHARE = 0.5
WIDE_DOLLARS = 1.0
WIDE_FROM_MID = 1.0  # dollars; below it a tick or two are half of the price

STALE_MS = 30 * MINUTE_MS
STALE_RECORDS = 5  # at least, where stamps are far apart
STALE_SPREADS = 2.0
LEAST_DELTA = 0.1

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
)

CHECKS: tuple[Check, ...] = (CROSSED, LOCKED, ONE_SIDED, ZERO_BID, NO_MARKET, WIDE, STALE)


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
    still = delta * moved > STALE_SPREADS * np.maximum(panel.spread.reshape(-1)[begin], tick(panel.root))
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
