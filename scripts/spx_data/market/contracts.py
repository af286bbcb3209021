"""The day's contracts: a row for each of a date, with what the source reports of it and when it was quoted.

What a source does not tell is null and never 0: that it names no open interest says nothing about how much
there is. Reports come twice at times (docs/wire.md, 6): what was built last counts, and what still disagrees
then is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from spx_data.market.columns import Column, Type

if TYPE_CHECKING:
    import polars as pl

VERSION = 1  # of the columns


class Report(StrEnum):
    """What a source reports of all contracts of a root and date at once."""

    END_OF_DAY = "end_of_day"
    OPEN_INTEREST = "open_interest"


class State(StrEnum):
    """What the day knows of a contract's records."""

    QUOTED = "quoted"  # it has some
    EXPLAINED = "explained"  # it was listed, and the source has none of it
    MISSING = "missing"  # it was listed, and nobody knows why there is none


# By the report that they come from; of the others some are known beforehand, and some from the records.
REPORTED: Mapping[Report, tuple[Column, ...]] = {
    Report.OPEN_INTEREST: (
        Column("open_interest", Type.WHOLE, "contracts open in the morning: those of the session before"),
    ),
    Report.END_OF_DAY: (
        Column("volume", Type.WHOLE, "contracts traded on the date"),
        Column("open", Type.NUMBER, "dollars: of the first trade; null, like the next three, without one"),
        Column("high", Type.NUMBER, "dollars: of the dearest trade"),
        Column("low", Type.NUMBER, "dollars: of the cheapest trade"),
        Column("close", Type.NUMBER, "dollars: of the last trade"),
        Column("closing_bid", Type.NUMBER, "dollars, at the close; null without a market", source="bid"),
        Column("closing_ask", Type.NUMBER, "dollars, likewise", source="ask"),
    ),
}
COLUMNS = (
    Column("date", Type.DATE, "the trading date, in New York", optional=False),
    Column("root", Type.WORD, "like SPXW", optional=False),
    Column("expiration", Type.DATE, "the true date", optional=False),
    Column("strike", Type.NUMBER, "dollars", optional=False),
    Column("right", Type.WORD, "C or P", optional=False),
    Column("settlement", Type.WORD, "AM: at the open of the expiration; PM: at its close", optional=False),
    Column("dte", Type.WHOLE, "calendar days from the trading date to the expiration", optional=False),
    *REPORTED[Report.OPEN_INTEREST],
    *REPORTED[Report.END_OF_DAY],
    Column("first_quote", Type.STAMP, "the first stamp with a bid or an ask above 0, if any"),
    Column("last_quote", Type.STAMP, "the last one"),
    Column("stamps", Type.WHOLE, "records of the contract in the day", optional=False),
    Column("state", Type.WORD, ", ".join(State), optional=False),
)
KEY = ("root", "expiration", "strike", "right")

_TRADED = ("open", "high", "low", "close")
_QUOTED = ("closing_bid", "closing_ask")


class Figures(NamedTuple):
    """What a report says of each contract of a root: *rows* have `KEY` but the root, and what is reported.

    Each contract stands there once, in order. Rows of the answer *left_out* are counted by reason, and
    *conflicts* counts contracts of which the newest rows disagree.
    """

    rows: pl.DataFrame
    left_out: Mapping[str, int]
    conflicts: int


def figures(report: Report, rows: pl.DataFrame, left_out: Mapping[str, int]) -> Figures:
    """The figures in the *rows* of a report: `KEY` but the root, `built` (of any clock), and doubles.

    Of a contract the rows built last count. What is no possible value is null, and so are prices of what was
    not traded and quotes of what had no market, which sources spell as zeros (docs/wire.md, 6).
    """
    import polars as pl

    names = [each.name for each in REPORTED[report]]
    key = [name for name in KEY if name != "root"]
    possible = rows.with_columns(
        pl.when(pl.col(name).is_finite() & (pl.col(name) >= 0)).then(pl.col(name)).alias(name)
        for name in names
    )
    built = pl.col("built").fill_null(pl.lit(-1))
    newest = possible.filter(built == built.max().over(key)).select(*key, *names)
    told = newest.group_by(key).agg(
        *(pl.when(pl.col(name).n_unique() == 1).then(pl.col(name).first()).alias(name) for name in names),
        pl.any_horizontal(pl.col(name).n_unique() > 1 for name in names).alias("differs"),
    )
    found = _without_zeros(report, told).sort(key)
    wholes = [each.name for each in REPORTED[report] if each.type is Type.WHOLE]
    exact = [
        pl.when((pl.col(name) % 1 == 0) & (pl.col(name) < 1 << 31)).then(pl.col(name)).cast(pl.Int32)
        for name in wholes
    ]
    return Figures(found.with_columns(exact).select(*key, *names), left_out, int(found["differs"].sum()))


def _without_zeros(report: Report, told: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    if report is not Report.END_OF_DAY:
        return told
    traded = (pl.col("volume") > 0) | (pl.max_horizontal(_TRADED) > 0)
    market = pl.max_horizontal(_QUOTED) > 0
    return told.with_columns(
        *(pl.when(traded).then(pl.col(name)).alias(name) for name in _TRADED),
        *(pl.when(market).then(pl.col(name)).alias(name) for name in _QUOTED),
    )
