"""Which missing date is filled first: the one with most points.

Three parts, each weighed by the config: the newer, the more volatile its market and the less often it failed,
the more points. Equal points go to the newer date, so the order is total and the same for whoever asks. Dates
of which the subscription was seen to have nothing (`floor`) come after all others, whatever their points.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spx_data.ops.gaps.volatility import Market
from spx_data.settings import Weights


@dataclass(frozen=True)
class Points:
    """The parts of one date's priority."""

    age: float
    volatility: float
    tries: float

    @property
    def total(self) -> float:
        """The priority."""
        return self.age + self.volatility + self.tries


class Scale:
    """Gives points to dates: *due* are the trading dates that the next run fills."""

    def __init__(self, due: Iterable[dt.date], market: Market, weights: Weights) -> None:
        self._due = sorted(due)
        self._market = market
        self._weights = weights

    def points(self, date: dt.date, tries: int) -> Points:
        """The points of a *date* that failed *tries* times; a date that is not due gets what it would get."""
        volatility = self.volatility(date)
        wildness = 0.5 if volatility is None else self._market.percentile(volatility)
        return Points(
            age=self._weights.age * self._youth(date),
            volatility=self._weights.volatility * wildness,
            tries=self._weights.tries * 0.5**tries,
        )

    def volatility(self, date: dt.date) -> float | None:
        """The volatility around *date*, a fraction; None where it is not known."""
        return self._market.around(date)

    def _youth(self, date: dt.date) -> float:
        """The date's rank among those that are due: 0 for the oldest, 1 for the newest."""
        older, steps = bisect_left(self._due, date), len(self._due) - 1
        return min(1.0, older / steps) if steps > 0 else 1.0


def ranked(points: Mapping[dt.date, Points], nothing_until: dt.date | None = None) -> list[dt.date]:
    """The dates, the one to be filled first at the head, and last those up to *nothing_until*."""
    last = nothing_until or dt.date.min
    return sorted(points, key=lambda date: (date > last, points[date].total, date), reverse=True)
