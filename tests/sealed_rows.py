"""Sealed days of rows that mean something, made without a terminal: what exports and their benchmark read.

Prices are Black's at a volatility of 20 %, a cent or more apart, on an underlying that walks by a rule. A
contract is quoted on each day until its expiration, at the prices of that day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from spx_data.market import expirations, products, schema
from spx_data.pricing import black76
from spx_data.store import names, reads, seals

_ZONE = ZoneInfo("America/New_York")
_YEAR_MS = 365 * 86_400_000
OPEN, CLOSE = dt.time(9, 30), dt.time(16)


def stamps_of(date: dt.date, minutes: int = 1, until: dt.time = CLOSE) -> np.ndarray:
    """The stamps of a session, in ms since the epoch."""
    first, last = (int(dt.datetime.combine(date, at, _ZONE).timestamp()) * 1000 for at in (OPEN, until))
    return np.arange(first, last + 1, minutes * 60_000)


def spot_at(stamps: np.ndarray) -> np.ndarray:
    """The underlying at *stamps*, in dollars and cents."""
    days = stamps / 86_400_000
    return np.round(4700 + 25 * np.sin(days * 2.1) + 6 * np.sin(stamps / 1_700_000), 2)


def chain(
    date: dt.date,
    root: str,
    expiration: dt.date,
    strikes: Sequence[float],
    stamps: np.ndarray,
    *,
    kind: str = "greeks",
    symbol: str = "SPX",
) -> pa.Table:
    """The rows of a chain at *stamps* that come before its settlement, as a sealed day has them."""
    product = products.PRODUCTS[symbol]
    settled = expirations.settled_ms(expiration, at_the_open=product.settles_at_the_open(root))
    stamps = stamps[stamps <= settled]
    strike = np.repeat(np.asarray(strikes, dtype=float), 2 * len(stamps))
    call = np.tile(np.repeat([True, False], len(stamps)), len(strikes))
    stamp = np.tile(stamps, 2 * len(strikes))
    spot = spot_at(stamp)
    years = np.maximum(settled - stamp, 60_000) / _YEAR_MS
    options = black76.Options(spot, np.ones(len(spot)), strike, call, years)
    found = black76.values(options, np.full(len(spot), 0.2))
    half = np.maximum(0.05, np.round(found.price * 0.01, 2))
    bid, ask = np.maximum(0.0, np.round(found.price - half, 2)), np.round(found.price + half, 2)
    count = len(stamp)
    values: dict[str, object] = {
        "date": pa.repeat(pa.scalar(date, pa.date32()), count),
        "root": pa.repeat(pa.scalar(root), count).dictionary_encode(),
        "expiration": pa.repeat(pa.scalar(expiration, pa.date32()), count),
        "dte": pa.repeat(pa.scalar((expiration - date).days, pa.int32()), count),
        "strike": strike,
        "right": pa.DictionaryArray.from_arrays(pa.array(np.where(call, 0, 1), pa.int32()), ["C", "P"]),
        "timestamp": pa.array(stamp, pa.timestamp("ms", "UTC")),
        "bid": bid,
        "ask": ask,
        "delta": np.round(found.delta, 4),
        "theta": np.round(found.theta, 4),
        "vega": np.round(found.vega, 4),
        "rho": np.round(found.rho, 4),
        "implied_vol": np.full(count, 0.2),
        "iv_error": np.zeros(count),
        "underlying_timestamp": pa.array(stamp, pa.timestamp("ms", "UTC")),
        "underlying_price": spot,
        "bid_size": pa.array(10 + stamp // 60_000 % 90, pa.int32()),
        "ask_size": pa.array(11 + stamp // 60_000 % 80, pa.int32()),
        "own_delta": np.round(found.delta, 5),
        "own_gamma": np.round(found.gamma, 7),
        "own_theta": np.round(found.theta, 3),
        "own_vega": np.round(found.vega, 3),
        "own_rho": np.round(found.rho, 3),
        "iv_mid": np.full(count, 0.2),
    }
    columns = schema.newest(kind).day
    arrays = [
        pa.array(values[field.name]).cast(field.type) if field.name in values else pa.nulls(count, field.type)
        for field in columns
    ]
    return pa.Table.from_arrays(arrays, schema=columns)


def seal(
    folder: Path,
    date: dt.date,
    tables: Iterable[pa.Table],
    symbol: str = "SPX",
    contracts: pl.DataFrame | None = None,
) -> Path:
    """Seal the day of these chains, and its *contracts*, in *folder*, under the names that a lake has."""
    stem = products.stem_of(symbol)
    path = folder / f"{date:%Y/%m/%d}" / f"{stem}-{date}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = None
    for table in tables:
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=len(table))
    assert writer
    writer.close()
    checksum = None
    if contracts is not None:
        contracts.write_parquet(names.contracts_of(path))
        checksum = reads.digest(names.contracts_of(path))
    seals.seal(path, reads.digest(path), {"date": date.isoformat()}, checksum)
    return path
