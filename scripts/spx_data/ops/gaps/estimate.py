"""What a missing date will take, judged by the sealed dates nearest to it.

Medians of up to twenty of them, by calendar distance, each for a minute of trading: so a half day counts as
the half it is, among the neighbours and among what is missing.
"""

from __future__ import annotations

import datetime as dt
import functools
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from spx_data.market.sessions import Session
    from spx_data.status import Facts

NEIGHBOURS = 20


@dataclass(frozen=True)
class Estimate:
    """What one date is going to take."""

    rows: int
    bytes: int  # of its Parquet
    temp_bytes: int  # of the checkpoints that are still to be staged
    seconds: float | None  # of work that is still to be done; None where nothing tells
    guessed: str = ""  # on what it rests where no day is sealed, in words (`guess`)
    at_least: bool = False  # there is more to it than was counted


class Estimates(Protocol):
    """What can tell how much a date takes."""

    def estimate(self, session: Session, chains: int = 0, staged_bytes: int = 0) -> Estimate | None:
        """What *session* will take, so many *chains* and bytes being staged; None where nothing tells."""


@dataclass(frozen=True)
class Cost:
    """What one sealed date took, *minutes* being the length of its session."""

    date: dt.date
    minutes: float
    rows: int
    bytes: int
    staged_bytes: int
    chains: int
    seconds: float | None  # None where its journal is lost

    @classmethod
    def of(cls, session: Session, facts: Facts) -> Cost | None:
        """The cost of a sealed *session*; None where its passport is lost."""
        if not facts.rows or not facts.bytes:
            return None
        return cls(
            date=session.date,
            minutes=minutes(session),
            rows=facts.rows,
            bytes=facts.bytes,
            staged_bytes=facts.staged_bytes,
            chains=facts.chains,
            seconds=None if facts.duration_ms is None else facts.duration_ms / 1000,
        )


def minutes(session: Session) -> float:
    """The length of a session: 390, or 210 on a half day."""
    return (session.closes - session.opens).total_seconds() / 60


@dataclass(frozen=True)
class _Usual:
    """Medians: of the chains of a date, and of the rest for each minute."""

    rows: float
    bytes: float
    staged_bytes: float
    seconds: float | None
    chains: float


class Costs:
    """The costs of a lake's sealed dates."""

    def __init__(self, costs: Iterable[Cost]) -> None:
        self._costs = sorted(costs, key=lambda cost: cost.date)
        self._dates = [cost.date for cost in self._costs]
        # Dates next to each other mostly have the same neighbours.
        self._usual = functools.cache(self._medians)

    def estimate(self, session: Session, chains: int = 0, staged_bytes: int = 0) -> Estimate | None:
        """What *session* will take, with these *chains* and bytes staged already; None without a history."""
        if not self._costs:
            return None
        usual, length = self._usual(self._nearest(session.date)), minutes(session)
        left = max(0.0, 1 - chains / usual.chains) if usual.chains else 1.0
        return Estimate(
            rows=round(usual.rows * length),
            bytes=round(usual.bytes * length),
            temp_bytes=max(0, round(usual.staged_bytes * length) - staged_bytes),
            seconds=None if usual.seconds is None else round(usual.seconds * length * left, 3),
        )

    def _nearest(self, date: dt.date) -> int:
        """Where the nearest dates begin; of two equally near ones the older counts."""
        begin = end = bisect_left(self._dates, date)
        while end - begin < min(NEIGHBOURS, len(self._dates)):
            if end == len(self._dates) or (
                begin > 0 and date - self._dates[begin - 1] <= self._dates[end] - date
            ):
                begin -= 1
            else:
                end += 1
        return begin

    def _medians(self, begin: int) -> _Usual:
        near: Sequence[Cost] = self._costs[begin : begin + NEIGHBOURS]
        timed = [cost.seconds / cost.minutes for cost in near if cost.seconds is not None]
        return _Usual(
            rows=median(cost.rows / cost.minutes for cost in near),
            bytes=median(cost.bytes / cost.minutes for cost in near),
            staged_bytes=median(cost.staged_bytes / cost.minutes for cost in near),
            seconds=median(timed) if timed else None,
            chains=median(cost.chains for cost in near),
        )
