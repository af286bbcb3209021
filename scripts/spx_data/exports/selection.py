"""Which rows of a sealed day are exported: whole contracts, at some of their stamps."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spx_data.errors import SchemaValidationError
from spx_data.market.columns import VALID_GREEKS

if TYPE_CHECKING:
    import polars as pl

_CONTRACT = ("root", "expiration", "strike", "right")
_MINUTE_MS, _SECOND_MS = 60_000, 1_000


@dataclass(frozen=True)
class Selection:
    """What is taken; nothing set takes all.

    *max_dte* is in calendar days from the trading date to the expiration. *delta* is a range of absolute
    deltas: a contract is taken with all its rows if it is within it at any stamp of the day, so that none has
    holes. *every_ms* takes the stamps that are multiples of it on New York's clock. *roots* are taken alone.
    """

    max_dte: int | None = None
    delta: tuple[float, float] | None = None
    every_ms: int | None = None
    roots: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """What is set, as the manifest has it."""
        told = {"max_dte": self.max_dte, "delta": self.delta and list(self.delta), "every_ms": self.every_ms}
        return {name: value for name, value in told.items() if value is not None} | (
            {"roots": sorted(self.roots)} if self.roots else {}
        )

    def of(self, rows: pl.LazyFrame, date: dt.date) -> pl.LazyFrame:
        """The *rows* of the day *date* that are taken, in their order.

        Raises:
            SchemaValidationError: deltas are asked for, and the day has none.
        """
        import polars as pl

        if self.roots:
            rows = rows.filter(pl.col("root").cast(pl.String).is_in(list(self.roots)))
        if self.max_dte is not None:
            # With a date for a bound, row groups of later expirations are not read.
            rows = rows.filter(pl.col("expiration") <= date + dt.timedelta(self.max_dte))
        if self.delta is not None:
            within = _delta(rows).abs().is_between(*self.delta)
            rows = rows.filter(within.fill_null(value=False).any().over(_CONTRACT))
        if self.every_ms is not None:
            rows = rows.filter(of_the_day(pl.col("timestamp")) % self.every_ms == 0)
        return rows


def _delta(rows: pl.LazyFrame) -> pl.Expr:
    """Delta where there is one: the vendor's, or in a lake of quotes our own."""
    import polars as pl

    names = rows.collect_schema().names()
    if "delta" in names:
        return pl.when(pl.sql_expr(VALID_GREEKS)).then(pl.col("delta"))
    if "own_delta" in names:
        return pl.col("own_delta")
    raise SchemaValidationError(
        "delta: the rows of this lake have no delta to choose by", cure="Leave the range out", what="delta"
    )


def of_the_day(stamp: pl.Expr) -> pl.Expr:
    """Milliseconds since midnight in New York, by its clock."""
    import polars as pl

    minutes = stamp.dt.hour().cast(pl.Int64) * 60 + stamp.dt.minute()
    return minutes * _MINUTE_MS + stamp.dt.second().cast(pl.Int64) * _SECOND_MS + stamp.dt.millisecond()
