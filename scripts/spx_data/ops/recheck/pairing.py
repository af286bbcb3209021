"""Which row of one version of a chain is which row of the other.

A row that both have, bit for bit, is the same row. The others are matched by contract and stamp; where a
contract has several rows at one stamp, which the vendor has sent (docs/wire.md, 13), in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from spx_data.market import schema

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.int64]

_KEY = schema.RECORD_KEY
VALUES = tuple(name for name in schema.RECORD.names if name not in _KEY)


@dataclass(frozen=True)
class Pairs:
    """Row numbers: *old* and *new* are matched one by one, *removed* and *added* have no match."""

    old: Numbers
    new: Numbers
    removed: Numbers
    added: Numbers


def pair(before: pl.DataFrame, after: pl.DataFrame) -> Pairs:
    """Match the rows of two versions of a chain."""
    old, new = (frame.select(_KEY).with_row_index("row") for frame in (before, after))
    on = _KEY
    if any(keys.select(_KEY).is_duplicated().any() for keys in (old, new)):
        twins = _twins(before, after)
        old, new = (
            keys.join(twins, on="row", how="anti") for keys, twins in zip((old, new), twins, strict=True)
        )
        old, new = (keys.with_columns(nth=pl.int_range(pl.len()).over(_KEY)) for keys in (old, new))
        on = [*_KEY, "nth"]
    joined = old.join(new, on=on, how="full", suffix="_new")
    matched = joined.drop_nulls(["row", "row_new"]).sort("row")
    return Pairs(
        old=_numbers(matched["row"]),
        new=_numbers(matched["row_new"]),
        removed=_numbers(joined.filter(pl.col("row_new").is_null())["row"].sort()),
        added=_numbers(joined.filter(pl.col("row").is_null())["row_new"].sort()),
    )


def _twins(before: pl.DataFrame, after: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The row numbers, in each, of rows that the other has too, bit for bit, counted as often as both do."""
    names = schema.RECORD.names
    old, new = (
        frame.with_columns(pl.Series(name, bits(values(frame[name]))) for name in VALUES)
        .with_row_index("row")
        .with_columns(nth=pl.int_range(pl.len()).over(names))
        for frame in (before, after)
    )
    both = old.join(new, on=[*names, "nth"], how="inner", suffix="_new")
    return both.select("row"), both.select(row="row_new")


def _numbers(rows: pl.Series) -> Numbers:
    return rows.cast(pl.Int64).to_numpy()


def values(column: pl.Series) -> npt.NDArray[Any]:
    """A column as an array; what a record lacks is as the records' digest has it (`schema.ABSENT_*`)."""
    return (column.fill_null(schema.ABSENT_STAMP) if column.dtype.is_integer() else column).to_numpy()


def bits(values: npt.NDArray[Any]) -> Numbers:
    """Values as the integers that their bits spell; every NaN as the same one."""
    if values.dtype == np.float64:
        values = np.where(np.isnan(values), np.nan, values)
    return values.view(np.int64)
