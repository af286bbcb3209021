"""How far a lake reaches: its sessions by what became of them, and what of the expected is there."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from spx_data.lake.session_states import Kind
from spx_data.status.quality import Day
from spx_data.status.summary import Summary

S = TypeVar("S")  # a stretch of time


@dataclass(frozen=True)
class Reach:
    """The sessions that could be sealed by now, and how many are."""

    sessions: int
    sealed: int
    first: dt.date | None  # the longest stretch of sealed sessions without a hole
    last: dt.date | None
    unbroken: int  # how many they are


def reach(summaries: Iterable[Summary]) -> Reach:
    """How far the dates reach, oldest first.

    A session that is still to come counts for nothing; one without data, or accepted as it is, ends no
    stretch: there is nothing to fetch.
    """
    asked = [summary for summary in summaries if summary.state.kind is not Kind.PENDING]
    best: list[dt.date] = []
    stretch: list[dt.date] = []  # goes on as the best one where it is that
    for summary in asked:
        if summary.state.kind is Kind.SEALED:
            stretch.append(summary.date)
        elif summary.state.kind not in {Kind.NO_DATA, Kind.ACCEPTED}:
            stretch = []
        if len(stretch) > len(best):
            best = stretch
    sealed = sum(summary.state.kind is Kind.SEALED for summary in asked)
    first, last = (best[0], best[-1]) if best else (None, None)
    return Reach(len(asked), sealed, first, last, len(best))


def states(summaries: Iterable[Summary], of: Callable[[dt.date], S]) -> dict[S, Counter[Kind]]:
    """How many sessions of each kind a stretch of time has, *of* a date being the one in which it lies."""
    found: dict[S, Counter[Kind]] = {}
    for summary in summaries:
        found.setdefault(of(summary.date), Counter())[summary.state.kind] += 1
    return found


@dataclass(frozen=True)
class Balance:
    """What judged days were to have, and what of it came, in stamps of contracts."""

    days: int
    contracts: float  # received on a day, on average
    expected: int
    received: int
    explained: int  # not received, and the source says why
    missing: int

    def percent(self, count: int) -> float:
        """What *count* is of a hundred expected ones."""
        return 100 * count / self.expected if self.expected else 0.0


def balances(days: Iterable[Day], of: Callable[[dt.date], S]) -> dict[S, Balance]:
    """The balance of each stretch of time; without days of which nobody knows what was expected."""
    found: dict[S, list[Day]] = {}
    for day in days:
        if day.stamps_expected:
            found.setdefault(of(day.date), []).append(day)
    return {stretch: _balance(members) for stretch, members in found.items()}


def _balance(days: Sequence[Day]) -> Balance:
    return Balance(
        days=len(days),
        contracts=sum(day.contracts_received or 0 for day in days) / len(days),
        expected=sum(day.stamps_expected or 0 for day in days),
        received=sum(day.stamps_received or 0 for day in days),
        explained=sum(day.stamps_explained or 0 for day in days),
        missing=sum(day.stamps_missing or 0 for day in days),
    )
