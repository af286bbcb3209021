"""One chain as a panel: contracts against stamps, for judgements that compare neighbours in either direction.

A panel's grids have the shape (2, strikes, stamps): calls, then puts; strikes and stamps ascending. A cell
without a record is NaN. Panels have at most one stamp a minute: records of a finer interval are judged by
those on whole minutes, so that memory stays bounded by the chain and not by the interval.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from spx_data.market import schema
from spx_data.market.second_opinion import contract
from spx_data.quality.checks import Check, Count, Floats, Ints, Mask

if TYPE_CHECKING:
    import polars as pl

CALL, PUT = 0, 1
RIGHTS = ("C", "P")
MINUTE_MS = 60_000
FAILED = 100.0  # iv_error of a volatility that was not found (docs/wire.md, 2.3)
_ZONE = ZoneInfo(schema.ZONE)


class Panel:
    """The records of one chain (`schema.RECORD`, sorted, each contract once at a stamp) on a grid."""

    def __init__(
        self, root: str, expiration: dt.date, date: dt.date, records: pl.DataFrame, step_ms: int = MINUTE_MS
    ) -> None:
        self.root, self.expiration, self.date = root, expiration, date
        self.step_ms = max(step_ms, MINUTE_MS)
        self._records = records = judged(records, step_ms)
        stamp, strike = records["timestamp"].to_numpy(), records["strike"].to_numpy()
        self.strikes: Floats = np.unique(strike)
        first, last = (int(stamp.min()), int(stamp.max())) if len(stamp) else (0, -1)
        self.stamps: Ints = np.arange(first, last + 1, self.step_ms, dtype=np.int64)
        self.shape = (len(RIGHTS), len(self.strikes), len(self.stamps))
        right = (records["right"] == RIGHTS[PUT]).to_numpy().astype(np.int64)
        row = right * len(self.strikes) + np.searchsorted(self.strikes, strike)
        self._column = (stamp - first) // self.step_ms
        self._cell = row * len(self.stamps) + self._column
        self._grids: dict[str, Floats] = {}

    @property
    def days(self) -> int:
        """Calendar days to expiration (DTE)."""
        return (self.expiration - self.date).days

    @functools.cached_property
    def there(self) -> Mask:
        """Where there is a record."""
        grid = np.zeros(self.shape, dtype=np.bool_)
        grid.reshape(-1)[self._cell] = True
        return grid

    def grid(self, name: str) -> Floats:
        """The column *name* of the records; NaN where there is none. Made once, not to be written to."""
        if name not in self._grids:
            grid = np.full(self.shape, np.nan)
            grid.reshape(-1)[self._cell] = self._records[name].to_numpy()
            grid.flags.writeable = False
            self._grids[name] = grid
        return self._grids[name]

    @functools.cached_property
    def underlying(self) -> Floats:
        """The underlying's price at each stamp (dollars); NaN where no record knows it (0.0 on the wire)."""
        price = self._records["underlying_price"].to_numpy()
        known = price > 0
        line = np.full(len(self.stamps), np.nan)
        line[self._column[known]] = price[known]
        return line

    @functools.cached_property
    def two_sided(self) -> Mask:
        """Where there is a bid, and an ask that is not below it: quotes that allow a judgement."""
        bid, ask = self.grid("bid"), self.grid("ask")
        return (bid > 0) & (ask >= bid)

    @functools.cached_property
    def mid(self) -> Floats:
        """The midpoint of bid and ask (dollars)."""
        return (self.grid("bid") + self.grid("ask")) / 2

    @functools.cached_property
    def spread(self) -> Floats:
        """Ask less bid (dollars)."""
        return self.grid("ask") - self.grid("bid")

    def some(self, where: Mask, most: int) -> pl.DataFrame:
        """At most *most* of the records in the cells *where*, spread over contracts and stamps."""
        rows = np.flatnonzero(where.reshape(-1)[self._cell])
        step = max(1, math.ceil(len(rows) / most))
        while math.gcd(step, len(self.stamps)) > 1:  # or only few of the stamps would ever be met
            step += 1
        return self._records[rows[::step]]

    def contract(self, right: int, strike: int) -> str:
        """The contract at an index: like C 4700."""
        return contract(RIGHTS[right], float(self.strikes[strike]))

    def clock(self, stamp: int) -> str:
        """The time of day at an index, New York: like 10:31."""
        return clock(int(self.stamps[stamp]))

    def count(self, check: Check, found: Mask, looked_at: Mask | int) -> Count:
        """What *check* found: *found* and *looked_at* have the shape of a grid."""
        of = looked_at if isinstance(looked_at, int) else int(np.count_nonzero(looked_at))
        hits = np.count_nonzero(found, axis=(0, 1)).astype(np.int64)
        first = None
        if hits.any():
            stamp = int(np.argmax(hits > 0))
            right, strike = (int(index) for index in np.argwhere(found[:, :, stamp])[0])
            first = f"{self.contract(right, strike)} at {self.clock(stamp)}"
        return Count(check, int(hits.sum()), of, first, self.stamps, hits)

    def count_stamps(self, check: Check, found: Mask, looked_at: Mask | int) -> Count:
        """What *check* found: *found* and *looked_at* have one value a stamp."""
        of = looked_at if isinstance(looked_at, int) else int(np.count_nonzero(looked_at))
        first = f"at {self.clock(int(np.argmax(found)))}" if found.any() else None
        return Count(check, int(np.count_nonzero(found)), of, first, self.stamps, found.astype(np.int64))


def judged(records: pl.DataFrame, step_ms: int) -> pl.DataFrame:
    """Those of *records* at stamps *step_ms* apart that a panel has: all, or those on whole minutes."""
    import polars as pl

    return records.filter(pl.col("timestamp") % MINUTE_MS == 0) if step_ms < MINUTE_MS else records


def moment_ms(date: dt.date, time: dt.time) -> int:
    """A New York time of day of *date*, ms since the epoch."""
    return int(dt.datetime.combine(date, time, _ZONE).timestamp()) * 1000


def close_ms(date: dt.date) -> float:
    """16:00 in New York on *date* (ms since the epoch), which the vendor counts to on half days too."""
    return float(moment_ms(date, dt.time(16)))


def put_forward_ms(date: dt.date, later: dt.date) -> float:
    """By how much New York's clocks are put forward between *date* and *later*; negative if back."""
    return float((later - date).days * 86_400_000) - (close_ms(later) - close_ms(date))


def clock(ms: int) -> str:
    """The New York time of day of a stamp (ms since the epoch): minutes, and seconds where there are any."""
    moment = dt.datetime.fromtimestamp(ms / 1000, _ZONE)
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
