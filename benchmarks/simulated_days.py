"""Days of the simulated market, as sealed and as CSV, without a terminal: for benchmarks of the output."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from spx_data.market import columns, schema
from spx_data.market.chains import midnight_ms
from spx_data.store.parquet import DayWriter
from theta_simulator import Market

GREEKS = schema.newest(columns.GREEKS)

# As a terminal spells a stamp: New York's clock, without a zone.
STAMP = "%Y-%m-%dT%H:%M:%S%.3f"
_MINUTE_MS = 60_000

Chain = tuple[str, dt.date]


def listed(market: Market, date: dt.date) -> list[Chain]:
    """The chains that are quoted on *date*, in sealed order."""
    return [(root, chain.label) for root in ("SPX", "SPXW") for chain in market.expirations(root, date)]


def spread(chains: list[Chain], count: int) -> list[Chain]:
    """So many of *chains*, evenly spread over them."""
    some = min(count, len(chains))
    return [chains[number * len(chains) // some] for number in range(some)]


def tables(market: Market, date: dt.date, chains: Iterable[Chain]) -> Iterator[tuple[Chain, pa.Table]]:
    """Each of *chains* that has quotes on *date*, with its rows as they are sealed (`Schema.day`)."""
    midnight = midnight_ms(date)
    for root, expiration in chains:
        rows = market.history(root, expiration, date, _MINUTE_MS)
        stamps = {"timestamp": "ms_of_day", "underlying_timestamp": "underlying_ms"}
        frame = rows.with_columns(**{name: pl.col(ms) + midnight for name, ms in stamps.items()})
        if len(frame):
            records = frame.select(GREEKS.record.names).sort(schema.RECORD_KEY)
            yield (root, expiration), GREEKS.table(date, root, expiration, records)


def as_csv(table: pa.Table) -> pl.DataFrame:
    """Rows as a CSV of theirs has them: with what a source sends."""
    words, stamps = pl.col("root", "right"), pl.col("timestamp", "underlying_timestamp")
    frame = pl.DataFrame(table).drop("dte")
    return frame.with_columns(words.cast(pl.String), stamps.dt.replace_time_zone(None).dt.strftime(STAMP))


def write(market: Market, date: dt.date, chains: Iterable[Chain], parquet: Path, csv: Path | None) -> int:
    """Write the rows of *chains* on *date* as they are sealed, and as *csv*; return how many there are."""
    for path in filter(None, (parquet, csv)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    with parquet.open("wb") as sealed, DayWriter(sealed, GREEKS, {}) as writer:
        for (root, expiration), table in tables(market, date, chains):
            writer.add(root, expiration, [table])
            if csv:
                with csv.open("ab") as text:
                    as_csv(table).write_csv(text, include_header=not text.tell())
        return writer.close().rows
