"""Rows that no client may take, as they stand on the wire, and answers that end too early.

Some of it cannot be said in a market's terms (a right that is neither call nor put, a row of another
expiration), so all of it is done to the spelled rows, just before they become a body.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from theta_simulator import chance
from theta_simulator.blemishes import Kind, Place

# An answer keeps between these shares of its rows when it is cut.
_LEAST, _MOST = 0.3, 0.9
_SECONDS_OFF = 17


@dataclass(frozen=True)
class Wire:
    """How a terminal spells what a row is found by."""

    alone: bool  # one contract was asked for
    not_a_number: bool  # its format has a way to write NaN
    right: Callable[[str], str]
    stamp: str  # the name of its column
    moment: Callable[[date, int], Any]  # a date and ms since midnight as that column has them
    label: Callable[[date], str]
    date: str | None = None  # the column of dates, where there is one


def edited(frame: pl.DataFrame, where: Place, wire: Wire) -> pl.DataFrame:
    """Return the rows with the blemish at *where*, if it is one of spelling."""
    if where.kind is Kind.CUT_ANSWER:
        return frame if wire.alone else frame.head(_kept(len(frame), where))
    kind = where.kind
    if kind is Kind.NOT_A_NUMBER and not wire.not_a_number:
        kind = Kind.EMPTY_FIELD
    if kind in _SPOILT:
        return _SPOILT[kind](frame, _cells(frame, where, wire))
    return _with_more(frame, where, wire, _ADDED[kind]) if kind in _ADDED else frame


def _with_more(
    frame: pl.DataFrame, where: Place, wire: Wire, change: Callable[[Place, Wire], pl.Expr]
) -> pl.DataFrame:
    """Return the rows with a changed copy behind each of those at the place."""
    numbered = frame.with_row_index("_row")
    copies = numbered.filter(_cells(frame, where, wire)).with_columns(change(where, wire))
    both = pl.concat([numbered, copies.cast(numbered.schema)])
    return both.sort("_row", maintain_order=True).drop("_row")


def _kept(rows: int, where: Place) -> int:
    """Return how many rows of a cut answer arrive: never all."""
    share = _LEAST + (_MOST - _LEAST) * float(
        chance.uniform(chance.key(where.seed, "cut", where.day.isoformat()))[0]
    )
    return min(int(rows * share), rows - 1)


def _cells(frame: pl.DataFrame, where: Place, wire: Wire) -> pl.Expr:
    """Return the condition for the rows of the contract in the window."""
    assert where.strike is not None and where.right and where.first is not None and where.last is not None
    thousandths = where.strike if isinstance(frame.schema["strike"], pl.Decimal) else where.strike * 1000
    stamps = [wire.moment(where.day, ms) for ms in range(where.first, where.last + 1, 1000)]
    found = (pl.col("strike").cast(pl.Float64) == thousandths) & (pl.col("right") == wire.right(where.right))
    found &= pl.col(wire.stamp).is_in(stamps)
    return found & (pl.col(wire.date) == f"{where.day:%Y%m%d}") if wire.date else found


def _bid(frame: pl.DataFrame, here: pl.Expr, value: pl.Expr) -> pl.DataFrame:
    """Return the rows with another bid *here*."""
    return frame.with_columns(bid=pl.when(here).then(value).otherwise(pl.col("bid")))


def _not_a_number(frame: pl.DataFrame, here: pl.Expr) -> pl.DataFrame:
    # Text would stand between quotation marks; a category is written as it is.
    bare = frame.with_columns(pl.col("bid").cast(pl.String))
    return _bid(bare, here, pl.lit("NaN")).with_columns(pl.col("bid").cast(pl.Categorical))


# What a row more than there should be has instead.


def _off_grid(where: Place, wire: Wire) -> pl.Expr:
    assert where.first is not None
    return pl.lit(wire.moment(where.day, where.first + _SECONDS_OFF * 1000)).alias(wire.stamp)


def _next_day(where: Place, wire: Wire) -> pl.Expr:
    tomorrow = where.day + timedelta(days=1)
    if wire.date:
        return pl.lit(f"{tomorrow:%Y%m%d}").alias(wire.date)
    assert where.first is not None
    return pl.lit(wire.moment(tomorrow, where.first)).alias(wire.stamp)


def _later(where: Place, wire: Wire) -> pl.Expr:
    assert where.expiration is not None
    return pl.lit(wire.label(where.expiration + timedelta(days=7))).alias("expiration")


def _wrong_right(*_: object) -> pl.Expr:
    return pl.lit("X").alias("right")


def _zero_strike(*_: object) -> pl.Expr:
    return pl.col("strike") * 0


_SPOILT: dict[Kind, Callable[[pl.DataFrame, pl.Expr], pl.DataFrame]] = {
    Kind.NEGATIVE_PRICE: lambda frame, here: _bid(frame, here, -pl.col("ask")),
    Kind.EMPTY_FIELD: lambda frame, here: _bid(frame, here, pl.lit(None)),
    Kind.NOT_A_NUMBER: _not_a_number,
}
_ADDED: dict[Kind, Callable[[Place, Wire], pl.Expr]] = {
    Kind.OFF_GRID_STAMP: _off_grid,
    Kind.OTHER_DATE: _next_day,
    Kind.WRONG_RIGHT: _wrong_right,
    Kind.ZERO_STRIKE: _zero_strike,
    Kind.OTHER_EXPIRATION: _later,
}
