"""What the terminal reports of all contracts of a root and date: the end of day, and open interest.

Either API has a row for each contract, some of them twice (docs/wire.md, 6), in whatever order.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from spx_data.market import contracts
from spx_data.market.chains import true_expiration
from spx_data.market.contracts import REPORTED, Figures, Report
from spx_data.market.records import RIGHTS
from spx_data.sources.theta.wire_rows import listed_date

if TYPE_CHECKING:
    import polars as pl

# As the last part of their paths, of both APIs.
PATHS: Mapping[Report, str] = {Report.END_OF_DAY: "eod", Report.OPEN_INTEREST: "open_interest"}
# What a row need not tell: without the time of its making the first and the last one count alike.
OPTIONAL = ("open", "high", "low", "close", "created", "timestamp", "ms_of_day")


def columns(report: Report) -> dict[str, pa.DataType]:
    """The columns that a *report* has beside its contract and its times, by the terminal's names."""
    return {each.source_name: pa.float64() for each in REPORTED[report]}


def figures(
    root: str, date: dt.date, report: Report, batches: Iterable[pa.RecordBatch], unreadable: int
) -> Figures:
    """A report on *root*, by batches that have root, expiration and right as words, strike (dollars), built.

    Where they have a column `date` as well, each row is of the date that it says. Rows of other roots and
    dates, and of no possible contract, are left out as in a listing (`chains.Listed`).
    """
    import polars as pl

    rows = pl.concat([pl.DataFrame(batch) for batch in batches], how="vertical_relaxed")
    words = ("root", "expiration", "right")
    rows = rows.with_columns(pl.col(name).cast(pl.String) for name in words)
    reason = _reason(root, date, rows)
    counted = rows.select(reason.alias("reason")).drop_nulls()["reason"].value_counts().sort("reason")
    left_out = dict(counted.iter_rows()) | ({"unreadable": unreadable} if unreadable else {})
    true = {
        text: true_expiration(found) for text in rows["expiration"].unique() if (found := listed_date(text))
    }
    good = rows.filter(reason.is_null()).select(
        pl.col("expiration").replace_strict(true, default=None, return_dtype=pl.Date),
        "strike",
        pl.col("right").str.to_uppercase().replace_strict(RIGHTS, default=None, return_dtype=pl.String),
        "built",
        *(pl.col(each.source_name).alias(each.name) for each in REPORTED[report]),
    )
    return contracts.figures(report, good, left_out)


def _reason(root: str, date: dt.date, rows: pl.DataFrame) -> pl.Expr:
    """Why a row is left out; null where it is not."""
    import polars as pl

    spelled = rows["expiration"].unique().to_list()
    dates = {text: found for text in spelled if (found := listed_date(text))}
    expired = [text for text, found in dates.items() if true_expiration(found) < date]
    other = pl.lit(False)
    if "date" in rows.columns:
        days = rows["date"].unique().to_list()
        other = ~pl.col("date").is_in([day for day in days if listed_date(str(day)) == date])
    return (
        pl.when(pl.col("root") != root)
        .then(pl.lit("foreign-root"))
        .when(other)
        .then(pl.lit("other-date"))
        .when(~pl.col("expiration").is_in(list(dates)))
        .then(pl.lit("expiration"))
        .when(pl.col("expiration").is_in(expired))
        .then(pl.lit("expired"))
        .when(~pl.col("right").str.to_uppercase().is_in(list(RIGHTS)))
        .then(pl.lit("right"))
        .when(~((pl.col("strike") > 0) & pl.col("strike").is_finite()))
        .then(pl.lit("strike"))
    )
