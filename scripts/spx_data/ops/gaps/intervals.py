"""How far off an estimate may be, by how far off the same estimate would have been before.

The past is gone through again: what would have been said of each stretch of work, from what was known when it
began, and what it took. A stretch is as long as the one that is estimated, as far as the past has enough of
them: so slow evenings that last are slow in the interval as well, and what evens out over many dates does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

FEWEST = 7  # stretches of which an interval is made
FIRST = 3  # dates before which nothing could have been said
RECENT = 20  # dates, whose pace is the usual one
MARGIN = 1.3  # how much wider than the past an interval is, for the past was not drawn from what comes
_SHARE = 0.08  # of what was before is below an interval, and as much above: so that nine in ten are kept
# How much wider for each doubling of a stretch of which the past has none as long: slow changes go on.
_UNSEEN = 0.08
# Student's t at 0.9, by degrees of freedom from 1 on; further on that of the normal distribution, nearly.
_T = (3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372, 1.363, 1.356, 1.350, 1.345, 1.341)
_T_OF_MORE = 1.341


@dataclass(frozen=True)
class Interval:
    """What one in ten is below (p10), what half is below (p50), what nine in ten are below (p90)."""

    p10: float
    p50: float
    p90: float

    def times(self, factor: float) -> Interval:
        """The interval of so many times as much."""
        return Interval(self.p10 * factor, self.p50 * factor, self.p90 * factor)


def of_ratios(
    ratios: Sequence[float], independent: float, longer: float = 1.0, margin: float = 1.0
) -> Interval | None:
    """The interval of what comes over what is said, by such *ratios* of before.

    *independent* says how many of them are worth one of their own: stretches overlap. None where that is too
    few. What comes is so many times *longer* than each stretch was; *margin* is how much wider it is made
    than the past. The wider counts of two: the quantiles as they were, moved outwards for how few they are,
    and what a logarithm of the same mean and scatter would have next (Student's t, with one more to come).
    """
    count = min(float(len(ratios)), independent)
    if count < FEWEST:
        return None
    logs = sorted(map(math.log, ratios))
    middle, degrees = fmean(logs), int(count) - 1
    t = _T[degrees - 1] if degrees <= len(_T) else _T_OF_MORE
    wider = margin * (1 + _UNSEEN * math.log2(max(1.0, longer)))
    half = wider * t * stdev(logs) * math.sqrt(1 + 1 / count)
    # Of n the k-th leaves k/(n + 1) below it: with few of them the outermost are not far enough out.
    share = max(0.0, _SHARE - 0.5 / count)
    low, high = quantile(logs, share), quantile(logs, 1 - share)
    return Interval(*map(math.exp, (min(low, middle - half), median(logs), max(high, middle + half))))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value of which that *share* of *ordered* is below; between two of them in proportion."""
    place = share * (len(ordered) - 1)
    before = math.floor(place)
    after = min(before + 1, len(ordered) - 1)
    return ordered[before] + (place - before) * (ordered[after] - ordered[before])
