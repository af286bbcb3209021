"""Two sealed Parquets of one trading date, cell by cell: what the second says differently from the first.

Chain by chain, and of a large chain some strikes after the others, so memory holds a row group of each
version and never a day. A row that both have, bit for bit, is unchanged; the others are matched by contract
and stamp, and where a contract has several rows at one stamp, in their order. Values are compared bit for
bit, without any tolerance: the source's text is the truth. So 0.0 and -0.0 differ; what both lack is equal.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from spx_data.errors import MissingFileError, SchemaValidationError
from spx_data.market import schema
from spx_data.market.schema import Schema
from spx_data.market.second_opinion import contract
from spx_data.ops.recheck.differences import (
    ADDED,
    EXAMPLES,
    REMOVED,
    ChainChange,
    ColumnChange,
    Differences,
    Example,
)
from spx_data.store import parquet

Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

ChainRows = tuple[str, dt.date, Iterator[pl.DataFrame]]  # root, expiration, its rows some at a time

_AT_ONCE = 1 << 16  # rows: to match one with its counterpart takes several times its own memory
_KEY = schema.RECORD_KEY
_FAILURE, _NO_VOLATILITY = "iv_error", 100.0  # the column, and the mark of failure in it
_OBSERVED = frozenset({"bid", "ask", _FAILURE, "underlying_timestamp", "underlying_price"})


def compare(before: Path, after: Path | None, *, across_apis: bool = False) -> Differences:
    """What *after* says differently from *before*, two sealed Parquets of one date; None has no rows at all.

    Equal digests of the records settle it without reading a row. Where the two are of different versions of
    the schema, what only one of them has columns for is no difference. With *across_apis*, what v2 and v3 are
    documented to say differently is left out (see `compare_chain`).

    Raises:
        MissingFileError: one of them is not there.
        SchemaValidationError: one of them has other columns than its version of the schema, or they hold
            records of different kinds.
        OtherVersionError: one of them is of a version that this code does not know.
        FileCorruptionError: one of them has a page that cannot be read or fails its checksum.
    """
    old, rows_before, digest = footer(before)
    new, rows_after, digest_after = footer(after) if after else (old, 0, None)
    if old.kind != new.kind:
        finding = f"{before} holds {old.kind}, {after} {new.kind}"
        raise SchemaValidationError(finding, cure="Compare days of one kind of records", what=str(after))
    found = Differences(rows_before, rows_after)
    if digest is not None and digest == digest_after:
        return found
    names = min(old.record.names, new.record.names, key=len)
    there = chains(before, names), chains(after, names) if after else iter(())
    for root, expiration, before_it, after_it in side_by_side(*there):
        changes = (
            compare_chain(root, expiration, *rows, across_apis=across_apis)
            for rows in stretches(before_it, after_it, names)
        )
        if change := functools.reduce(operator.add, changes):
            found.chains.append(change)
    return found


def compare_chain(
    root: str,
    expiration: dt.date,
    before: pl.DataFrame,
    after: pl.DataFrame,
    *,
    across_apis: bool = False,
) -> ChainChange:
    """What became of one chain, or of some strikes of it: its records *before* and *after*, alike in columns.

    With *across_apis*, rows without an underlying are left out, which v3 sends and v2 does not, and what a
    model says where both versions found no volatility (docs/wire.md, 2.1 and 2.2).
    """
    modelled = across_apis and _FAILURE in before.columns
    if modelled:
        before, after = (rows.filter(pl.col("underlying_price") != 0) for rows in (before, after))
    pairs = pair(before, after)
    failed = _failed(before)[pairs.old] & _failed(after)[pairs.new] if modelled else np.False_
    here, there = (functools.partial(_example, root, expiration, rows) for rows in (before, after))
    columns: dict[str, ColumnChange] = {}
    examples: list[Example] = []
    cells = np.zeros(len(pairs.old), np.int64)
    for name, old, new, differs in _changes(before, after, pairs, failed):
        cells += differs
        columns[name] = ColumnChange(int(differs.sum()), _largest(old[differs], new[differs]))
        for at in np.flatnonzero(differs)[:EXAMPLES]:
            examples.append(here(pairs.old[at], name, _said(old[at]), _said(new[at])))
    examples += [here(row, REMOVED) for row in pairs.removed[:EXAMPLES]]
    examples += [there(row, ADDED) for row in pairs.added[:EXAMPLES]]
    moved = len(pairs.added) or len(pairs.removed)
    sides = (before, after) if moved else (before.clear(), after.clear())
    had, has = (frozenset(rows.select("right", "strike").unique().rows()) for rows in sides)
    return ChainChange(
        root=root,
        expiration=expiration,
        rows_before=len(before),
        rows_after=len(after),
        rows_added=len(pairs.added),
        rows_removed=len(pairs.removed),
        rows_changed=int(np.count_nonzero(cells)),
        columns=columns,
        contracts_added=_spelt(has - had),
        contracts_removed=_spelt(had - has),
        contracts_changed=_by_contract(before[pairs.old], cells),
        examples=tuple(examples),
    )


def _changes(
    before: pl.DataFrame, after: pl.DataFrame, pairs: Pairs, failed: Mask | np.bool_
) -> Iterator[tuple[str, npt.NDArray[Any], npt.NDArray[Any], Mask]]:
    """Each column in which matched rows differ: its name, the values of all of them, and where they do."""
    for name in _values_of(before):
        old, new = values(before[name])[pairs.old], values(after[name])[pairs.new]
        differs = bits(old) != bits(new)
        if name not in _OBSERVED:
            differs &= ~failed
        if differs.any():
            yield name, old, new, differs


def _values_of(rows: pl.DataFrame) -> list[str]:
    """The columns that a match is compared by."""
    return [name for name in rows.columns if name not in _KEY]


def _failed(rows: pl.DataFrame) -> Mask:
    """Where the vendor's search for a volatility failed, so that it and the greeks are leftovers."""
    return np.asarray(rows[_FAILURE].to_numpy() >= _NO_VOLATILITY)


def _said(value: np.generic) -> float | int | None:
    """A value of a record; None where it lacks one."""
    found: float | int = value.item()
    return None if found == schema.ABSENT_STAMP or math.isnan(found) else found


def _largest(old: npt.NDArray[Any], new: npt.NDArray[Any]) -> float | None:
    """The largest absolute change among the finite ones."""
    there = (old != schema.ABSENT_STAMP) & (new != schema.ABSENT_STAMP)
    with np.errstate(invalid="ignore", over="ignore"):
        changes = np.abs(new[there] - old[there])
    finite = changes[np.isfinite(changes)]
    return float(finite.max()) if len(finite) else None


def _example(
    root: str, expiration: dt.date, rows: pl.DataFrame, row: int, what: str, *values: float | int | None
) -> Example:
    """An example made of one of the *rows* of a chain."""
    strike, right, timestamp = rows.select(_KEY).row(int(row))
    return Example(root, expiration, strike, right, timestamp, what, *values)


def _spelt(contracts: frozenset[tuple[str, float]]) -> tuple[str, ...]:
    return tuple(contract(right, strike) for right, strike in sorted(contracts))


def _by_contract(rows: pl.DataFrame, cells: Numbers) -> dict[str, int]:
    """The changed cells of each contract that has any."""
    counts = (
        rows.select("right", "strike", cells=cells)
        .filter(pl.col("cells") > 0)
        .group_by("right", "strike")
        .agg(pl.col("cells").sum())
        .sort("right", "strike")
    )
    return {contract(right, strike): total for right, strike, total in counts.rows()}


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
    names = before.columns
    old, new = (
        frame.with_columns(pl.Series(name, bits(values(frame[name]))) for name in _values_of(frame))
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


def side_by_side(
    before: Iterator[ChainRows], after: Iterator[ChainRows]
) -> Iterator[tuple[str, dt.date, Iterator[pl.DataFrame], Iterator[pl.DataFrame]]]:
    """Every chain of either, in sealed order, with its rows in each; none where it has none."""
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[:2] < new[:2]):
            assert old is not None
            yield *old, iter(())
            old = next(before, None)
        elif old is None or new[:2] < old[:2]:
            yield new[0], new[1], iter(()), new[2]
            new = next(after, None)
        else:
            yield *old, new[2]
            old, new = next(before, None), next(after, None)


class _Reel:
    """One version of a chain, sorted by strike, as far as it is read and not yet given."""

    def __init__(self, more: Iterator[pl.DataFrame], names: Sequence[str]) -> None:
        self._more = more
        self.rows = pl.DataFrame(schema=schema.polars_record(names))
        self.last = -np.inf  # the last strike that is read; nothing comes after infinity
        self.read_on()

    def read_on(self) -> None:
        """Read some more rows."""
        found = next(self._more, None)
        if found is None:
            self.last = np.inf
        else:
            self.rows = pl.concat([self.rows, found])
            self.last = float(found["strike"][-1])

    def below(self, strike: float) -> pl.DataFrame:
        """Give the rows of lower strikes."""
        place = self.rows["strike"].search_sorted(strike)
        given, self.rows = self.rows[:place], self.rows[place:]
        return given


def stretches(
    before: Iterator[pl.DataFrame], after: Iterator[pl.DataFrame], names: Sequence[str]
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Two versions of a chain by the same ranges of strikes, ascending: each as far as both are read.

    Both have the columns *names*.
    """
    old, new = _Reel(before, names), _Reel(after, names)
    while True:
        # Of the strike that was read last there may be more.
        whole = min(old.last, new.last)
        yield old.below(whole), new.below(whole)
        if whole == np.inf:
            return
        for reel in (old, new):
            if reel.last == whole:
                reel.read_on()


def footer(path: Path) -> tuple[Schema, int, bytes | None]:
    """The schema of *path*, its rows and the digest of its records; raises as `compare`."""
    with _explained(path), parquet.opened(path) as file:
        found = parquet.schema_of(path, file)
        digest = (file.metadata.metadata or {}).get(parquet.RECORDS_DIGEST_KEY.encode())
        return found, file.metadata.num_rows, digest


def chains(path: Path, names: Sequence[str]) -> Iterator[ChainRows]:
    """The chains of *path* with the columns *names*, each page checked against its checksum."""
    with _explained(path), parquet.opened(path, page_checksum_verification=True) as file:
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
