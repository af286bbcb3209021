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
from spx_data.recheck.pairing import VALUES, bits, pair

if TYPE_CHECKING:
    import numpy.typing as npt

    from spx_data.recheck.pairing import Numbers

    Flags = npt.NDArray[np.bool_]

_KEY = schema.RECORD_KEY
_MODEL = frozenset(schema.MEASURES) - {"bid", "ask", "iv_error"}
_NO_VOLATILITY = 100.0  # iv_error's mark of failure
_ChainRows = tuple[str, dt.date, pa.Table]


def compare(before: Path, after: Path | None, *, across_apis: bool = False) -> Differences:
    """What *after* says differently from *before*, two sealed Parquets of one date; None has no rows at all.

    Equal digests of the records settle it without reading a row. With *across_apis*, what v2 and v3 are
    documented to say differently is left out (see `compare_chain`).

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
        if change := compare_chain(root, expiration, _frame(old), _frame(new), across_apis=across_apis):
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
            for root, expiration, tables in parquet.chains(file):
                yield root, expiration, pa.concat_tables(tables)
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
    root: str,
    expiration: dt.date,
    before: pl.DataFrame,
    after: pl.DataFrame,
    *,
    across_apis: bool = False,
) -> ChainChange | None:
    """What became of one chain, *before* and *after* in `schema.RECORD`; None where both say the same.

    With *across_apis*, rows without an underlying are left out, which v3 sends and v2 does not, and what a
    model says where both versions found no volatility (wire-facts, sections 2.1 and 2.2).
    """
    if across_apis:
        before, after = (rows.filter(pl.col("underlying_price") != 0) for rows in (before, after))
    pairs = pair(before, after)
    failed = _failed(before)[pairs.old] & _failed(after)[pairs.new] if across_apis else np.False_
    columns: dict[str, ColumnChange] = {}
    examples: list[Example] = []
    cells = np.zeros(len(pairs.old), np.int64)
    here = _Place(root, expiration, before)
    for name in VALUES:
        old, new = before[name].to_numpy()[pairs.old], after[name].to_numpy()[pairs.new]
        differs = bits(old) != bits(new)
        if name in _MODEL:
            differs &= ~failed
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


def _failed(rows: pl.DataFrame) -> Flags:
    """Where the vendor's search for a volatility failed, so that it and the greeks are leftovers."""
    return np.asarray(rows["iv_error"].to_numpy() >= _NO_VOLATILITY)


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
