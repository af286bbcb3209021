"""The underlying's prices over a trading date, as its records carry them.

Every record says what the underlying cost at its stamp; 0.0 means that the source did not know yet. Records
are looked at some at a time and the answers joined, so none wait in memory for others.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

# A price and when it was: stamp and the price's own time (both ms since the epoch), then the price. Records
# of one stamp may disagree about it; ordered like this, it does not matter which of them comes first.
_Sight = tuple[int, int, float]


@dataclass(frozen=True)
class Underlying:
    """The first and the last price that was seen, and the highest and the lowest (dollars)."""

    first: _Sight
    last: _Sight
    high: float
    low: float

    @classmethod
    def of(cls, records: pl.DataFrame) -> Underlying | None:
        """What *records* (`schema.RECORD`) say; None where none of them has a positive price."""
        import polars as pl

        price, stamp = pl.col("underlying_price"), pl.col("timestamp")
        # A price whose own time is not known is of its record's stamp at the latest.
        known = pl.col("underlying_timestamp").fill_null(stamp)
        sights = records.select("timestamp", known, "underlying_price").filter(
            price.is_finite() & (price > 0)
        )
        if sights.is_empty():
            return None
        high, low = sights.select(price.max().alias("high"), price.min().alias("low")).row(0)
        return cls(
            first=min(sights.filter(stamp == stamp.min()).rows()),
            last=max(sights.filter(stamp == stamp.max()).rows()),
            high=high,
            low=low,
        )

    def joined(self, other: Underlying) -> Underlying:
        """What both say together, whichever comes first."""
        return Underlying(
            first=min(self.first, other.first),
            last=max(self.last, other.last),
            high=max(self.high, other.high),
            low=min(self.low, other.low),
        )

    def as_json(self) -> dict[str, float]:
        """The four prices as a JSON document."""
        return {"open": self.first[2], "high": self.high, "low": self.low, "close": self.last[2]}


def together(parts: Iterable[Underlying | None]) -> Underlying | None:
    """The prices of a date or a chain from those of its parts; None where no part has any."""
    known = [part for part in parts if part is not None]
    return functools.reduce(Underlying.joined, known) if known else None
