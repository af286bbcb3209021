"""Whether the market of a whole date was alive: stamps without any market, and quotes that all stand still.

What one contract or one chain does alone is its own affair, and may be how a quiet market looks. Only what
nearly all contracts of nearly all chains do at once is the feed's doing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spx_data.quality.checks import Check, Count, Floats, Ints, Mask, Part
from spx_data.quality.panel import Panel, clock, moment_ms
from spx_data.quality.presence import runs
from spx_data.quality.underlying import CLOSES_AT_THE_EARLIEST, OPENS

_NEARLY_ALL = 0.95  # of the contracts of a chain
_NEARLY_ALL_CHAINS = 0.9
_FEWEST = 4  # contracts that make a chain worth asking
_FEWEST_OF_ALL = 10  # contracts that make a date worth asking
_NEAR = 0.025  # of the underlying: strikes whose options move with it
_SEVERAL = 3  # stamps in a row at which nothing moves
_STEPS = 2.0  # usual steps that the index moves meanwhile
_RUINOUS = 0.15  # of the stamps: an hour of a regular day

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
)
CHECKS = (DEAD, STALLED)


@dataclass(frozen=True)
class Activity:
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


def judge(chains: Sequence[Activity]) -> list[Count]:
    """What the chains of a date show together."""
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
        meanwhile = underlying[max(first - 1, 0) : last + 1]
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
