"""Chains of the simulated market as judgements see them, whole or with chosen cells spoilt."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import polars as pl

from spx_data.market import products, schema
from spx_data.market.chains import midnight_ms
from spx_data.quality.panel import Panel
from tests import schemas
from theta_simulator import Market

DATE, EXPIRATION = dt.date(2024, 1, 3), dt.date(2024, 1, 19)


def records(
    market: Market,
    root: str = "SPXW",
    expiration: dt.date = EXPIRATION,
    date: dt.date = DATE,
    version: str = "latest",
    step_ms: int = 60_000,
) -> pl.DataFrame:
    """Return one chain's records as a clean fill would stage them, sorted."""
    rows = market.history(root, expiration, date, step_ms, greeks_version=version)
    midnight = midnight_ms(date)
    frame = rows.with_columns(
        timestamp=pl.col("ms_of_day") + midnight, underlying_timestamp=pl.col("underlying_ms") + midnight
    )
    return frame.select(schemas.RECORD.names).sort(schema.RECORD_KEY)


def panels(
    market: Market, date: dt.date = DATE, version: str = "latest", step_ms: int = 60_000
) -> Iterator[Panel]:
    """Return every chain of *date*, in sealed order."""
    for root in ("SPX", "SPXW"):
        for expiration in market.expirations(root, date):
            frame = records(market, root, expiration.label, date, version, step_ms)
            if len(frame):
                yield Panel(products.DEFAULT, root, expiration.label, date, frame, step_ms)


def spoilt(frame: pl.DataFrame, where: pl.Expr, **values: pl.Expr | float) -> pl.DataFrame:
    """Return *frame* with other *values* in the rows of *where*."""
    changes = {
        name: pl.when(where).then(value).otherwise(pl.col(name)).alias(name) for name, value in values.items()
    }
    return frame.with_columns(**changes)


def cell(strike: float, right: str, time: str, date: dt.date = DATE) -> pl.Expr:
    """Return the expression that holds for one contract at one *time* of day (like 10:31)."""
    hours, minutes = (int(part) for part in time.split(":"))
    stamp = midnight_ms(date) + (60 * hours + minutes) * 60_000
    return (pl.col("strike") == strike) & (pl.col("right") == right) & (pl.col("timestamp") == stamp)
