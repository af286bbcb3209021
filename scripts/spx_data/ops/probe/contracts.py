"""Which contracts of a chain are asked for by themselves: those that may have more than their chain's answer.

The choice is the same where only the chosen contracts, and one that has every stamp, are left of an answer:
so a recording that was cut to them is asked the same as its original.
"""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

from spx_data.fill.lacking import Contract as Contract
from spx_data.fill.lacking import listed_contracts
from spx_data.market.chains import ListedChain
from spx_data.market.second_opinion import Lack

if TYPE_CHECKING:
    import polars as pl

_NEVER = 10.0  # times the highest strike: nothing is listed there


def census(records: pl.DataFrame) -> pl.DataFrame:
    """One row for each contract of *records* (`schema.RECORD`), those near the underlying first.

    Its columns: right, strike, rows, first and last (stamps), and holes, late and early: whether it lacks
    such stamps of those that any contract has.
    """
    import polars as pl

    stamps = records["timestamp"].unique().sort()
    known = records.filter(pl.col("underlying_price") > 0).sort("timestamp")
    spot = known["underlying_price"][-1] if len(known) else 0.0
    found = (
        records.group_by("right", "strike")
        .agg(rows=pl.len(), first=pl.col("timestamp").min(), last=pl.col("timestamp").max())
        .with_columns(away=(pl.col("strike") - spot).abs())
    )
    between = [
        int(stamps.is_between(first, last).sum()) for first, last in found.select("first", "last").rows()
    ]
    return (
        found.with_columns(
            (pl.col("rows") < pl.Series(between, dtype=pl.Int64)).alias(Lack.HOLES),
            (pl.col("first") > stamps[0]).alias(Lack.LATE),
            (pl.col("last") < stamps[-1]).alias(Lack.EARLY),
        )
        .sort("away", "strike", "right")
        .drop("away")
    )


def telling(records: pl.DataFrame | None, listed: ListedChain | None, most: int) -> list[Contract]:
    """At most *most* contracts: some of each lack of the chain's *records*, then whole ones near the money.

    Of a chain without records they are *listed* ones around the middle of its strikes.
    """
    if records is None or not len(records):
        return _middle(listed, most) if listed else []
    found = census(records)
    share = max(1, most // 4)
    chosen: list[Contract] = []
    for lack in (Lack.HOLES, Lack.LATE, Lack.EARLY):
        lacking = found.filter(found[lack]).select("right", "strike").rows()
        chosen += [one for one in lacking if one not in chosen][:share]
    whole = found.filter(~(found[Lack.HOLES] | found[Lack.LATE] | found[Lack.EARLY]))
    for one in [*whole.select("right", "strike").rows(), *found.select("right", "strike").rows()]:
        if one not in chosen:
            chosen.append(one)
    return chosen[:most]


def never_quoted(there: Set[Contract], listed: ListedChain | None) -> tuple[Contract, bool] | None:
    """A contract that is not *there*, in the chain's answer, and whether it is *listed*, or by nobody.

    Of several that are listed it is the lowest call, or the lowest put. None where no strike is known.
    """
    names = listed_contracts(listed) if listed else []
    if there and (absent := sorted(one for one in names if one not in there)):
        return absent[0], True
    strikes = [strike for _, strike in [*there, *names]]
    return (("C", round(_NEVER * max(strikes), 3)), False) if strikes else None


def _middle(listed: ListedChain, most: int) -> list[Contract]:
    contracts = sorted(listed_contracts(listed), key=lambda one: (one[1], one[0]))
    begin = max(0, (len(contracts) - most) // 2)
    return contracts[begin : begin + most]
