"""The sealed records of a date, checked before the first is read, chain by chain."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from spx_data.errors import FileCorruptionError, SchemaValidationError, SpxDataError
from spx_data.store import parquet, seals

COLUMNS = (
    "strike",
    "right",
    "timestamp",
    "bid",
    "ask",
    "delta",
    "implied_vol",
    "iv_error",
    "underlying_price",
)


def sealed_chains(path: Path, date: dt.date) -> Iterator[tuple[str, dt.date, Iterator[pl.DataFrame]]]:
    """The chains of the sealed file of *date* in its order, each with its records in turn, by `COLUMNS`.

    Raises:
        FileCorruptionError, MissingFileError: it is not what was sealed.
    """
    with _checked(path, date) as file:
        for root, expiration, tables in parquet.chains(file, COLUMNS):
            yield root, expiration, map(_frame, tables)


def _checked(path: Path, date: dt.date) -> pq.ParquetFile:
    """The open file, the bytes of which are those that were sealed."""
    try:
        seals.verify(path)
    except FileCorruptionError as error:
        raise _damaged(date, error.cause, **error.fields) from error
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        parquet.raise_if_the_systems(error, path)
        cause = f"{path} was sealed and cannot be read: {error}"
        raise _damaged(date, cause, path=path, expected="a Parquet", actual=str(error)) from error
    try:
        parquet.schema_of(path, file)
    except SpxDataError as error:
        file.close()
        if isinstance(error, SchemaValidationError):
            raise _damaged(date, error.cause, path=path, **error.fields) from error
        raise
    return file


def _damaged(date: dt.date, cause: str, **fields: object) -> FileCorruptionError:
    cure = f"spx-data verify {date} moves away what is damaged, and the next run fetches it again"
    return FileCorruptionError(cause, cure=cure, **fields)


def _frame(rows: pa.Table) -> pl.DataFrame:
    """Rows as a panel wants them: stamps in ms since the epoch, rights as text."""
    frame = pl.from_arrow(rows.select(COLUMNS))
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(pl.col("timestamp").to_physical(), pl.col("right").cast(pl.String))
