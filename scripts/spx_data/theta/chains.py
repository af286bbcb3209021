"""What is asked of the terminal and what it lists, in our terms; and rows of the wire as our records.

Parse at the edge: roots and dates from the wire become real types here. A listing's rows about another root
or an impossible contract are left out and counted, and a row of a history that breaks a rule
(`spx_data.records`) is set aside, so nothing behind this room looks twice.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
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
    """A chain and the strikes, in dollars and ascending, for which the terminal lists quotes.

    *witness* is who knows of it: the `listing` of the date; the terminal's list of `expirations` or sealed
    `days` beside, neither of which tells strikes; or the `eod` report.
    """

    chain: Chain
    calls: tuple[float, ...]
    puts: tuple[float, ...]
    witness: str = "listing"

    @property
    def contracts(self) -> int:
        """Number of listed contracts."""
        return len(self.calls) + len(self.puts)


@dataclass(frozen=True)
class Listed:
    """What a source lists of a root on a date: chains in order of expiration; and rows left out, by reason.

    The reasons: `foreign-root`, `expiration` (no date), `expired` (before the date), `right`, `strike` (no
    positive number) and `unreadable` (no row at all).
    """

    chains: tuple[ListedChain, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Reported:
    """What the end-of-day report of a root on a date names.

    *quoted* are chains with a bid, an ask, a volume or a count that is not zero, with the contracts that have
    one; *silent* are those with rows of nothing but zeros. Rows *left_out* are counted as in `Listed`.
    """

    quoted: tuple[ListedChain, ...]
    silent: tuple[ListedChain, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


# A contract as rows spell it: root, expiration as an ISO date or YYYYMMDD, strike in dollars, right.
Contract = tuple[str, str, float, str]


def true_expiration(listed: dt.date) -> dt.date:
    """The last day of a listed expiration: a Saturday stands for the Friday before it."""
    return listed - dt.timedelta(days=1) if listed.weekday() == 5 else listed


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

    A contract may have several rows (double builds: wire-facts, section 6): one that is not zero counts.
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
    for found, expiration, strike, right in contracts:
        listed = listed_date(expiration)
        if found != root:
            left_out["foreign-root"] += 1
        elif listed is None:
            left_out["expiration"] += 1
        elif true_expiration(listed) < date:
            left_out["expired"] += 1
        elif (letter := RIGHTS.get(right.upper())) is None:
            left_out["right"] += 1
        elif not 0 < strike < math.inf:
            left_out["strike"] += 1
        else:
            strikes.setdefault(listed, {"C": set(), "P": set()})[letter].add(strike)
    return strikes


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
    found = listed_date(text)
    return text if found is None else found.isoformat()


def _spelt(column: pa.DictionaryArray, ours: Callable[[str], str | None]) -> pa.DictionaryArray:
    """A column of words in our own spelling; a word that has none becomes the empty one."""
    words = [ours(word) or "" for word in column.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(column.indices, pa.array(words, pa.string()))
