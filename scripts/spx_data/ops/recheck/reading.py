"""A sealed Parquet as a comparison reads it: what its footer says, and its chains, some rows at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from spx_data.errors import MissingFileError
from spx_data.market import schema
from spx_data.market.schema import Schema
from spx_data.store import parquet

_AT_ONCE = 1 << 16  # rows: to match one with its counterpart takes several times its own memory
# A chain's root and expiration, and its rows as records, some at a time.
ChainRows = tuple[str, dt.date, Iterator[pl.DataFrame]]


class Footer(NamedTuple):
    """What the footer of a file says: the digest of the records, their number, and their schema."""

    digest: bytes | None
    rows: int
    schema: Schema


def footer(path: Path) -> Footer:
    """What the footer of *path* says; raises as `compare.compare`."""
    with _explained(path), pq.ParquetFile(path) as file:
        found = parquet.schema_of(path, file)
        digest = (file.metadata.metadata or {}).get(parquet.RECORDS_DIGEST_KEY.encode())
        return Footer(digest, file.metadata.num_rows, found)


def chains(path: Path, names: Sequence[str]) -> Iterator[ChainRows]:
    """The chains of *path* with the columns *names*, each page checked against its checksum."""
    with _explained(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for root, expiration, tables in parquet.chains(file, names):
            yield root, expiration, _records(path, tables, names)


def _records(path: Path, tables: Iterator[pa.Table], names: Sequence[str]) -> Iterator[pl.DataFrame]:
    """A chain's rows as records, some at a time, with the columns *names*."""
    with _explained(path):
        for rows in tables:
            records = rows.select(names).cast(schema.records(names))
            yield from pl.DataFrame(records).iter_slices(_AT_ONCE)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        with parquet.readable(path):
            yield
    except FileNotFoundError as error:
        raise MissingFileError(f"there is no file {path}", path=path, operation="compare") from error
