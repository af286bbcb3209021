"""Rows of the wire as chains and as records.

Parse at the edge: roots and dates from the wire become real types here. A listing's rows about another root
or an impossible contract are left out and counted, and a row of a history that breaks a rule
(`market.records`) is set aside, so nothing behind this room looks twice.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spx_data.market.chains import (
    Chain,
    Contract,
    Listed,
    ListedChain,
    Reported,
    midnight_ms,
    true_expiration,
)
from spx_data.market.columns import Type
from spx_data.market.records import DAY_MS, RIGHTS, Asked, Rejects, Rows, broken
from spx_data.market.schema import Schema
from spx_data.sources.theta import errors, tables
from spx_data.sources.theta.reading import MOMENT
from spx_data.sources.theta.transport import Answer


def group(root: str, date: dt.date, contracts: Iterable[Contract], unreadable: int, url: str) -> Listed:
    """A contract listing, unsorted as it came, as chains.

    Args:
        root: the root that was asked for.
        date: the trading date that was asked for.
        contracts: the readable rows.
        unreadable: how many rows are none.
        url: where the listing came from, for errors.

    Raises:
        ApiResponseInvalidError: rows had to be left out, and no live contract is left.
    """
    left_out = Counter({"unreadable": unreadable} if unreadable else {})
    live = _sorted_out(root, date, contracts, left_out)
    if left_out and not live:
        counted = ", ".join(f"{count:,} {reason}" for reason, count in sorted(left_out.items()))
        raise errors.invalid(
            url, f"lists no live contract: left out are {counted}", f"contracts of {root} that live on {date}"
        )
    return Listed(_chains(root, date, live, "listing"), dict(left_out))


def reported(root: str, date: dt.date, rows: Iterable[tuple[Contract, bool]], unreadable: int) -> Reported:
    """An end-of-day report as chains: its *rows*, each with whether any of its figures is not zero.

    A contract may have several rows (double builds: docs/wire.md, 6): one that is not zero counts.
    """
    left_out = Counter({"unreadable": unreadable} if unreadable else {})
    told = list(rows)
    everything = _sorted_out(root, date, (contract for contract, _ in told), left_out)
    lively = _sorted_out(root, date, (contract for contract, quoted in told if quoted), Counter())
    silent = {listed: rights for listed, rights in everything.items() if listed not in lively}
    return Reported(_chains(root, date, lively, "eod"), _chains(root, date, silent, "eod"), dict(left_out))


_Strikes = dict[dt.date, dict[str, set[float]]]  # of each listed expiration, of C and P


def _sorted_out(root: str, date: dt.date, contracts: Iterable[Contract], left_out: Counter[str]) -> _Strikes:
    """The live contracts among *contracts*; the others are counted in *left_out* by reason."""
    strikes: _Strikes = {}
    for contract in contracts:
        if (reason := out_of_place(root, date, contract)) is not None:
            left_out[reason] += 1
            continue
        _, expiration, strike, right = contract
        listed = listed_date(expiration)
        assert listed
        strikes.setdefault(listed, {"C": set(), "P": set()})[RIGHTS[right.upper()]].add(strike)
    return strikes


def out_of_place(root: str, date: dt.date, contract: Contract) -> str | None:
    """Why a row of a listing of *root* on *date* is left out (`Listed`); None where it is a live contract."""
    found, expiration, strike, right = contract
    listed = listed_date(expiration)
    if found != root:
        return "foreign-root"
    if listed is None:
        return "expiration"
    if true_expiration(listed) < date:
        return "expired"
    if right.upper() not in RIGHTS:
        return "right"
    return None if 0 < strike < math.inf else "strike"


def _chains(root: str, date: dt.date, strikes: _Strikes, witness: str) -> tuple[ListedChain, ...]:
    return tuple(
        ListedChain(
            Chain(root, true_expiration(listed), date, listed),
            calls=tuple(sorted(strikes[listed]["C"])),
            puts=tuple(sorted(strikes[listed]["P"])),
            witness=witness,
        )
        for listed in sorted(strikes, key=lambda listed: (true_expiration(listed), listed))
    )


def listed_expirations(spelled: Iterable[str], url: str) -> tuple[dt.date, ...]:
    """The dates in a list of expirations, ascending; raises ApiResponseInvalidError where there is none."""
    found = {date for date in map(listed_date, spelled) if date}
    if not found:
        raise errors.invalid(url, "names no date", "expirations, or status 472 where there are none")
    return tuple(sorted(found))


def listed_date(text: str) -> dt.date | None:
    """The date that *text* spells, as 2024-01-19 or 20240119; None where it is none."""
    if not MOMENT.fullmatch(text := text.strip()):
        return None
    try:
        return dt.datetime.fromisoformat(text).date()  # with a time of day or without
    except ValueError:
        return None


Row = dict[str, Any]

# What tells, in an end-of-day report, that a contract was quoted or traded (docs/wire.md, 6 and 11.2).
REPORT: dict[str, pa.DataType] = dict.fromkeys(("bid", "ask", "volume", "count"), pa.float64())


def batches(
    answer: Answer, columns: tables.Columns, optional: Iterable[str] = ()
) -> tuple[list[pa.RecordBatch], int]:
    """The readable rows of the CSV table in *answer*, and how many rows are not; some may lack *optional*.

    Raises:
        ApiResponseInvalidError: it is no such table, or not one of its rows is readable.
    """
    unreadable = Rejects()
    read = tables.valid_rows(
        answer, columns, lambda batch: (batch, {}), unreadable, asked="csv", optional=optional
    )
    found = list(read)
    return found, len(unreadable)


def rows(answer: Answer, columns: tables.Columns) -> tuple[list[Row], int]:
    """Like `batches`, row by row."""
    found, unreadable = batches(answer, columns)
    return [row for batch in found for row in batch.to_pylist()], unreadable


def is_lively(row: Row) -> bool:
    """Whether any of the `REPORT`'s figures is not zero."""
    return any(row[name] for name in REPORT)


_PRICES = ("bid", "ask")
_NEVER_DAYS = 1_000_000
# An underlying's time is judged in `quality`; here it only has to be one.
_CENTURIES_MS = 200 * 365 * DAY_MS
# Below zero they are impossible, and so null.
_NEVER_NEGATIVE = ("implied_vol", "underlying_price")


def days_later(column: pa.Array, date: dt.date) -> pa.Array:
    """How many ms after *date* each date in a column begins, as if all days were alike."""
    encoded = column.dictionary_encode()
    days = [_days_between(date, number) for number in encoded.dictionary.to_pylist()]
    return pc.take(pa.array([days_ * DAY_MS for days_ in days], pa.int64()), encoded.indices)


def _days_between(date: dt.date, number: int) -> int:
    """The days from *date* to the date that *number* is; a million where it is none."""
    found = listed_date(str(number))  # that of `date` takes 2024121040 for a date
    return _NEVER_DAYS if found is None else (found - date).days


_TYPES = {Type.NUMBER: pa.float64(), Type.WHOLE: pa.int32()}


def columns(
    contract: tables.Columns, stamp: tables.Columns, underlying: tables.Columns, schema: Schema
) -> dict[str, pa.DataType]:
    """The wire's columns of records of *schema*, in the wire's own order, with their types.

    *contract* and *stamp* are what each row has; *underlying*, when the underlying's price was, only where
    records have such a price.
    """
    measures = {each.source_name: _TYPES[each.type] for each in schema.measures}
    behind = (
        {**underlying, "underlying_price": pa.float64()} if "underlying_price" in schema.record.names else {}
    )
    return {**contract, **stamp, **measures, **behind}


def optional(schema: Schema) -> tuple[str, ...]:
    """The wire's columns that may lack a value."""
    return (*(each.source_name for each in schema.optional), "ms_of_day2")


def validated(
    batch: pa.RecordBatch, columns: Mapping[str, pa.Array], chain: Chain, asked: Asked, schema: Schema
) -> tuple[pa.RecordBatch, Mapping[int, str]]:
    """Rows of the wire as records of *schema* without the bad ones; and those, by number, with their reasons.

    Of a record, what is no possible value is null (`possible`).

    Args:
        batch: readable rows with the wire's measures under their common names.
        columns: root, expiration and right (words), strike (dollars), ms_of_day and, where records have it,
            underlying_ms_of_day (int64 ms since midnight in New York of the chain's date).
        chain: what was asked for.
        asked: the same in our own spelling, with the stamps that were asked for.
        schema: which columns records have.
    """
    rights = _spelt(columns["right"], RIGHTS.get)
    rows = Rows(
        root=columns["root"],
        expiration=_spelt(columns["expiration"], _iso),
        right=rights,
        strike=columns["strike"].to_numpy(),
        stamp=columns["ms_of_day"].to_numpy(),
        prices={name: batch[name].to_numpy() for name in _PRICES},
    )
    midnight = pa.scalar(midnight_ms(chain.date), pa.int64())
    values = {
        "strike": columns["strike"],
        "right": rights.cast(pa.string()),
        "timestamp": pc.add(columns["ms_of_day"], midnight),
    }
    if (later := columns.get("underlying_ms_of_day")) is not None:
        values["underlying_timestamp"] = pc.add(possible("underlying_timestamp", later), midnight)
    bad, names = broken(rows, asked), schema.source_names
    arrays = [
        values[name] if name in values else _measure(name, batch[names[name]]) for name in schema.record.names
    ]
    if not bad:
        return pa.RecordBatch.from_arrays(arrays, schema=schema.record), bad
    good = pa.array([number not in bad for number in range(batch.num_rows)], pa.bool_())
    return pa.RecordBatch.from_arrays([array.filter(good) for array in arrays], schema=schema.record), bad


def _measure(name: str, column: pa.Array) -> pa.Array:
    return column if name in _PRICES else possible(name, column)


def possible(name: str, column: pa.Array) -> pa.Array:
    """*column*, which is optional, with null in place of what no such value can be.

    Impossible are NaN and the infinite, a volatility or an underlying below zero, and an underlying's time
    (ms since midnight of the date asked for) more than a day later or centuries ago.
    """
    if name == "underlying_timestamp":
        stamps = column.fill_null(0).to_numpy()
        wrong = (stamps < -_CENTURIES_MS) | (stamps > 2 * DAY_MS)
    else:
        values = column.to_numpy(zero_copy_only=False)
        negative = name in _NEVER_NEGATIVE and len(values) and values.min() < 0
        with np.errstate(over="ignore", invalid="ignore"):
            # What is no number makes a sum of it none either.
            if np.isfinite(values.sum()) and not negative:
                return column
        wrong = ~np.isfinite(values) | ((values < 0) if name in _NEVER_NEGATIVE else False)
    return pc.if_else(pa.array(wrong), pa.scalar(None, column.type), column) if wrong.any() else column


def check_contract(batch: pa.RecordBatch, right: str, strike: float, url: str) -> None:
    """Raise ApiResponseInvalidError if *batch*, of records, has rows of any other contract."""
    found = [*pc.unique(batch["right"]).to_pylist(), *pc.unique(batch["strike"]).to_pylist()]
    if found != [right, strike]:
        raise errors.invalid(url, f"holds rows of {found[:4]}", f"only {right} {strike:g}")


def _iso(text: str) -> str:
    """A date in the wire's spelling in ours; what is none stays as it is."""
    found = listed_date(text)
    return text if found is None else found.isoformat()


def _spelt(column: pa.DictionaryArray, ours: Callable[[str], str | None]) -> pa.DictionaryArray:
    """A column of words in our own spelling; a word that has none becomes the empty one."""
    words = [ours(word) or "" for word in column.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(column.indices, pa.array(words, pa.string()))
