"""Fields that a terminal leaves empty, as they stand in the spelled rows of its history."""

import polars as pl

from theta_simulator.bad_rows import Wire
from theta_simulator.greeks import FAILED
from theta_simulator.habits import Kind

_GREEKS = ("delta", "theta", "vega", "rho", "epsilon", "lambda", "implied_vol")


def blanked(frame: pl.DataFrame, kind: Kind, wire: Wire) -> pl.DataFrame:
    """Return the rows as a terminal of that habit spells them; a v2 terminal has a time in each row."""
    if kind is Kind.GREEKS_BLANK:
        return _with(frame, _GREEKS, pl.col("iv_error") == FAILED, None)
    if kind is Kind.LAMBDA_BLANK or (kind is Kind.LAMBDA_NAN and not wire.not_a_number):
        return _with(frame, ("lambda",), pl.col("bid") == 0, None)
    if kind is Kind.LAMBDA_NAN:
        return _with(frame, ("lambda",), pl.col("bid") == 0, "NaN")
    if kind is Kind.UNDERLYING_TIME_BLANK and "underlying_timestamp" in frame.columns:
        at_the_open = pl.col("timestamp").str.contains("T09:30:00")
        return _with(frame, ("underlying_timestamp",), at_the_open, None)
    return frame


def _with(frame: pl.DataFrame, names: tuple[str, ...], here: pl.Expr, value: str | None) -> pl.DataFrame:
    """Return the rows with other fields *here*; a word among numbers is a category, not quoted."""
    if value is not None:
        frame = frame.with_columns(pl.col(name).cast(pl.String) for name in names)
    changed = [pl.when(here).then(pl.lit(value)).otherwise(pl.col(name)).alias(name) for name in names]
    frame = frame.with_columns(changed)
    return frame.with_columns(pl.col(name).cast(pl.Categorical) for name in names) if value else frame
