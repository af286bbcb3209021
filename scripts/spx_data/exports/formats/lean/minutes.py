"""Minutes as LEAN has them: lines of what was at their ends, each with the time at which it begins."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from spx_data.exports.selection import of_the_day

if TYPE_CHECKING:
    import polars as pl

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
_SCALE = 10_000
_MORNING_MS = 6 * HOUR_MS + HOUR_MS // 2  # at which LEAN's own files have open interest
_KEY = ("expiration", "strike", "right")
_NEEDED = (
    *("root", "expiration", "strike", "right", "timestamp", "bid", "ask", "bid_size", "ask_size"),
    *("delta", "gamma", "theta", "vega", "rho", "implied_vol", "iv_error", "underlying_price"),
    *("iv_mid", "own_delta", "own_gamma", "own_theta", "own_vega", "own_rho"),
)
_PRICES = ("open", "high", "low", "close")


class Contract(NamedTuple):
    """What a file says of one contract."""

    expiration: dt.date
    strike: float  # dollars
    right: str  # C or P
    text: str  # its lines


def whole(rows: pl.LazyFrame) -> pl.LazyFrame:
    """What is needed of the *rows* at whole minutes; `ms` is where a minute that ends there begins.

    It counts from midnight in New York. Words are text.
    """
    import polars as pl

    ms = of_the_day(pl.col("timestamp"))
    words = pl.col("root", "right").cast(pl.String)
    return (
        rows.select(pl.selectors.by_name(*_NEEDED, require_all=False))
        .with_columns((ms - MINUTE_MS).alias("ms"), words)
        .filter(pl.col("ms") % MINUTE_MS == 0)
    )


def quotes(rows: pl.DataFrame) -> Iterator[Contract]:
    """The quotes of each contract of one root.

    A side without a price is empty, and so is a minute without any: it has no line. The first stamp of a
    session opens its first minute.
    """
    import polars as pl

    follows = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in _KEY) & (
        pl.col("ms") - pl.col("ms").shift(1) == MINUTE_MS
    )
    sides = [
        part
        for side in ("bid", "ask")
        for part in (*_side(side, follows), _size(side) if f"{side}_size" in rows.columns else pl.lit("0"))
    ]
    line = pl.concat_str(pl.col("ms"), *sides, separator=",").alias("line")
    quoted = pl.max_horizontal("bid", "ask") > 0
    found = rows.select(*_KEY, "ms", quoted.alias("quoted"), line)
    # What LEAN has as a minute of the session begins in it.
    found = found.filter(pl.col("quoted") & (pl.col("ms") >= _opens()))
    yield from _contracts(found)


def _side(side: str, follows: pl.Expr) -> list[pl.Expr]:
    """Open, high, low and close of one side, scaled; empty where it has no price at the end."""
    import polars as pl

    close = (pl.col(side) * _SCALE).round().cast(pl.Int64)
    before = close.shift(1)
    opened = pl.when(follows & (before > 0)).then(before).otherwise(close)
    every = opened, pl.max_horizontal(opened, close), pl.min_horizontal(opened, close), close
    return [pl.when(close > 0).then(each.cast(pl.String)).otherwise(pl.lit("")) for each in every]


def _size(side: str) -> pl.Expr:
    import polars as pl

    return pl.when(pl.col(side) > 0).then(pl.col(f"{side}_size").fill_null(0)).otherwise(0).cast(pl.String)


def _opens() -> int:
    return 9 * HOUR_MS + HOUR_MS // 2


def open_interest(contracts: pl.DataFrame) -> Iterator[Contract]:
    """The open interest of each of these contracts that has one."""
    import polars as pl

    line = pl.concat_str(pl.lit(str(_MORNING_MS)), "open_interest", separator=",").alias("line")
    yield from _contracts(contracts.filter(pl.col("open_interest").is_not_null()).select(*_KEY, line))


def _contracts(lines: pl.DataFrame) -> Iterator[Contract]:
    import polars as pl

    joined = lines.group_by(_KEY, maintain_order=True).agg(pl.col("line").str.join("\n"))
    for expiration, strike, right, text in joined.iter_rows():
        yield Contract(expiration, strike, right, f"{text}\n")


def underlying(rows: pl.DataFrame) -> pl.DataFrame | None:
    """The minutes of what the options are on: `ms` and prices in dollars; None where no price is known."""
    import polars as pl

    if "underlying_price" not in rows.columns:
        return None
    priced = rows.filter(pl.col("underlying_price") > 0)
    at_end = priced.group_by("ms").agg(pl.col("underlying_price").first().alias("close")).sort("ms")
    follows = pl.col("ms") - pl.col("ms").shift(1) == MINUTE_MS
    opened = pl.when(follows).then(pl.col("close").shift(1)).otherwise(pl.col("close"))
    found = at_end.select(
        "ms",
        opened.alias("open"),
        pl.max_horizontal(opened, "close").alias("high"),
        pl.min_horizontal(opened, "close").alias("low"),
        "close",
    ).filter(pl.col("ms") >= _opens())
    return found if len(found) else None


def trades(minutes: pl.DataFrame, *, behind_ms: int, scale: int | None) -> str:
    """The lines of an underlying's *minutes*, on a clock *behind_ms* of New York's; scaled, whole numbers."""
    import polars as pl

    prices = [
        pl.col(name) if scale is None else (pl.col(name) * scale).round().cast(pl.Int64) for name in _PRICES
    ]
    lines = minutes.select(pl.concat_str(pl.col("ms") - behind_ms, *prices, pl.lit("0"), separator=","))
    return "".join(f"{line}\n" for line in lines.to_series())
