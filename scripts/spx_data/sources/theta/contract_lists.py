"""Listings, lists of expirations and reports of the day, as chains.

Parse at the edge: roots and dates from the wire become real types here. A listing's rows about another root
or an impossible contract are left out and counted, so nothing behind this room looks twice.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable

from spx_data.market.chains import Chain, Contract, Listed, ListedChain, Reported, true_expiration
from spx_data.market.records import RIGHTS
from spx_data.sources.theta import errors
from spx_data.sources.theta.spelling import MOMENT


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
