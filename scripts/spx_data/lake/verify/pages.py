"""A Parquet file looked at without trust: its footer, and the checksum of each of its pages.

This is for files that are not, or may not be, what was sealed. No Parquet library gets to see them: it may
crash on garbage, or ask for all the memory there is. Here nothing is decompressed or decoded; each page is
held against the CRC-32 in its header, no more, so that a report can say where a file is damaged.
"""

from __future__ import annotations

import datetime as dt
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from spx_data.lake.verify import thrift
from spx_data.lake.verify.thrift import Unreadable
from spx_data.store import reads
from spx_data.store.parquet import RECORDS_DIGEST_KEY, SCHEMA_VERSION_KEY

MAGIC = b"PAR1"

_EPOCH = dt.date(1970, 1, 1)
_LONGEST_FOOTER = 16 << 20
_LONGEST_HEADER = 4 << 10
_BLOCK = 1 << 20
_MOST_FAULTS = 1000


@dataclass(frozen=True)
class Chunk:
    """The pages of one column in one row group: bytes from *start* up to *end*."""

    row_group: int
    column: str
    start: int
    end: int


@dataclass(frozen=True)
class Footer:
    """What the end of a Parquet file says about the rest of it."""

    rows: int
    records_sha256: str | None
    schema_version: str | None  # as it is told
    chunks: tuple[Chunk, ...]
    dates: frozenset[dt.date]  # by the statistics of the column `date`


@dataclass(frozen=True)
class Survey:
    """A whole file's pages: what does not hold, and the footer where it could be read."""

    footer: Footer | None
    faults: tuple[str, ...]

    @property
    def dates(self) -> frozenset[dt.date]:
        """The trading dates of the rows of a file that is whole; empty where it is not."""
        return self.footer.dates if self.footer and not self.faults else frozenset()


def survey(path: Path) -> Survey:
    """Look at every page of *path*; never raises for what is in the file."""
    looked = footer_alone(path)
    if looked.footer is None:
        return looked
    with reads.reading(path, follow=True) as stream:
        return Survey(looked.footer, tuple(islice(faults(stream, looked.footer), _MOST_FAULTS)))


def footer_alone(path: Path) -> Survey:
    """Look at the footer of *path*; never raises for what is in the file."""
    with reads.reading(path, follow=True) as stream:
        try:
            return Survey(read_footer(stream), ())
        except Unreadable as error:
            return Survey(None, (f"footer: {error}",))


def read_footer(stream: BinaryIO) -> Footer:
    """The footer of an open Parquet file.

    Raises:
        Unreadable: it is none, or places pages where none can be.
    """
    size = os.fstat(stream.fileno()).st_size
    if size < 12:
        raise Unreadable(f"a file of {size} bytes has none")
    stream.seek(size - 8)
    tail = stream.read(8)
    if tail[4:] != MAGIC:
        raise Unreadable("the file does not end in PAR1")
    length = int.from_bytes(tail[:4], "little")
    if not 0 < length <= min(size - 12, _LONGEST_FOOTER):
        raise Unreadable(f"a length of {length:,} bytes cannot be")
    stream.seek(size - 8 - length)
    document, end = thrift.read(stream.read(length))
    if end != length:
        raise Unreadable(f"it ends {length - end} bytes early")
    try:
        return _footer(document, size - 8 - length)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise Unreadable(f"not of the shape of a Parquet footer ({error!r})") from error


def _footer(document: thrift.Struct, end_of_pages: int) -> Footer:
    """The footer in FileMetaData: 3 rows, 4 row groups, 5 key-value pairs (parquet.thrift)."""
    chunks, dates, end = [], set(), len(MAGIC)
    for number, group in enumerate(document[4]):
        for column in group[1]:
            meta = column[3]
            name = b".".join(meta[3]).decode()
            start = min(meta.get(11, meta[9]), meta[9])  # the dictionary's page, if any, is the first
            if not end <= start <= start + meta[7] <= end_of_pages:
                raise Unreadable(f"it places row group {number}, column {name} where no pages can be")
            end = start + meta[7]
            chunks.append(Chunk(number, name, start, end))
            if name == "date" and {5, 6} <= meta.get(12, {}).keys():  # the statistics: greatest, least
                dates |= {_date(meta[12][5]), _date(meta[12][6])}
    pairs = {pair[1]: pair.get(2) for pair in document.get(5, [])}
    records, version = (pairs.get(key.encode()) for key in (RECORDS_DIGEST_KEY, SCHEMA_VERSION_KEY))
    return Footer(
        document[3],
        records.decode() if records else None,
        version.decode() if version else None,
        tuple(chunks),
        frozenset(dates),
    )


def _date(statistic: bytes) -> dt.date:
    return _EPOCH + dt.timedelta(days=int.from_bytes(statistic, "little", signed=True))


def faults(stream: BinaryIO, footer: Footer) -> Iterator[str]:
    """The places whose pages do not hold, in words."""
    stream.seek(0)
    if stream.read(len(MAGIC)) != MAGIC:
        yield "the file does not begin with PAR1"
    for chunk in footer.chunks:
        place = f"row group {chunk.row_group}, column {chunk.column}"
        at = chunk.start
        try:
            while at < chunk.end:
                begun = at
                at, good = _page(stream, at, chunk.end)
                if not good:
                    yield f"{place}: the page at byte {begun:,} fails its checksum"
        except Unreadable as error:
            yield f"{place}: the page header at byte {at:,} is not readable ({error})"


def _page(stream: BinaryIO, at: int, end: int) -> tuple[int, bool]:
    """Where the page at *at* ends, and whether its bytes have the checksum of its header.

    PageHeader: 1 type, 2 and 3 its size without and with compression, 4 the CRC-32 (parquet.thrift).
    """
    stream.seek(at)
    header, length = thrift.read(stream.read(min(_LONGEST_HEADER, end - at)))
    if not all(_is_integer(header.get(number)) for number in (1, 2, 3, 4)):
        raise Unreadable("it lacks type, size or checksum")
    size, checksum = header[3], header[4] & 0xFFFFFFFF
    first, last = at + length, at + length + size
    if size < 0 or last > end:
        raise Unreadable(f"a page of {size:,} bytes does not end within its column")
    stream.seek(first)
    found, left = 0, size
    while left and (block := stream.read(min(_BLOCK, left))):
        found, left = zlib.crc32(block, found), left - len(block)
    return last, left == 0 and found == checksum


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
