"""Two sealed Parquets of one trading date, cell by cell: what the second says differently from the first.

Chain by chain, so memory holds two versions of a chain and never a day. A row that both have, bit for bit,
is unchanged; the others are matched by contract and stamp, and where a contract has several rows at one
stamp, in their order. Values are compared bit for bit, without any tolerance: the source's text is the
truth. So 0.0 and -0.0 differ; two NaN are one value, whatever their bits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from spx_data import parquet, schema
from spx_data.errors import FileCorruptionError, MissingFileError, SchemaValidationError
from spx_data.recheck.differences import EXAMPLES, ChainChange, ColumnChange, Differences, Example

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

_KEY = schema.RECORD_KEY
_VALUES = tuple(name for name in schema.RECORD.names if name not in _KEY)
_ChainRows = tuple[str, dt.date, pa.Table]


def compare(before: Path, after: Path | None) -> Differences:
    """What *after* says differently from *before*, two sealed Parquets of one date; None has no rows at all.

    Equal digests of the records settle it without reading a row.

    Raises:
        MissingFileError: one of them is not there.
        SchemaValidationError: one of them has other columns than `schema.DAY`.
        FileCorruptionError: one of them has a page that cannot be read or fails its checksum.
    """
    old_digest, old_rows = _footer(before)
    new_digest, new_rows = _footer(after) if after else (None, 0)
    found = Differences(old_rows, new_rows)
    if old_digest is not None and old_digest == new_digest:
        return found
    for root, expiration, old, new in _side_by_side(_chains(before), _chains(after) if after else iter(())):
        if change := compare_chain(root, expiration, _frame(old), _frame(new)):
            found.chains.append(change)
    return found


# Reading ------------------------------------------------------------------------------------------------


def _footer(path: Path) -> tuple[bytes | None, int]:
    """The digest of the records and the number of rows, as the footer of *path* says."""
    try:
        metadata = pq.read_metadata(path)
        found = metadata.schema.to_arrow_schema()
    except FileNotFoundError as error:
        raise MissingFileError(f"there is no file {path}", path=path, operation="compare") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error
    if not found.equals(schema.DAY):
        raise SchemaValidationError(
            f"{path} has other columns than a trading date has today",
            cure="It was written by another version of spx-data: compare it with that one",
            what=str(path),
            reason=f"expected {schema.DAY.to_string()}, found {found.to_string()}",
        )
    return metadata.metadata.get(parquet.RECORDS_DIGEST_KEY.encode()), metadata.num_rows


def _chains(path: Path) -> Iterator[_ChainRows]:
    """The chains of *path*, each page checked against its checksum."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield from parquet.chains(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> FileCorruptionError:
    return FileCorruptionError(
        f"{path} cannot be read: {error}",
        cure="snakemake verify moves a damaged day away, and the next run fetches it anew",
        path=path,
        expected="a Parquet file with good page checksums",
        actual=str(error),
    )


def _side_by_side(
    before: Iterator[_ChainRows], after: Iterator[_ChainRows]
) -> Iterator[tuple[str, dt.date, pa.Table | None, pa.Table | None]]:
    """Every chain of either, in sealed order, with its rows in each; None where it has none."""
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[:2] < new[:2]):
            assert old is not None
            yield *old, None
            old = next(before, None)
        elif old is None or new[:2] < old[:2]:
            yield new[0], new[1], None, new[2]
            new = next(after, None)
        else:
            yield *old, new[2]
            old, new = next(before, None), next(after, None)


def _frame(rows: pa.Table | None) -> pl.DataFrame:
    """The rows as `schema.RECORD`; an empty frame where there are none."""
    if rows is None:
        return pl.DataFrame(schema=schema.polars_record())
    return pl.DataFrame(rows.select(schema.RECORD.names).cast(schema.RECORD))


# One chain ----------------------------------------------------------------------------------------------


def compare_chain(
    root: str, expiration: dt.date, before: pl.DataFrame, after: pl.DataFrame
) -> ChainChange | None:
    """What became of one chain, *before* and *after* in `schema.RECORD`; None where both say the same."""
    pairs = _pair(before, after)
    columns: dict[str, ColumnChange] = {}
    examples: list[Example] = []
    cells = np.zeros(len(pairs.old), np.int64)
    here = _Place(root, expiration, before)
    for name in _VALUES:
        old, new = before[name].to_numpy()[pairs.old], after[name].to_numpy()[pairs.new]
        differs = _differs(old, new)
        if not differs.any():
            continue
        cells += differs
        columns[name] = ColumnChange(int(differs.sum()), _largest(old[differs], new[differs]))
        for at in np.flatnonzero(differs)[:EXAMPLES]:
            examples.append(here.example(pairs.old[at], name, old[at].item(), new[at].item()))
    if not columns and not len(pairs.removed) and not len(pairs.added):
        return None
    examples += [here.example(row, "row removed") for row in pairs.removed[:EXAMPLES]]
    there = _Place(root, expiration, after)
    examples += [there.example(row, "row added") for row in pairs.added[:EXAMPLES]]
    contracts_before, contracts_after = _contracts(before), _contracts(after)
    return ChainChange(
        root=root,
        expiration=expiration,
        rows_before=len(before),
        rows_after=len(after),
        rows_added=len(pairs.added),
        rows_removed=len(pairs.removed),
        rows_changed=int(np.count_nonzero(cells)),
        columns=columns,
        contracts_added=_spelt(contracts_after - contracts_before),
        contracts_removed=_spelt(contracts_before - contracts_after),
        contracts_changed=_by_contract(before[pairs.old], cells),
        examples=tuple(examples),
    )


@dataclass(frozen=True)
class _Pairs:
    """Row numbers: *old* and *new* are matched one by one, *removed* and *added* have no match."""

    old: Numbers
    new: Numbers
    removed: Numbers
    added: Numbers


def _pair(before: pl.DataFrame, after: pl.DataFrame) -> _Pairs:
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
    return _Pairs(
        old=_numbers(matched["row"]),
        new=_numbers(matched["row_new"]),
        removed=_numbers(joined.filter(pl.col("row_new").is_null())["row"].sort()),
        added=_numbers(joined.filter(pl.col("row").is_null())["row_new"].sort()),
    )


def _twins(before: pl.DataFrame, after: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The row numbers, in each, of rows that the other has too, bit for bit, counted as often as both do."""
    names = schema.RECORD.names
    old, new = (
        frame.with_columns(pl.Series(name, _bits(frame[name].to_numpy())) for name in _VALUES)
        .with_row_index("row")
        .with_columns(nth=pl.int_range(pl.len()).over(names))
        for frame in (before, after)
    )
    both = old.join(new, on=[*names, "nth"], how="inner", suffix="_new")
    return both.select("row"), both.select(row="row_new")


def _numbers(rows: pl.Series) -> Numbers:
    return rows.cast(pl.Int64).to_numpy()


def _bits(values: npt.NDArray[Any]) -> Numbers:
    """Values as the integers that their bits spell; every NaN as the same one."""
    if values.dtype == np.float64:
        values = np.where(np.isnan(values), np.nan, values)
    return values.view(np.int64)


def _differs(old: npt.NDArray[Any], new: npt.NDArray[Any]) -> Flags:
    return np.not_equal(_bits(old), _bits(new))


def _largest(old: npt.NDArray[Any], new: npt.NDArray[Any]) -> float | None:
    """The largest absolute change among the finite ones."""
    with np.errstate(invalid="ignore", over="ignore"):
        changes = np.abs(new - old)
    finite = changes[np.isfinite(changes)]
    return float(finite.max()) if len(finite) else None


@dataclass(frozen=True)
class _Place:
    """A chain of one version, to make examples from its rows."""

    root: str
    expiration: dt.date
    rows: pl.DataFrame

    def example(self, row: int, what: str, before: Any = None, after: Any = None) -> Example:
        strike, right, timestamp = self.rows.select(_KEY).row(int(row))
        return Example(self.root, self.expiration, strike, right, timestamp, what, before, after)


def _contracts(rows: pl.DataFrame) -> frozenset[tuple[str, float]]:
    return frozenset(rows.select("right", "strike").unique().rows())


def _spelt(contracts: frozenset[tuple[str, float]]) -> tuple[str, ...]:
    return tuple(_contract(right, strike) for right, strike in sorted(contracts))


def _contract(right: str, strike: float) -> str:
    return f"{right} {strike:.10g}"


def _by_contract(rows: pl.DataFrame, cells: Numbers) -> dict[str, int]:
    """The changed cells of each contract that has any."""
    counts = (
        rows.select("right", "strike", cells=cells)
        .filter(pl.col("cells") > 0)
        .group_by("right", "strike")
        .agg(pl.col("cells").sum())
        .sort("right", "strike")
    )
    return {_contract(right, strike): total for right, strike, total in counts.rows()}
