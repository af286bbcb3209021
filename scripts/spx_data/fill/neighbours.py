"""The sealed days beside a date, as witnesses of what should be there on it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from spx_data.errors import SpxDataError
from spx_data.lake import passports
from spx_data.quality.expirations import Listed, lost_expirations
from spx_data.store import seals
from spx_data.store.layout import Layout

_REACH_DAYS = 7


@dataclass(frozen=True)
class Neighbours:
    """The nearest sealed days before and after a date, and the chains of which they have records."""

    date: dt.date
    before: Listed | None
    after: Listed | None
    days: tuple[dt.date, ...]

    @classmethod
    def of(cls, layout: Layout, date: dt.date) -> Neighbours:
        """What is sealed within a week of *date*."""
        sides = [_nearest(layout, date, step) for step in (-1, 1)]
        before, after = (side and side[1] for side in sides)
        return cls(date, before, after, tuple(side[0] for side in sides if side))

    def lost(self, today: Listed) -> list[tuple[str, dt.date]]:
        """The chains, sorted, that were listed on the date by their word and are not among *today*'s."""
        return lost_expirations(self.before or frozenset(), today, self.after, self.date)

    def has(self, root: str) -> bool:
        """Whether one of them has records of *root*."""
        return any(root == found for side in (self.before, self.after) for found, _ in side or ())


def _nearest(layout: Layout, date: dt.date, step: int) -> tuple[dt.date, Listed] | None:
    """The nearest day in the direction of *step* that is sealed and whose passport can be read."""
    for days in range(1, _REACH_DAYS + 1):
        day = date + dt.timedelta(days=step * days)
        if seals.is_sealed(layout.parquet(day)):
            try:
                document = passports.read(layout, day).document
                return day, frozenset(filter(None, map(_recorded, document["chains"])))
            except (SpxDataError, KeyError, TypeError, ValueError):
                continue  # `verify` tells of it; here it is only no witness
    return None


def _recorded(chain: dict[str, Any]) -> tuple[str, dt.date] | None:
    """The root and the expiration of a passport's chain; None where the source had no record of it."""
    return (chain["root"], dt.date.fromisoformat(chain["expiration"])) if chain["rows"] else None
