"""What a missing date will take, judged by the sealed dates nearest to it; and until when the disk has room.

Medians of up to twenty of them, by calendar distance, each for a minute of trading: so a half day counts as
the half it is, among the neighbours and among what is missing. Where no day is sealed yet, the profile of the
terminal that a probe left tells: rows are the contracts that one ordinary day lists, times the stamps of the
window; bytes and our own seconds are what each row of a date of real size was measured to take
(benchmarks/RESULTS.md, decision 4). All days count as that one, though the older a day, the fewer contracts.
"""

from __future__ import annotations

import datetime as dt
import functools
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from spx_data.lake.session_states import Kind
from spx_data.market.sessions import Session
from spx_data.settings import Settings
from spx_data.sources import profile
from spx_data.status import Facts, Summary

NEIGHBOURS = 20
# Each row of 20 dates of 8.4 million rows: 18.7 bytes of Parquet, 68 of checkpoints at most, and, where the
# terminal keeps nobody waiting, 332.7 s / 168 million on two cores.
_PARQUET_BYTES, _STAGED_BYTES, _OWN_SECONDS = 18.7, 68.0, 2e-6
_MINUTES = 390  # of a session
_DAYS_A_SESSION = 365.25 / 252
# Nobody knows a disk that far ahead, and no calendar goes on for ever.
_FARTHEST_DAYS = 36_525


@dataclass(frozen=True)
class Estimate:
    """What one date is going to take."""

    rows: int
    bytes: int  # of its Parquet
    temp_bytes: int  # of the checkpoints that are still to be staged
    seconds: float | None  # of work that is still to be done; None where nothing tells
    guessed: str = ""  # on what it rests where no day is sealed, in words (`guess`)
    at_least: bool = False  # there is more to it than was counted
    left: float = 1.0  # the share of it that is not staged yet


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


def costs_of(trading: Sequence[Session], known: Mapping[dt.date, Summary]) -> list[Cost]:
    """What the sealed dates among *trading* took, by what is *known* of them."""
    sealed = (
        Cost.of(session, summary.facts)
        for session in trading
        if (summary := known.get(session.date)) and summary.state.kind is Kind.SEALED
    )
    return [cost for cost in sealed if cost]


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
            left=left,
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


@dataclass(frozen=True)
class Guess:
    """What one listing and the terminal's speed tell."""

    settings: Settings
    listed_on: dt.date
    chains: int
    contracts: int
    complete: bool  # every root of the lake was asked for
    rows_per_second: float | None  # with as many requests in flight as the terminal serves at once

    @classmethod
    def of(cls, settings: Settings) -> Guess | None:
        """What the lake's profile tells; None where it has no listing of the lake's roots.

        Nothing either where `processing.max_dte` leaves expirations out: a total does not say which.
        """
        found = profile.known(settings.layout.profile)
        if found is None or found.volume is None or settings.max_dte is not None:
            return None
        volume = found.volume
        roots = [root for root in settings.roots if volume.contracts.get(root) and volume.chains.get(root)]
        if not roots:
            return None
        limit = settings.terminal.max_concurrent_requests
        in_flight = min(limit, found.most_at_once or limit)
        speed = found.speed.rows_per_second
        return cls(
            settings,
            volume.date,
            sum(volume.chains[root] for root in roots),
            sum(volume.contracts[root] for root in roots),
            complete=set(settings.roots) <= volume.contracts.keys(),
            rows_per_second=speed * in_flight if speed else None,
        )

    def estimate(self, session: Session, chains: int = 0, staged_bytes: int = 0) -> Estimate:
        """What *session* will take, alone at the terminal, with these *chains* and bytes staged already."""
        rows = self.contracts * self._stamps(session)
        left = max(0.0, 1 - chains / self.chains)
        seconds = None
        if self.rows_per_second:
            seconds = round(left * rows * max(1 / self.rows_per_second, _OWN_SECONDS), 3)
        return Estimate(
            rows=rows,
            bytes=round(rows * _PARQUET_BYTES),
            temp_bytes=max(0, round(rows * _STAGED_BYTES) - staged_bytes),
            seconds=seconds,
            guessed=f"from the listing of {self.listed_on} that a probe saw, as no day is sealed yet",
            at_least=not self.complete,
            left=left,
        )

    def _stamps(self, session: Session) -> int:
        """Stamps of the window while the session is open."""
        window = self.settings.window
        begin = max(window.start_ms, _ms(session.opens))
        end = min(window.end_ms, _ms(session.closes))
        return max(0, (end - begin) // window.step_ms + 1)


def _ms(moment: dt.datetime) -> int:
    """Milliseconds since midnight in New York, where sessions have their hours."""
    return (moment.hour * 3600 + moment.minute * 60 + moment.second) * 1000


@dataclass(frozen=True)
class Room:
    """The disk of the sealed days, in bytes; *kept* is what shall stay free on it."""

    free: int
    kept: int


@dataclass(frozen=True)
class Forecast:
    """What is still to come, and when there is no room for it; None is never, or not within a century.

    A session takes s bytes: the median of the newest 20 sealed ones for a minute of trading, times 390. The
    gaps take g, the sum of their estimates. So n = (free - g - kept) / s further sessions fit until only
    *kept* bytes are free, and a year has 252 of them: that is n · 365.25 / 252 days from today.
    """

    session: int  # bytes of a usual session
    gaps: int  # sessions to be filled
    gaps_bytes: int
    low_on: dt.date | None  # when no more than what shall stay free is free
    full_on: dt.date | None

    def bytes_after(self, days: float) -> float:
        """What the lake has grown by when so many *days* have gone by, the gaps being filled first."""
        return self.gaps_bytes + self.session * days / _DAYS_A_SESSION


def forecast(
    session: int, gaps: Iterable[int | None], room: Room, today: dt.date, end: dt.date | None = None
) -> Forecast:
    """What becomes of *room* when *gaps* of so many bytes are filled, then a *session* each trading day.

    After *end*, where there is one, nothing more comes.
    """
    taken = [size for size in gaps if size is not None]
    left = room.free - sum(taken)
    return Forecast(
        session=session,
        gaps=len(taken),
        gaps_bytes=sum(taken),
        low_on=_until(left - room.kept, session, today, end),
        full_on=_until(left, session, today, end),
    )


def _until(spare: float, session: int, today: dt.date, end: dt.date | None) -> dt.date | None:
    """The day on which *spare* bytes are used up."""
    if spare <= 0:
        return today
    days = spare / session * _DAYS_A_SESSION
    if days > _FARTHEST_DAYS:
        return None
    day = today + dt.timedelta(int(days))
    return day if end is None or day <= end else None


def usual_session(trading: Sequence[Session], known: Mapping[dt.date, Summary]) -> int | None:
    """The bytes of a usual session, by the newest sealed ones among *trading*; None where there are none."""
    newest = costs_of(trading, known)[-NEIGHBOURS:]
    return round(median(cost.bytes / cost.minutes for cost in newest) * _MINUTES) if newest else None
