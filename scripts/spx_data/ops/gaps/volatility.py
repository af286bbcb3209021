"""How much the market moved around a date that nobody has seen, judged by its sealed neighbours.

Two estimates of the daily volatility, both fractions (0.01 is 1 %); the larger one stands:

- the range of the nearest sealed session before and after, within five sessions, as the mean of Parkinson's
  estimate ln(high / low) / (2·√ln 2): M. Parkinson, "The Extreme Value Method for Estimating the Variance of
  the Rate of Return", Journal of Business 53 (1980), pages 61 to 65;
- the move across the gap, |ln(open after / close before)| / √n, where n sessions lie between the two.
"""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NEAR = 5  # sessions

_PARKINSON = 1 / (2 * math.sqrt(math.log(2)))


@dataclass(frozen=True)
class Prices:
    """The underlying's prices on a sealed date, in dollars, all of them positive."""

    open: float
    high: float
    low: float
    close: float

    @property
    def volatility(self) -> float:
        """The date's own volatility, from its range."""
        return math.log(self.high / self.low) * _PARKINSON


class Market:
    """What the lake's sealed dates say about the market."""

    def __init__(self, trading: Sequence[dt.date], seen: Mapping[dt.date, Prices]) -> None:
        """*trading* are the sessions in order, *seen* the underlying's prices on those that are sealed."""
        self._trading = trading
        self._seen = seen
        self._usual = sorted(prices.volatility for prices in seen.values())

    def around(self, date: dt.date) -> float | None:
        """The volatility around *date*; None where no session near it was seen."""
        if not self._seen:
            return None
        after = bisect_right(self._trading, date)
        before = bisect_left(self._trading, date) - 1
        earlier = self._nearest(range(before, before - NEAR, -1))
        later = self._nearest(range(after, after + NEAR))
        ranges = [self._prices(place).volatility for place in (earlier, later) if place is not None]
        if not ranges:
            return None
        mean = sum(ranges) / len(ranges)
        if earlier is None or later is None:
            return mean
        move = abs(math.log(self._prices(later).open / self._prices(earlier).close))
        # A date that is no session may have none between its neighbours.
        return max(mean, move / math.sqrt(max(1, later - earlier - 1)))

    def percentile(self, volatility: float) -> float:
        """The share of the sealed dates that were calmer than *volatility*, from 0 to 1; ties count half."""
        if not self._usual:
            return 0.5
        calmer, not_wilder = bisect_left(self._usual, volatility), bisect_right(self._usual, volatility)
        return (calmer + not_wilder) / 2 / len(self._usual)

    def _nearest(self, places: range) -> int | None:
        """The first of *places* among the sessions that was seen."""
        known = (place for place in places if 0 <= place < len(self._trading))
        return next((place for place in known if self._trading[place] in self._seen), None)

    def _prices(self, place: int) -> Prices:
        return self._seen[self._trading[place]]
