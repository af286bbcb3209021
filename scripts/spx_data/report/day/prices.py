"""The underlying's price at each stamp of a sealed day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spx_data.market import schema

_COLUMNS = ["timestamp", "underlying_price"]


def minutes(path: Path, chains: Sequence[Mapping[str, Any]]) -> list[tuple[dt.datetime, float]]:
    """The underlying's price at the day's stamps, of the chain of a passport that has most of them.

    All chains name the same price at a stamp (the check `underlying-differs` tells where they do not), so
    one of them is read, and two columns of it. Records of a stamp agree as well; where they do not, the
    median is taken. A price of 0 is the vendor's word for none. That the file is what was sealed is for the
    caller to see to.
    """
    there = [chain for chain in chains if chain["rows"]]
    if not there:
        return []
    fullest = max(there, key=lambda chain: (chain["grid"] or 0, chain["rows"]))
    with pq.ParquetFile(path) as file:
        rows = pa.concat_tables(_groups(file, fullest["root"], fullest["expiration"]))
    return _median_by_stamp(rows)


def _groups(file: pq.ParquetFile, root: str, expiration: str) -> Iterator[pa.Table]:
    """The rows of a chain, which has row groups of its own."""
    names = file.schema_arrow.names
    at = names.index("root"), names.index("expiration")
    wanted = root, dt.date.fromisoformat(expiration)
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        if tuple(group.column(place).statistics.min for place in at) == wanted:
            yield file.read_row_group(number, columns=_COLUMNS)


def _median_by_stamp(rows: pa.Table) -> list[tuple[dt.datetime, float]]:
    import polars as pl

    found = (
        pl.DataFrame(pl.from_arrow(rows))
        .filter(pl.col("underlying_price") > 0)
        .group_by("timestamp")
        .agg(pl.col("underlying_price").median())
        .sort("timestamp")
    )
    stamps = found["timestamp"].dt.convert_time_zone(schema.ZONE).dt.replace_time_zone(None)
    return list(zip(stamps, found["underlying_price"], strict=True))
