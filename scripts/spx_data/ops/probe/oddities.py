"""Rows and contracts that tell how a terminal is, by example.

Findings quote the first example of each oddity and look at a few contracts near the money, and a recording
keeps just these of a chain: so what is found is the same on both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spx_data.market import products, schema
from spx_data.market.second_opinion import Lack
from spx_data.ops.probe.contracts import Contract, census
from spx_data.quality.panel import FAILED

if TYPE_CHECKING:
    import polars as pl

FIRST = "first"  # a row at the chain's first stamp
NO_UNDERLYING = "no-underlying"
NO_MARKET = "no-market"  # neither bid nor ask
ZERO_FIRST = "zero-first"  # the same, before any quote of a contract that is worth more than a tick
NO_BID = "no-bid"
UNSOLVED = "unsolved"  # no volatility was found, though both sides are quoted and the underlying is known
REPEATED = "repeated"  # the quote of the contract's row before
BLANK = "blank "  # and a column, which has no value
LACKS = (Lack.HOLES, Lack.LATE, Lack.EARLY)

_TICK = products.DEFAULT.tick  # dollars; for what costs no more there is no market now and then
_NEAR = 6  # contracts, near the money
_CONTRACT = ("right", "strike")


def _oddities() -> dict[str, pl.Expr]:
    """What is odd, of records in the order of `schema.RECORD_KEY`."""
    import polars as pl

    bid, ask = pl.col("bid"), pl.col("ask")
    none = (bid == 0) & (ask == 0)
    failed = (pl.col("iv_error") >= FAILED) & (bid > 0) & (ask > 0) & (pl.col("underlying_price") > 0)
    return {
        FIRST: pl.col("timestamp") == pl.col("timestamp").min(),
        NO_UNDERLYING: pl.col("underlying_price") == 0,
        NO_MARKET: none,
        ZERO_FIRST: (none.cast(pl.Int8).cum_min().over(_CONTRACT) == 1) & (ask > _TICK).any().over(_CONTRACT),
        NO_BID: (bid == 0) & (ask > 0),
        UNSOLVED: failed,
        REPEATED: ((bid == bid.shift()) & (ask == ask.shift())).over(_CONTRACT).fill_null(value=False),
    } | {f"{BLANK}{name}": pl.col(name).is_null() for name in schema.OPTIONAL}


def first(records: pl.DataFrame, oddity: str) -> dict[str, Any] | None:
    """The first row with an *oddity*: of the lowest strike, its call before its put, the earliest stamp."""
    found = records.filter(_oddities()[oddity])
    return found.row(0, named=True) if len(found) else None


def lacking(records: pl.DataFrame, lack: Lack) -> Contract | None:
    """The contract of the lowest strike that has a *lack*."""
    found = census(records)
    return _lowest(found.filter(found[lack]))


def near(records: pl.DataFrame) -> pl.DataFrame:
    """Those of *records* that are of the few contracts nearest to the underlying's last price."""
    return records.join(census(records).head(_NEAR).select(_CONTRACT), on=_CONTRACT, how="semi")


def kept(records: pl.DataFrame) -> set[Contract]:
    """The contracts without which what is found in a chain's *records* would not be the same."""
    if not len(records):
        return set()
    told = (first(records, oddity) for oddity in _oddities())
    chosen: set[Contract] = {(row["right"], row["strike"]) for row in told if row}
    chosen |= {one for lack in LACKS if (one := lacking(records, lack))}
    chosen |= set(near(records).select(_CONTRACT).unique().rows())
    return chosen | _with_every_stamp(records, chosen)


def _with_every_stamp(records: pl.DataFrame, chosen: set[Contract]) -> set[Contract]:
    """Contracts that have those stamps of *records* that none of the *chosen* has."""
    import polars as pl

    having = pl.DataFrame(sorted(chosen), _CONTRACT, orient="row")
    stamps = records.join(having, on=_CONTRACT, how="semi").select("timestamp")
    more: set[Contract] = set()
    while len(left := records.join(stamps, on="timestamp", how="anti")):
        most = left.group_by(_CONTRACT).len().sort("len", "strike", "right", descending=[True, False, False])
        one = most.select(_CONTRACT).row(0)
        more.add(one)
        own = left.filter((pl.col("right") == one[0]) & (pl.col("strike") == one[1]))
        stamps = pl.concat([stamps, own.select("timestamp")])
    return more


def _lowest(contracts: pl.DataFrame) -> Contract | None:
    found = contracts.sort("strike", "right").select(_CONTRACT)
    return found.row(0) if len(found) else None
