"""What is asked of the terminal and what it lists, in our terms; and rows of the wire as our records.

Parse at the edge: roots and dates from the wire become real types here. A listing about another root or an
impossible contract is refused, and a row of a history that breaks a rule (`spx_data.records`) is set aside,
so nothing behind this room looks twice.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spx_data import schema
from spx_data.records import DAY_MS, RIGHTS, Asked, Rows, broken
from spx_data.theta import errors

_ZONE = ZoneInfo(schema.ZONE)
_PRICES = ("bid", "ask")
_NEVER_DAYS = 1_000_000
# An underlying's time is judged in `quality`; here it only has to be one.
_CENTURIES_MS = 200 * 365 * DAY_MS
# Below zero they are impossible, and so null.
_NEVER_NEGATIVE = ("implied_vol", "underlying_price")


@dataclass(frozen=True, order=True)
class Chain:
    """The contracts of one expiration on one date: what one history request asks for.

    *listed* is the expiration as the terminal spells it: monthlies before February 2015 are listed under
    their Saturday (wire-facts, section 4), while *expiration* is the true date.
    """

    root: str
    expiration: dt.date
    date: dt.date
    listed: dt.date

    def __str__(self) -> str:
        return f"{self.root} {self.expiration} on {self.date}"


@dataclass(frozen=True)
class ListedChain:
    """A chain and the strikes, in dollars and ascending, for which the terminal lists quotes."""

    chain: Chain
    calls: tuple[float, ...]
    puts: tuple[float, ...]

    @property
    def contracts(self) -> int:
        """Number of listed contracts."""
        return len(self.calls) + len(self.puts)


def true_expiration(listed: dt.date) -> dt.date:
    """The last day of a listed expiration: a Saturday stands for the Friday before it."""
    return listed - dt.timedelta(days=1) if listed.weekday() == 5 else listed


def group(
    root: str,
    date: dt.date,
    contracts: Iterable[tuple[str, str, float, str]],
    url: str,
) -> list[ListedChain]:
    """A contract listing, unsorted as it came, as chains in order of expiration.

    Args:
        root: the root that was asked for.
        date: the trading date that was asked for.
        contracts: (root, expiration as an ISO date, strike in dollars, right) of each listed contract.
        url: where the listing came from, for errors.

    Raises:
        ApiResponseInvalidError: a contract of another root, expired, or with an impossible strike or right.
    """
    strikes: dict[dt.date, dict[str, set[float]]] = defaultdict(lambda: {"C": set(), "P": set()})
    for found, expiration, strike, right in contracts:
        listed = _date(expiration)
        impossible = found != root or right not in RIGHTS or strike <= 0
        if impossible or listed is None or true_expiration(listed) < date:
            raise errors.invalid(
                url, f"lists the contract {found} {expiration} {strike} {right}", f"live contracts of {root}"
            )
        strikes[listed][RIGHTS[right]].add(strike)
    return sorted(
        (
            ListedChain(
                Chain(root, true_expiration(listed), date, listed),
                calls=tuple(sorted(rights["C"])),
                puts=tuple(sorted(rights["P"])),
            )
            for listed, rights in strikes.items()
        ),
        key=lambda entry: entry.chain,
    )


def _date(text: str) -> dt.date | None:
    try:
        return dt.datetime.fromisoformat(text.strip()).date()  # with a time of day or without
    except ValueError:
        return None


def midnight_ms(date: dt.date) -> int:
    """Midnight of *date* in New York, in ms since the Unix epoch.

    Clocks change on Sundays at two, so a session's every stamp is this plus its ms since midnight.
    """
    return int(dt.datetime.combine(date, dt.time(), _ZONE).timestamp()) * 1000


def naive_midnight_ms(date: dt.date) -> int:
    """Midnight of *date* read as if it were UTC: the zero of the wire's stamps without zone."""
    return int(dt.datetime.combine(date, dt.time(), dt.UTC).timestamp()) * 1000


def days_later(column: pa.Array, date: dt.date) -> pa.Array:
    """How many ms after *date* each date in a column begins, as if all days were alike."""
    encoded = column.dictionary_encode()
    days = [_days_between(date, number) for number in encoded.dictionary.to_pylist()]
    return pc.take(pa.array([days_ * DAY_MS for days_ in days], pa.int64()), encoded.indices)


def _days_between(date: dt.date, number: int) -> int:
    """The days from *date* to the date that *number* is; a million where it is none."""
    try:
        return (dt.date.fromisoformat(str(number)) - date).days
    except ValueError:
        return _NEVER_DAYS


def sifted(
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
    arrays = [values[name] if name in values else _measure(name, batch[name]) for name in schema.RECORD.names]
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
    found = _date(text)
    return text if found is None else found.isoformat()


def _spelt(column: pa.DictionaryArray, ours: Callable[[str], str | None]) -> pa.DictionaryArray:
    """A column of words in our own spelling; a word that has none becomes the empty one."""
    words = [ours(word) or "" for word in column.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(column.indices, pa.array(words, pa.string()))
