"""The records of one chain in chunks: ranges of strikes in ascending order, each of which fits into memory.

A chain that fits is one chunk and stays in memory. Of a larger one every block goes to a nameless scratch
file, divided by ranges of strikes, and comes back range by range; so memory holds as many records whatever
the chain has. No order of contracts is promised (docs/wire.md, 1.1), so nothing can be given away
before all is there.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from spx_data.store import files

if TYPE_CHECKING:
    import polars as pl

    from spx_data.quality.checks import Floats


def chunks(
    blocks: Iterable[pl.DataFrame], expected: Mapping[float, int], scratch: Path, most: int
) -> Iterator[pl.DataFrame]:
    """The records in *blocks* (`schema.RECORD`), whatever their order, as chunks of about *most* or fewer.

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
