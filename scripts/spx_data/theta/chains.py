"""What is asked of the terminal and what it lists, in our terms; and rows of the wire as our records.

Parse at the edge: roots and dates from the wire become real types here, and an answer about another
contract, another date or an impossible right is refused, so nothing behind this room looks twice.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from spx_data import schema
from spx_data.theta import errors

_DAY_MS = 86_400_000
_ZONE = ZoneInfo(schema.ZONE)
_RIGHTS = {"C": "C", "P": "P", "CALL": "C", "PUT": "P"}


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
        impossible = found != root or right not in _RIGHTS or strike <= 0
        if impossible or listed is None or true_expiration(listed) < date:
            raise errors.invalid(
                url, f"lists the contract {found} {expiration} {strike} {right}", f"live contracts of {root}"
            )
        strikes[listed][_RIGHTS[right]].add(strike)
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
        return dt.date.fromisoformat(text)
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


def records(batch: pa.RecordBatch, columns: dict[str, pa.Array], chain: Chain, url: str) -> pa.RecordBatch:
    """Rows of the wire as `schema.RECORD`, after the checks that no row may fail.

    Args:
        batch: rows with the wire's measures under their common names.
        columns: root and expiration (words as `Chain` spells them), strike (dollars), right,
            ms_of_day and underlying_ms_of_day (int64 ms since midnight in New York).
        chain: what was asked for.
        url: where the rows came from, for errors.

    Raises:
        ApiResponseInvalidError: a row of another contract or another date.
    """
    _only(columns["root"], chain.root, "root", url)
    _only(columns["expiration"], chain.listed.isoformat(), "expiration", url)
    bounds = pc.min_max(columns["ms_of_day"])
    if bounds["min"].as_py() < 0 or bounds["max"].as_py() > _DAY_MS:
        raise errors.invalid(url, "holds stamps of another date", f"stamps of {chain.date}")
    if pc.min(columns["strike"]).as_py() <= 0:
        raise errors.invalid(url, "holds a strike of zero or less", "strikes above zero")
    midnight = pa.scalar(midnight_ms(chain.date), pa.int64())
    values = {
        "strike": columns["strike"],
        "right": _letters(columns["right"], url),
        "timestamp": pc.add(columns["ms_of_day"], midnight),
        "underlying_timestamp": pc.add(columns["underlying_ms_of_day"], midnight),
    }
    arrays = [values[name] if name in values else batch[name] for name in schema.RECORD.names]
    return pa.RecordBatch.from_arrays(arrays, schema=schema.RECORD)


def check_contract(batch: pa.RecordBatch, right: str, strike: float, url: str) -> None:
    """Raise ApiResponseInvalidError if *batch* (`schema.RECORD`) has rows of any other contract."""
    found = [*pc.unique(batch["right"]).to_pylist(), *pc.unique(batch["strike"]).to_pylist()]
    if found != [right, strike]:
        raise errors.invalid(url, f"holds rows of {found[:4]}", f"only {right} {strike:g}")


def _only(column: pa.Array, expected: str, what: str, url: str) -> None:
    found = pc.unique(column).to_pylist()
    if found != [expected]:
        other = next(value for value in found if value != expected)
        raise errors.invalid(url, f"holds rows of {what} {other}", f"only {what} {expected}")


def _letters(column: pa.Array, url: str) -> pa.Array:
    """The column of rights as C and P."""
    words = column.dictionary.to_pylist()
    if unknown := [word for word in words if word not in _RIGHTS]:
        raise errors.invalid(url, f"holds the right {unknown[0]!r}", "call or put")
    return pc.take(pa.array([_RIGHTS[word] for word in words], pa.string()), column.indices)
