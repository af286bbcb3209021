"""The day's contracts: a row for each that was listed or has records, with what the source reports of it.

The rows gather chain by chain, from what a merge has in its hands anyway, and are few: what bounds them is
how many contracts a date has, not its records.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from spx_data.fill.listing import Reports
from spx_data.market import contracts
from spx_data.market.chains import Chain, ListedChain
from spx_data.market.contracts import KEY, REPORTED, Report, State
from spx_data.market.products import Product
from spx_data.market.second_opinion import contract
from spx_data.store.contracts import SCHEMA

if TYPE_CHECKING:
    import polars as pl

NOT_ASKED = "nobody asked for it"

_NEVER = -(1 << 63)


def quoted(records: pl.DataFrame) -> pl.DataFrame:
    """Of each contract in *records*, sorted by strike, right and time: its stamps, first and last quote.

    A quote is a stamp (ms since the epoch) with a bid or an ask above 0.
    """
    import polars as pl

    strike, is_call = records["strike"].to_numpy(), (records["right"] == "C").to_numpy()
    stamp = records["timestamp"].to_numpy()
    has = (records["bid"].to_numpy() > 0) | (records["ask"].to_numpy() > 0)
    begins = np.flatnonzero(np.r_[True, (strike[1:] != strike[:-1]) | (is_call[1:] != is_call[:-1])])
    first = np.minimum.reduceat(np.where(has, stamp, -_NEVER - 1), begins)
    last = np.maximum.reduceat(np.where(has, stamp, _NEVER), begins)
    known = pl.Series(last != _NEVER)
    return pl.DataFrame(
        {
            "strike": strike[begins],
            "right": np.where(is_call[begins], "C", "P"),
            "stamps": np.diff(np.r_[begins, len(stamp)]),
            "first_quote": first,
            "last_quote": last,
        }
    ).with_columns(pl.when(known).then(pl.col("first_quote", "last_quote")))


class Contracts:
    """The contracts of one date on their way into their file."""

    def __init__(self, product: Product, date: dt.date) -> None:
        self._product, self._date = product, date
        self._chains: list[Chain] = []
        self._quotes: list[tuple[int, pl.DataFrame]] = []  # with the place of their chain
        self._listed: list[tuple[int, float, str, bool]] = []  # likewise; and who was explained

    def add(self, entry: ListedChain, quotes: Iterable[pl.DataFrame], explained: Iterable[str]) -> None:
        """Add a chain: what `quoted` says of its records, piece by piece, and whom the source explained."""
        place, known = len(self._chains), set(explained)
        self._chains.append(entry.chain)
        self._quotes.extend((place, each) for each in quotes)
        self._listed.extend(
            (place, strike, right, bool(known) and contract(right, strike) in known)
            for right, strikes in _sides(entry)
            for strike in strikes
        )

    def _found(self) -> pl.DataFrame:
        """Each contract once, with its state: all at one go, since they are few and calls of Polars dear."""
        import polars as pl

        keys: dict[str, Any] = {"chain": pl.Int64, "strike": pl.Float64, "right": pl.String}
        listed = pl.DataFrame(self._listed, keys | {"gone": pl.Boolean}, orient="row")
        quotes = [each.with_columns(chain=pl.lit(place, pl.Int64)) for place, each in self._quotes]
        counts: dict[str, Any] = {"stamps": pl.Int64, "first_quote": pl.Int64, "last_quote": pl.Int64}
        every = pl.concat([listed, pl.DataFrame(schema=keys | counts), *quotes], how="diagonal")
        state = (
            pl.when(pl.col("stamps") > 0)
            .then(pl.lit(State.QUOTED.value))
            .when(pl.col("gone"))
            .then(pl.lit(State.EXPLAINED.value))
            .otherwise(pl.lit(State.MISSING.value))
        )
        # A contract may lie in two pieces of a large chain.
        found = every.group_by(*keys).agg(
            *(pl.col("stamps").sum(), pl.col("first_quote").min(), pl.col("last_quote").max()),
            pl.col("gone").any(),
        )
        places = found["chain"].to_list()
        return found.drop("chain", "gone").with_columns(
            found.select(state).to_series().alias("state"),
            pl.Series("root", [self._chains[place].root for place in places], pl.String),
            pl.Series("expiration", [self._chains[place].expiration for place in places], pl.Date),
        )

    def rows(self, reports: Mapping[Report, pl.DataFrame]) -> pl.DataFrame:
        """All contracts in order, each once, with what the *reports* say of it."""
        import polars as pl

        rows = self._found()
        for report, columns in REPORTED.items():
            names = [each.name for each in columns]
            if (told := reports.get(report)) is not None:
                rows = rows.join(told.select(*KEY, *names), on=KEY, how="left")
            else:
                rows = rows.with_columns(pl.lit(None).alias(name) for name in names)
        root = pl.col("root")
        opens = [name for name in self._product.root_names if self._product.settles_at_the_open(name)]
        return rows.with_columns(
            date=pl.lit(self._date),
            settlement=pl.when(root.is_in(opens)).then(pl.lit("AM")).otherwise(pl.lit("PM")),
            dte=(pl.col("expiration") - pl.lit(self._date)).dt.total_days(),
        ).sort(KEY)


def table(rows: pl.DataFrame) -> pa.Table:
    """*rows* as the file has them."""
    found = rows.select(SCHEMA.names).to_arrow()
    arrays = [_as(found[field.name], field.type) for field in SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _sides(entry: ListedChain) -> Iterable[tuple[str, Sequence[float]]]:
    return ("C", entry.calls), ("P", entry.puts)


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """A column in the file's type; of words, the dictionary is in order, whoever came first."""
    whole = column.combine_chunks()
    if not pa.types.is_dictionary(kind):
        return whole.cast(kind)
    words = pa.array(sorted(set(whole.to_pylist())), pa.string())
    return pa.DictionaryArray.from_arrays(
        pa.array(np.searchsorted(words.to_numpy(False), whole.to_numpy(False)), pa.int32()), words
    )


def section(
    rows: pl.DataFrame, figures: Mapping[Report, pl.DataFrame], reports: Reports | None
) -> dict[str, Any]:
    """What the footer of the file says, and the passport at the seal: what is known of each report.

    Of a report `contracts` are those that it names, `absent` those of its roots that it does not, and
    `beyond` those that it names and nobody lists within the lake's reach.
    """
    return {
        "rows": len(rows),
        "schema_version": contracts.VERSION,
        "reports": {report.value: _report(report, rows, figures.get(report), reports) for report in Report},
    }


def _report(
    report: Report, rows: pl.DataFrame, figures: pl.DataFrame | None, reports: Reports | None
) -> dict[str, Any]:
    import polars as pl

    roots = sorted(rows["root"].unique())
    unknown = dict.fromkeys(roots, NOT_ASKED) if reports is None else dict(reports.unknown.get(report, {}))
    asked = rows.filter(~pl.col("root").is_in(list(unknown))).select(KEY)
    named = 0 if figures is None else len(asked.join(figures, on=KEY, how="semi"))
    return {
        "contracts": named,
        "absent": len(asked) - named,
        "beyond": 0 if figures is None else len(figures) - named,
        "conflicts": {} if reports is None else dict(reports.conflicts.get(report, {})),
        "left_out": {} if reports is None else dict(reports.left_out.get(report, {})),
        "unknown": unknown,
    }
