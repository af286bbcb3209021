"""The frame that optopsy takes: each contract once a day, at the close of the stock market."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from spx_data.exports import Format
from spx_data.exports.day import Day, Output
from spx_data.market import expirations
from spx_data.market.columns import VALID_GREEKS

if TYPE_CHECKING:
    import polars as pl

_GREEKS = ("delta", "gamma", "theta", "vega")
_KEY = ("root", "expiration", "strike", "right")


def _write(day: Day, out: Output) -> None:
    import polars as pl

    rows = day.rows().with_columns(pl.col("root", "right").cast(pl.String))
    close = expirations.EARLY_CLOSE if expirations.is_half_day(day.date) else expirations.CLOSE
    before = rows.filter(pl.col("timestamp").dt.time() <= close)
    at_close = before.filter(pl.col("timestamp") == pl.col("timestamp").max()).collect()
    if "underlying_price" not in at_close.columns:
        out.note("the lake has no price of the underlying: it is the forward of each expiration")
    reported = day.reported()
    if reported is not None:
        counts = reported.select(*_KEY, "volume", "open_interest")
        at_close = at_close.join(counts, on=_KEY, how="left", maintain_order="left")
    with out.file(f"{day.stem}.parquet") as stream:
        _frame(at_close, day.date).write_parquet(stream)


def _frame(rows: pl.DataFrame, date: dt.date) -> pl.DataFrame:
    """The *rows* of one stamp in optopsy's columns."""
    import polars as pl

    names = rows.columns
    vendors = "underlying_price" in names
    greeks = [
        pl.when(pl.sql_expr(VALID_GREEKS)).then(pl.col(name)).alias(name)
        if vendors
        else pl.col(f"own_{name}").alias(name)
        for name in _GREEKS
        if (name if vendors else f"own_{name}") in names
    ]
    counts = [pl.col(name).cast(pl.Float64) for name in ("volume", "open_interest") if name in names]
    return rows.select(
        # The root: what settles at the open and what settles at the close are not one.
        pl.col("root").alias("underlying_symbol"),
        pl.col("underlying_price" if vendors else "forward").alias("underlying_price"),
        pl.when(pl.col("right") == "C").then(pl.lit("call")).otherwise(pl.lit("put")).alias("option_type"),
        pl.col("expiration").cast(pl.Datetime("us")),
        pl.lit(date).cast(pl.Datetime("us")).alias("quote_date"),
        "strike",
        "bid",
        "ask",
        *greeks,
        *counts,
    )


FORMAT = Format("optopsy", "optopsy's frame: each contract once a day, at the close", _write, reports=True)
