"""Until when the disk has room, if the lake grows as it does now.

A session takes s bytes: the median of the newest 20 sealed ones for a minute of trading, times 390. The gaps
take g, the sum of their estimates. So n = (free - g - kept) / s further sessions fit until only *kept* bytes
are free, and a year has 252 of them: that is n · 365.25 / 252 days from today.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from spx_data.lake.session_states import Kind
from spx_data.market.sessions import Session
from spx_data.ops.gaps.estimate import NEIGHBOURS
from spx_data.ops.gaps.finding import Gap, costs_of
from spx_data.status import Summary

_MINUTES = 390  # of a session
_DAYS_A_SESSION = 365.25 / 252
_NEVER_FILLED = frozenset({Kind.NO_DATA, Kind.ACCEPTED, Kind.PENDING})
# Nobody knows a disk that far ahead, and no calendar goes on for ever.
_FARTHEST_DAYS = 36_525


@dataclass(frozen=True)
class Room:
    """The disk of the sealed days, in bytes; *kept* is what shall stay free on it."""

    free: int
    kept: int


@dataclass(frozen=True)
class Forecast:
    """What is still to come, and when there is no room for it; None is never, or not within a century."""

    session: int  # bytes of a usual session
    gaps: int  # sessions to be filled
    gaps_bytes: int
    low_on: dt.date | None  # when no more than what shall stay free is free
    full_on: dt.date | None

    def bytes_after(self, days: float) -> float:
        """What the lake has grown by when so many *days* have gone by, the gaps being filled first."""
        return self.gaps_bytes + self.session * days / _DAYS_A_SESSION


def forecast(
    session: int, gaps: Iterable[Gap], room: Room, today: dt.date, end: dt.date | None = None
) -> Forecast:
    """What becomes of *room* when the *gaps* are filled, and from then on a *session* each trading day.

    After *end*, where there is one, nothing more comes.
    """
    taken = [gap.estimate.bytes for gap in gaps if gap.kind not in _NEVER_FILLED and gap.estimate]
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
