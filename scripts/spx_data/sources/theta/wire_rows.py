"""Rows of the wire as our records: a row of a history that breaks a rule (`market.records`) is set aside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spx_data.market import schema
from spx_data.market.chains import Chain, midnight_ms
from spx_data.market.records import DAY_MS, RIGHTS, Asked, Rows, broken
from spx_data.sources.theta import errors
from spx_data.sources.theta.contract_lists import listed_date

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


def validated(
    batch: pa.RecordBatch, columns: Mapping[str, pa.Array], chain: Chain, asked: Asked
) -> tuple[pa.RecordBatch, Mapping[int, str]]:
    """Rows of the wire as `schema.RECORD`, without the bad ones; and those, by number, with their reasons.

    Of a record, what is no possible value is null (`possible`).

    Args:
        batch: readable rows with the wire's measures under their common names.
        columns: root, expiration and right (words), strike (dollars), ms_of_day and underlying_ms_of_day
            (int64 ms since midnight in New York of the chain's date).
        chain: what was asked for.
        asked: the same in our own spelling, with the stamps that were asked for.
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
        "underlying_timestamp": pc.add(
            possible("underlying_timestamp", columns["underlying_ms_of_day"]), midnight
        ),
    }
    bad = broken(rows, asked)
    arrays = [
        values[name] if name in values else _measure(name, batch[schema.SOURCE_NAMES[name]])
        for name in schema.RECORD.names
    ]
    if not bad:
        return pa.RecordBatch.from_arrays(arrays, schema=schema.RECORD), bad
    good = pa.array([number not in bad for number in range(batch.num_rows)], pa.bool_())
    return pa.RecordBatch.from_arrays([array.filter(good) for array in arrays], schema=schema.RECORD), bad


def _measure(name: str, column: pa.Array) -> pa.Array:
    return column if name in _PRICES else possible(name, column)


def possible(name: str, column: pa.Array) -> pa.Array:
    """*column* (`schema.OPTIONAL`), with null in place of what no such value can be.

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
    """Raise ApiResponseInvalidError if *batch* (`schema.RECORD`) has rows of any other contract."""
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
