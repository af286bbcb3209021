"""The records of one chain in chunks, which fit into memory, and an account of what they say together.

A chunk is a range of strikes. A chain that fits is one chunk and stays in memory. Of a larger one every block
goes to a nameless scratch file, divided by ranges of strikes, and comes back range by range; so memory holds
as many records whatever the chain has. No order of contracts is promised (docs/wire.md, 1.1), so nothing can
be given away before all is there. An `Account` takes in chunk by chunk what a passport says of a chain, so
none wait in memory for others.
"""

from __future__ import annotations

import functools
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from spx_data.market.chains import ListedChain, midnight_ms
from spx_data.market.records import Settled
from spx_data.market.sessions import Window
from spx_data.quality.checks import Floats
from spx_data.quality.panel import Presence
from spx_data.store import files

if TYPE_CHECKING:
    import polars as pl


def chunks(
    blocks: Iterable[pl.DataFrame], expected: Mapping[float, int], scratch: Path, most: int
) -> Iterator[pl.DataFrame]:
    """The records in *blocks*, whatever their order, as chunks of about *most* or fewer.

    *expected* says how many records a strike is likely to have; where it is wrong, chunks that come out
    larger are divided again. Only a single strike may have more than *most*. Within a chunk the order is that
    of arrival. The first chunk is given when all blocks were taken, so whatever is wrong with them is known
    then.

    Raises:
        InsufficientDiskSpaceError: a large chain does not fit into *scratch*.
    """
    held: list[pl.DataFrame] = []
    rows, beginnings, blocks = 0, _beginnings(expected, most), iter(blocks)
    for block in blocks:
        held.append(block)
        rows += len(block)
        if rows > most and len(beginnings):
            break
    else:
        if held:
            yield _taken(held)
        return
    with files.spool(scratch) as stream:
        shelves = [_Shelf(stream) for _ in range(len(beginnings) + 1)]
        while held:
            _shelve(shelves, beginnings, held.pop(0))
        for block in blocks:
            _shelve(shelves, beginnings, block)
        for shelf in shelves:
            yield from chunks(shelf.blocks(), shelf.strikes, scratch, most)


def _taken(held: list[pl.DataFrame]) -> pl.DataFrame:
    """All records that are *held*, which are held no more."""
    import polars as pl

    frame = pl.concat(held)
    held.clear()
    return frame


def _beginnings(expected: Mapping[float, int], most: int) -> Floats:
    """The first strike of each chunk but the first: none is expected to have more than *most* records."""
    found: list[float] = []
    rows = 0
    for strike, count in sorted(expected.items()):
        if rows and rows + count > most:
            found.append(strike)
            rows = 0
        rows += count
    return np.array(found, dtype=np.float64)


class _Shelf:
    """The records of one chunk on their way through a scratch file."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._places: list[tuple[int, int]] = []  # where they begin, and their length
        self.strikes = Counter[float]()  # the records of each

    def add(self, block: pl.DataFrame) -> None:
        """Put records on the shelf."""
        packed = io.BytesIO()
        block.write_ipc(packed, compression="lz4")  # a quarter of the disk, for 0.14 s of CPU a million
        begin = self._stream.seek(0, io.SEEK_END)
        self._places.append((begin, self._stream.write(packed.getbuffer())))
        self.strikes.update(dict(block["strike"].value_counts().iter_rows()))

    def blocks(self) -> Iterator[pl.DataFrame]:
        """The records, block by block, as they came."""
        import polars as pl

        for begin, length in self._places:
            self._stream.seek(begin)
            yield pl.read_ipc(self._stream.read(length))


def _shelve(shelves: list[_Shelf], beginnings: Floats, block: pl.DataFrame) -> None:
    """Divide *block* among the *shelves*."""
    import polars as pl

    places = np.searchsorted(beginnings, block["strike"].to_numpy(), side="right")
    for place in np.unique(places):
        here = places == place
        shelves[place].add(block if here.all() else block.filter(pl.Series(here)))


# What the chunks say together --------------------------------------------------------------------------

# A price and when it was: stamp and the price's own time (both ms since the epoch), then the price. Records
# of one stamp may disagree about it; ordered like this, it does not matter which of them comes first.
_Sight = tuple[int, int, float]


class Underlying(NamedTuple):
    """The first and the last price of the underlying that was seen, and the highest and the lowest (dollars).

    Every record says what it cost at its stamp; 0.0 means that the source did not know yet.
    """

    first: _Sight
    last: _Sight
    high: float
    low: float

    @classmethod
    def of(cls, records: pl.DataFrame) -> Underlying | None:
        """What *records* say; None where none of them has a positive price.

        Quotes have none.
        """
        import polars as pl

        if "underlying_price" not in records.columns:
            return None
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

    @classmethod
    def together(cls, parts: Iterable[Underlying | None]) -> Underlying | None:
        """The prices of a date or a chain from those of its parts; None where no part has any."""
        known = [part for part in parts if part is not None]
        return functools.reduce(cls.joined, known) if known else None

    def as_json(self) -> dict[str, float]:
        """The four prices as a JSON document."""
        return {"open": self.first[2], "high": self.high, "low": self.low, "close": self.last[2]}


class Account:
    """An account of a chain's records that needs none of them any more."""

    def __init__(self, entry: ListedChain, window: Window) -> None:
        self.census = Presence(window, midnight_ms(entry.chain.date), {*entry.calls, *entry.puts})
        self.rows = 0  # as they are sealed
        self.duplicates = 0  # dropped, because they repeat another one
        self.conflicts = 0  # of which the source has several versions
        self.first_stamp: int | None = None  # ms since the epoch
        self.last_stamp: int | None = None
        self.underlying: Underlying | None = None
        self.nulls: Counter[str] = Counter()  # records that lack a value, by column

    def add(self, settled: Settled) -> None:
        """Take in one chunk, which has at least one record."""
        records = settled.records
        self.census.add_records(records)
        self.rows += len(records)
        for column in records:
            if lacking := column.null_count():
                self.nulls[column.name] += lacking
        self.duplicates += settled.duplicates
        self.conflicts += settled.conflicting
        self.underlying = Underlying.together([self.underlying, Underlying.of(records)])
        stamps = records["timestamp"].to_numpy()
        first, last = int(stamps.min()), int(stamps.max())
        self.first_stamp = first if self.first_stamp is None else min(first, self.first_stamp)
        self.last_stamp = last if self.last_stamp is None else max(last, self.last_stamp)
