"""One chain on a grid of contracts and stamps: the values of its records, or only which of them there are.

Grids have the shape (2, strikes, stamps): calls, then puts; strikes and stamps ascending. A `Panel`, for
judgements that compare neighbours in either direction, has NaN where there is no record. It has at most one
stamp a minute: records of a finer interval are judged by those on whole minutes, so that memory stays bounded
by the chain and not by the interval. A census (`Presence`) has every stamp of the lake's interval, and can be
taken batch by batch: its memory is bounded by the keys that a chain can have, not by its records.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from spx_data.market import schema
from spx_data.market.products import Product
from spx_data.market.second_opinion import contract
from spx_data.market.sessions import Window
from spx_data.quality.checks import Check, Count, Floats, Ints, Mask

if TYPE_CHECKING:
    import polars as pl

CALL, PUT = 0, 1
RIGHTS = ("C", "P")
MINUTE_MS = 60_000
FAILED = 100.0  # iv_error of a volatility that was not found (docs/wire.md, 2.3)
_ZONE = ZoneInfo(schema.ZONE)


class Panel:
    """The records of one chain (sorted, each contract once at a stamp) on a grid."""

    def __init__(
        self,
        product: Product,
        root: str,
        expiration: dt.date,
        date: dt.date,
        records: pl.DataFrame,
        step_ms: int = MINUTE_MS,
    ) -> None:
        self.product, self.root, self.expiration, self.date = product, root, expiration, date
        self.step_ms = max(step_ms, MINUTE_MS)
        self._records = records = judged(records, step_ms)
        stamp, strike = records["timestamp"].to_numpy(), records["strike"].to_numpy()
        another = np.append(True, strike[1:] != strike[:-1])[: len(strike)]
        self.strikes: Floats = strike[another]
        first, last = (int(stamp.min()), int(stamp.max())) if len(stamp) else (0, -1)
        self.stamps: Ints = np.arange(first, last + 1, self.step_ms, dtype=np.int64)
        self.shape = (len(RIGHTS), len(self.strikes), len(self.stamps))
        right = (records["right"] == RIGHTS[PUT]).to_numpy().astype(np.int64)
        row = right * len(self.strikes) + np.cumsum(another) - 1
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

    def has(self, name: str) -> bool:
        """Whether records of this kind have the column *name*."""
        return name in self._records.columns

    def grid(self, name: str) -> Floats:
        """The column *name* of the records; NaN where there is none. Made once, not to be written to.

        Records of a kind that lacks the column have no value in it, as if the source had sent none.
        """
        if name not in self._grids:
            grid = np.full(self.shape, np.nan)
            if self.has(name):
                grid.reshape(-1)[self._cell] = self._records[name].to_numpy()
            grid.flags.writeable = False
            self._grids[name] = grid
        return self._grids[name]

    @functools.cached_property
    def underlying(self) -> Floats:
        """The underlying's price at each stamp (dollars); NaN where no record knows it (0.0 on the wire)."""
        line = np.full(len(self.stamps), np.nan)
        if not self.has("underlying_price"):
            return line
        price = self._records["underlying_price"].to_numpy()
        known = price > 0
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
        looked_at = int(np.count_nonzero(where.any(axis=(0, 1))))
        while math.gcd(step, len(self.stamps) * looked_at) > 1:  # or only few of the stamps would ever be met
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

    def count_of_another(self, check: Check, found: Mask, looked_at: Mask) -> Count:
        """As `count`, told with a chain that expires later: the first has this expiration beside it."""
        count = self.count(check, found, looked_at)
        return count._replace(first=count.first and count.first.replace(" at ", f" of {self.expiration} at "))

    def count_stamps(self, check: Check, found: Mask, looked_at: Mask | int) -> Count:
        """What *check* found: *found* and *looked_at* have one value a stamp."""
        of = looked_at if isinstance(looked_at, int) else int(np.count_nonzero(looked_at))
        first = f"at {self.clock(int(np.argmax(found)))}" if found.any() else None
        return Count(check, int(np.count_nonzero(found)), of, first, self.stamps, found.astype(np.int64))


def judged(records: pl.DataFrame, step_ms: int) -> pl.DataFrame:
    """Those of *records* at stamps *step_ms* apart that a panel has: all, or those on whole minutes."""
    import polars as pl

    return records.filter(pl.col("timestamp") % MINUTE_MS == 0) if step_ms < MINUTE_MS else records


class Presence:
    """A census of the keys of one chain's records over a window's stamps.

    *strikes* are those that are known beforehand.
    """

    def __init__(self, window: Window, midnight_ms: int, strikes: Iterable[float]) -> None:
        self.first_ms = midnight_ms + window.start_ms  # since the epoch
        self.step_ms, self.stamps = window.step_ms, window.stamps
        self.strikes: Floats = np.unique(np.fromiter(strikes, dtype=np.float64))
        self.there: Mask = np.zeros((len(RIGHTS), len(self.strikes), self.stamps), dtype=np.bool_)

    def add_records(self, records: pl.DataFrame) -> None:
        """Count *records* in."""
        put = (records["right"] == RIGHTS[PUT]).to_numpy()
        self.add(records["strike"].to_numpy(), put, records["timestamp"].to_numpy())

    def add(self, strike: Floats, put: Mask, timestamp: Ints) -> Mask:
        """Count records in, by column: strike in dollars, whether a put, ms since the epoch.

        Returns:
            Which of them are at a contract and a stamp that had none before. Records off the grid are not
            counted, and are news to nobody.
        """
        cell, on_grid = self._cells(strike, put, timestamp)
        flat = self.there.reshape(-1)
        news = np.zeros(len(strike), dtype=np.bool_)
        news[on_grid] = ~flat[cell]
        flat[cell] = True
        return news

    def lacks(self, strike: Floats, put: Mask, timestamp: Ints) -> Mask:
        """Which records are at a contract and a stamp that has none: as `add`, and nothing is counted in."""
        cell, on_grid = self._cells(strike, put, timestamp)
        news = np.zeros(len(strike), dtype=np.bool_)
        news[on_grid] = ~self.there.reshape(-1)[cell]
        return news

    def _cells(self, strike: Floats, put: Mask, timestamp: Ints) -> tuple[Ints, Mask]:
        """Where the records that are on the grid stand in the flat census; and which of them are."""
        begins = np.append(0, np.flatnonzero(strike[1:] != strike[:-1]) + 1)[: len(strike)]
        where = np.repeat(self._admitted(strike[begins]), np.diff(np.append(begins, len(strike))))
        later = timestamp - self.first_ms
        place = later // self.step_ms
        on_grid = (place * self.step_ms == later) & (place >= 0) & (place < self.stamps)
        row = put * len(self.strikes) + where
        return (row * self.stamps + place)[on_grid], on_grid

    def _admitted(self, strike: Floats) -> Ints:
        """Where each strike stands among the census's own; room is made for those that were not known."""
        if len(self.strikes):
            place = np.minimum(np.searchsorted(self.strikes, strike), len(self.strikes) - 1)
            if (self.strikes[place] == strike).all():
                return place
        strikes = np.union1d(self.strikes, strike)
        there = np.zeros((len(RIGHTS), len(strikes), self.stamps), dtype=np.bool_)
        there[:, np.searchsorted(strikes, self.strikes)] = self.there
        self.strikes, self.there = strikes, there
        return np.searchsorted(strikes, strike)

    def listed(self, calls: Iterable[float], puts: Iterable[float]) -> Mask:
        """Which contracts stand in a listing: shape (2, strikes)."""
        return np.stack([np.isin(self.strikes, np.fromiter(of, np.float64)) for of in (calls, puts)])

    @property
    def received(self) -> Mask:
        """Which contracts have any record: shape (2, strikes)."""
        return np.asarray(self.there.any(axis=2))

    def stamp(self, place: int) -> int:
        """The stamp at an index, in ms since the epoch."""
        return self.first_ms + place * self.step_ms

    def name(self, right: int, strike: int) -> str:
        """The contract at an index: like C 4700."""
        return contract(RIGHTS[right], float(self.strikes[strike]))


def first_and_last(there: Mask) -> tuple[Ints, Ints]:
    """The first and the last place along the stamps where each contract is; nonsense where it never is."""
    stamps = there.shape[-1]
    if not stamps:
        nowhere = np.zeros(there.shape[:-1], dtype=np.int64)
        return nowhere, nowhere
    return np.argmax(there, axis=-1), stamps - 1 - np.argmax(there[..., ::-1], axis=-1)


def runs(line: Mask) -> list[tuple[int, int]]:
    """The unbroken stretches of a line that are true, each as its first and its last place."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], line, [False]]).astype(np.int8)))
    return [(int(begin), int(end) - 1) for begin, end in edges.reshape(-1, 2)]


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
