"""Sealed days held against those around them: figures that stand out, and expirations that are lost.

A figure stands out by a robust z-score, which no few wild neighbours can spoil:
z = (x - median) / s, with s = 1.4826 MAD, the median of the neighbours' distances from their median in units
of a normal distribution's standard deviation (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993:
their modified z-score is this one). Neighbours are the 20 judged days around a day, itself left out. Where
ratios matter x is a logarithm. Neighbours that are all alike have no spread of their own, so s is never less
than the floor of its figure.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spx_data.fill.witnesses import lost_expirations
from spx_data.market.products import Product
from spx_data.status import digest, quality
from spx_data.status.quality import Day
from spx_data.status.summary import Summary

NEIGHBOURS, FEWEST = 20, 8
# A day is compared with those of its season, and not across a hole of years.
_REACH_DAYS = 60
_NORMAL = 1.4826


@dataclass(frozen=True)
class Followed:
    """A figure of `Day` whose outliers are told; *floor* is the least spread that it is held against."""

    name: str
    words: str
    floor: float  # of the logarithm: 0.01 is one percent
    ratio: bool = True  # its logarithm is compared


# Rows and contracts of neighbouring days differ by a percent or two, spreads and volatilities by several; a
# point of the score is a point.
FOLLOWED = (
    Followed("rows_per_minute", "rows/min", 0.01),
    Followed("contracts_received", "contracts", 0.01),
    Followed("spread_median", "spread", 0.05),
    Followed("iv_level", "iv level", 0.03),
    Followed("score", "score", 0.5, ratio=False),
)


WORDS = {followed.name: followed.words for followed in FOLLOWED}


@dataclass(frozen=True)
class Distance:
    """How far one figure of a day is from those around it."""

    measure: str
    value: float
    median: float  # of the neighbours
    z: float

    def __str__(self) -> str:
        """The figure against those around it: of a score by how many points, else by which factor."""
        if self.measure == "score":
            return f"score {self.value - self.median:+.1f}"
        return f"{WORDS[self.measure]} ×{self.value / self.median:.3g}"


class Neighbourhood:
    """Judged days, oldest first, each among those around it."""

    def __init__(self, days: Sequence[Day]) -> None:
        self._days = days
        self._values = {followed: [_value(day, followed) for day in days] for followed in FOLLOWED}

    def distances(self, place: int) -> list[Distance]:
        """The distance of each figure of the day at *place* that has neighbours enough to tell."""
        around = self._around(place)
        found = (self._distance(followed, place, around) for followed in FOLLOWED)
        return [distance for distance in found if distance is not None]

    def outliers(self, place: int, threshold: float) -> list[Distance]:
        """The figures of the day at *place* that are *threshold* or more away, the farthest first."""
        far = [distance for distance in self.distances(place) if abs(distance.z) >= threshold]
        return sorted(far, key=lambda distance: -abs(distance.z))

    def _around(self, place: int) -> list[int]:
        """The places of the neighbours: as many before as after, where there are that many."""
        first = max(0, min(place - NEIGHBOURS // 2, len(self._days) - NEIGHBOURS - 1))
        date = self._days[place].date
        return [
            other
            for other in range(first, min(first + NEIGHBOURS + 1, len(self._days)))
            if other != place and abs((self._days[other].date - date).days) <= _REACH_DAYS
        ]

    def _distance(self, followed: Followed, place: int, around: Sequence[int]) -> Distance | None:
        values = self._values[followed]
        value, others = values[place], [known for other in around if (known := values[other]) is not None]
        if value is None or len(others) < FEWEST:
            return None
        median = statistics.median(others)
        spread = _NORMAL * statistics.median([abs(other - median) for other in others])
        z = (value - median) / max(spread, followed.floor)
        return Distance(followed.name, _shown(value, followed), _shown(median, followed), round(z, 1))


def standing_out(days: Sequence[Day], threshold: float) -> dict[dt.date, list[Distance]]:
    """The days, oldest first, with figures *threshold* or more away from those around them."""
    among = Neighbourhood(days)
    found = ((day.date, among.outliers(place, threshold)) for place, day in enumerate(days))
    return {date: far for date, far in found if far}


def _value(day: Day, followed: Followed) -> float | None:
    """What is compared of a day; None where it has no such figure, or one without a logarithm."""
    value: float | None = getattr(day, followed.name)
    if value is None or not followed.ratio:
        return value
    return math.log(value) if value > 0 else None


def _shown(value: float, followed: Followed) -> float:
    """The figure of which *value* is what is compared, to six digits."""
    return float(f"{math.exp(value) if followed.ratio else value:.6g}")


Listed = frozenset[tuple[str, dt.date]]

# What was listed longer ago tells nothing: weeklies come and go.
_LISTED_DAYS = 10


class Listings:
    """The expirations listed on each judged day, in the order of `quality.days`."""

    def __init__(self, product: Product, summaries: Iterable[Summary]) -> None:
        self._product = product
        self._judged = quality.judged(summaries)

    def lost(self, place: int) -> list[str]:
        """Expirations that should be listed on the day at *place* and are not: like SPXW 2024-01-05."""
        before, after = self._beside(place, place - 1), self._beside(place, place + 1)
        if before is None:
            return []
        date = self._judged[place][0].date
        found = lost_expirations(self._product, before, self._listed(place), after, date)
        return [f"{root} {expiration}" for root, expiration in found]

    def _beside(self, place: int, other: int) -> Listed | None:
        """What was listed on the day at *other*, where that is near enough."""
        if not 0 <= other < len(self._judged):
            return None
        apart = abs((self._judged[place][0].date - self._judged[other][0].date).days)
        return self._listed(other) if apart <= _LISTED_DAYS else None

    @functools.lru_cache(maxsize=4)  # noqa: B019  # it lives as long as the command
    def _listed(self, place: int) -> Listed:
        summary, known = self._judged[place]
        return frozenset(digest.expirations(known, summary.date))
