"""What the source listed on sealed days, each held against the days beside it."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable

from spx_data.fill.witnesses import lost_expirations
from spx_data.status import digest, quality
from spx_data.status.summary import Summary

Listed = frozenset[tuple[str, dt.date]]

# What was listed longer ago tells nothing: weeklies come and go.
_REACH_DAYS = 10


class Listings:
    """The expirations listed on each judged day, in the order of `quality.days`."""

    def __init__(self, summaries: Iterable[Summary]) -> None:
        self._judged = quality.judged(summaries)

    def lost(self, place: int) -> list[str]:
        """Expirations that should be listed on the day at *place* and are not: like SPXW 2024-01-05."""
        before, after = self._beside(place, place - 1), self._beside(place, place + 1)
        if before is None:
            return []
        date = self._judged[place][0].date
        found = lost_expirations(before, self._listed(place), after, date)
        return [f"{root} {expiration}" for root, expiration in found]

    def _beside(self, place: int, other: int) -> Listed | None:
        """What was listed on the day at *other*, where that is near enough."""
        if not 0 <= other < len(self._judged):
            return None
        apart = abs((self._judged[place][0].date - self._judged[other][0].date).days)
        return self._listed(other) if apart <= _REACH_DAYS else None

    @functools.lru_cache(maxsize=4)  # noqa: B019  # it lives as long as the command
    def _listed(self, place: int) -> Listed:
        summary, known = self._judged[place]
        return frozenset(digest.expirations(known, summary.date))
