"""Columns that files lack, computed while sealed days are read: greeks of our own, and what they rest on.

Days are read chain by chain, so that memory holds one. Only what is asked for is computed, and of a chain
whose rows are all filtered out by what is sealed nothing is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from spx_data.errors import SchemaValidationError
from spx_data.market.products import Product
from spx_data.pricing import day
from spx_data.pricing.day import COLUMNS, UNDERLYING, WANTED, Day
from spx_data.store import parquet

if TYPE_CHECKING:
    import polars as pl

MID, DTE, YEARS, MONEYNESS = "mid", "dte", "years", "moneyness"
NAMES = (MID, DTE, YEARS, MONEYNESS, *COLUMNS)
_FROM_PRICES = {*COLUMNS, MONEYNESS}
_CHAIN = ("date", "root", "expiration")


def check(names: Collection[str]) -> None:
    """Raise `SchemaValidationError` where one of *names* is none of `NAMES`."""
    if unknown := [name for name in names if name not in NAMES]:
        raise SchemaValidationError(
            f"add: there is no column {unknown[0]!r} to compute",
            cure=f"Known are {', '.join(NAMES)}",
            what="add",
        )


def scan(
    paths: Mapping[dt.date, Path], sealed: pl.Schema, added: Sequence[str], product: Product
) -> pl.LazyFrame:
    """The rows of the days at *paths*: their *sealed* columns, and those *added* that are none of them.

    One that is both is as sealed, and computed of days that were sealed without.
    """
    import polars as pl
    from polars.io.plugins import register_io_source

    names = [name for name in dict.fromkeys(added) if name not in sealed]
    whole = pl.Schema({**sealed, **{name: pl.Int32 if name == DTE else pl.Float64 for name in names}})

    def rows(
        wanted: list[str] | None, predicate: pl.Expr | None, most: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        kept = list(whole) if wanted is None else [name for name in whole if name in wanted]
        met = [] if predicate is None else predicate.meta.root_names()
        asked = [name for name in dict.fromkeys(added) if name in {*kept, *met}]
        read = [name for name in sealed if name in {*kept, *met, *_CHAIN, *WANTED, UNDERLYING}]
        left = most
        for path in paths.values():
            for block in _days_rows(path, sealed, read, asked, predicate, product):
                given = block if predicate is None else block.filter(predicate)
                given = given.select(kept).head(len(given) if left is None else left)
                if len(given):
                    yield given
                if left is not None:
                    left -= len(given)
                    if not left:
                        return

    return register_io_source(rows, schema=whole)


def _days_rows(
    path: Path,
    sealed: pl.Schema,
    read: Sequence[str],
    asked: Sequence[str],
    predicate: pl.Expr | None,
    product: Product,
) -> Iterator[pl.DataFrame]:
    """The rows of one day, chain by chain, with what is *asked*."""
    import polars as pl

    pricer = Day(product)
    # American chains go by what the first one says, whether it is asked for or not.
    every = product.exercise == "American" and UNDERLYING not in sealed
    for table in _chains(path, read):
        lacking = [name for name in asked if name not in table.column_names]
        rows = pl.from_arrow(table)
        assert isinstance(rows, pl.DataFrame)
        rows = rows.select(
            (pl.col(name) if name in rows.columns else pl.lit(None)).cast(sealed[name]).alias(name)
            for name in read
        )
        if every or not _unwanted(rows, lacking, predicate):
            yield _with(rows, lacking, pricer, product)


def _unwanted(rows: pl.DataFrame, lacking: Collection[str], predicate: pl.Expr | None) -> bool:
    """Whether none of the *rows* is wanted, by columns that are not *lacking*: then none is priced."""
    if predicate is None or not _FROM_PRICES & set(lacking):
        return False
    known = set(rows.columns) - set(lacking)
    return known.issuperset(predicate.meta.root_names()) and rows.filter(predicate).is_empty()


def _chains(path: Path, read: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of a file, all those of a chain at once: no row group has rows of two."""
    with parquet.opened(path) as file:
        there = [name for name in read if name in file.schema_arrow.names]
        held: list[pa.Table] = []
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, columns=there)
            if held and _key(held[0]) != _key(table):
                yield pa.concat_tables(held)
                held = []
            held.append(table)
        if held:
            yield pa.concat_tables(held)


def _key(table: pa.Table) -> tuple[object, ...]:
    return tuple(table[name][0].as_py() for name in _CHAIN)


def _with(rows: pl.DataFrame, asked: Collection[str], pricer: Day, product: Product) -> pl.DataFrame:
    """The *rows* of one chain, and the columns that are *asked* of it."""
    import polars as pl

    date, root, expiration = rows.select(_CHAIN).row(0)
    stamps = rows["timestamp"].dt.epoch("ms")
    found: list[pl.Series] = []
    if _FROM_PRICES & set(asked):
        records = rows.with_columns(stamps.alias("timestamp"), pl.col("right").cast(pl.String))
        priced = pricer.chain(root, expiration, [records]).price(records)._asdict()
        values = {name: priced[of] for name, of in COLUMNS.items()}
        values[MONEYNESS] = rows["strike"].to_numpy() / values["forward"]
        found += [pl.Series(name, of, nan_to_null=True) for name, of in values.items() if name in asked]
    if MID in asked:
        found.append((0.5 * (rows["bid"] + rows["ask"])).alias(MID))
    if DTE in asked:
        found.append(pl.Series(DTE, [(expiration - date).days], dtype=pl.Int32).new_from_index(0, len(rows)))
    if YEARS in asked:
        found.append(pl.Series(YEARS, day.years(product, root, expiration, stamps.to_numpy())))
    return rows.with_columns(found)
