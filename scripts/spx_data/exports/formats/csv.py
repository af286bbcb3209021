"""CSV, for whatever reads nothing else: a header, and a line for each row; nulls are empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from spx_data.exports import Format

if TYPE_CHECKING:
    import polars as pl

# With its offset, like 2024-01-02T09:31:00.000-0500: an hour of the day alone comes twice in autumn.
_STAMP = "%Y-%m-%dT%H:%M:%S%.3f%z"


def _write(rows: pl.LazyFrame, to: BinaryIO) -> None:
    rows.sink_csv(to, datetime_format=_STAMP)


FORMAT = Format.of_files("csv", "a file a day, for whatever reads nothing else", "csv", _write)
