"""When to run and what that takes, for the lakes of one config together; and until when their disk has room.

All of it is worked out from what filling took so far (`gaps.learned`); what too little was seen to tell is
said to be unknown, and nothing is made up in its place.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from spx_data import status
from spx_data.lake import session_states
from spx_data.lake.session_states import Kind
from spx_data.market import sessions
from spx_data.ops import gaps
from spx_data.ops.gaps.estimate import Forecast, Room, forecast, usual_session
from spx_data.ops.gaps.finding import Gap, sessions_known
from spx_data.ops.gaps.intervals import Interval
from spx_data.ops.gaps.learned import Group, Learned, by
from spx_data.settings import Settings
from spx_data.sources import pacing, slots
from spx_data.sources.pace import Pace
from spx_data.status import Facts, Summary, digest
from spx_data.store import reads

_YEAR = 252  # sessions that a year's growth is judged by
_GAIN = math.log(1.1)  # by which another hour must be faster to be worth waiting for


@dataclass(frozen=True)
class Start:
    """One moment to begin at, and what the run that begins there is to fill."""

    at: dt.datetime
    why: str
    backlog: Mapping[str, Sequence[Gap]]  # by lake
    seconds: float | None  # None where nothing tells
    span: Interval | None  # None where too few fills tell how far off that may be

    @property
    def dates(self) -> int:
        """How many there are to fill."""
        return sum(map(len, self.backlog.values()))

    def total(self, name: str) -> int | None:
        """The sum of what the estimates have under *name*; None where one of them is unknown."""
        estimates = [gap.estimate for some in self.backlog.values() for gap in some]
        if not all(estimates):
            return None
        return sum(int(getattr(each, name)) for each in estimates)


@dataclass(frozen=True)
class LastDay:
    """A disk of sealed days: when it is full at this pace, at the earliest and at the latest of four in five.

    The latter two are None where too few fills tell, and all are where there is room for a century.
    """

    folder: Path
    free: int
    session: int  # bytes of a usual session, of all lakes on it
    full_on: dt.date | None
    earliest: dt.date | None
    latest: dt.date | None
    told: bool  # whether there is an interval


@dataclass(frozen=True)
class Met:
    """One terminal: how many requests may be in flight, and what was met there."""

    base_url: str
    limit: int
    pace: Pace


class Outlook:
    """What is known at *moment* of *lakes*, by their symbols."""

    def __init__(self, lakes: Mapping[str, Settings], moment: dt.datetime, zone: dt.tzinfo | None = None):
        self._lakes, self.moment = lakes, moment
        self.known: Mapping[str, Sequence[Summary]] = {
            lake: status.summaries(settings, moment) for lake, settings in lakes.items()
        }
        found = gaps.learn(lakes, self.known, moment)
        self.learned = Learned(found.fills, zone)

    # When to run -----------------------------------------------------------------------------------------

    def starts(self, at: dt.datetime | None = None) -> list[Start]:
        """Now, when runs usually begin, and the fastest hour, if that is worth the wait; or *at* alone."""
        if at is not None:
            return [self.start(at, "as asked")]
        found = [self.start(self.moment, "now")]
        if usual := self.learned.usual_start(self.moment):
            found.append(self.start(usual, "when runs usually begin"))
        best = self.learned.best_start(self.moment)
        if best and self.learned.effect(best) > max(map(self.learned.effect, (s.at for s in found))) + _GAIN:
            found.append(self.start(best, "the fastest hour so far"))
        return sorted(found, key=lambda each: each.at)

    def start(self, at: dt.datetime, why: str) -> Start:
        """What a run that begins *at* is to fill, should nothing be filled before."""
        backlog = {lake: self._due(lake, settings, at) for lake, settings in self._lakes.items()}
        span = gaps.span_of(self.learned, backlog, at)
        return Start(at, why, backlog, span.p50 if span else self._seconds(backlog), span)

    def _due(self, lake: str, settings: Settings, at: dt.datetime) -> list[Gap]:
        known = {summary.date: summary for summary in self.known[lake]}
        if at > self.moment:
            for session in sessions_known(settings, at, sessions.today(self.moment), known):
                before = known.get(session.date)
                if before is None or before.state.kind is Kind.PENDING:
                    state = session_states.current_state(settings, session.date, session, at)
                    known[session.date] = Summary(session.date, state, before.facts if before else Facts())
        found = gaps.find(settings, at, summaries=[known[date] for date in sorted(known)])
        return [gap for gap in found if gap.due]

    def _seconds(self, backlog: Mapping[str, Sequence[Gap]]) -> float | None:
        """The point alone, where there is no interval: lakes of one run share the terminal, one by one."""
        plans = [
            gaps.plan(self._lakes[lake], self.moment, None, 4, found=some).seconds
            for lake, some in backlog.items()
            if some
        ]
        told = [seconds for seconds in plans if seconds is not None]
        return sum(told) if plans and len(told) == len(plans) else None

    # Room ------------------------------------------------------------------------------------------------

    def last_days(self) -> list[LastDay]:
        """The disks of the sealed days, each once; without those on which nothing is sealed yet."""
        disks: dict[int, list[str]] = {}
        for lake, settings in self._lakes.items():
            disks.setdefault(reads.device(settings.layout.output), []).append(lake)
        return [found for some in disks.values() if (found := self._last_day(some))]

    def _last_day(self, lakes: Sequence[str]) -> LastDay | None:
        usual, coming, ends = 0, list[int](), list[dt.date | None]()
        for lake in lakes:
            settings, known = self._lakes[lake], {each.date: each for each in self.known[lake]}
            trading = sessions_known(settings, self.moment, settings.start_date, known)
            usual += usual_session(trading, known) or 0
            found = gaps.find(settings, self.moment, summaries=self.known[lake])
            coming += [size for gap in found if (size := gap.bytes_to_come) is not None]
            ends.append(settings.end_date)
        if not usual:
            return None
        folder = self._lakes[lakes[0]].layout.output
        room, today = Room(reads.free_bytes(folder), 0), sessions.today(self.moment)
        end = None if None in ends else max(filter(None, ends))

        def full(factor: float) -> Forecast:
            sizes = [round(size * factor) for size in coming]
            return forecast(max(1, round(usual * factor)), sizes, room, today, end)

        off = self.learned.growth(_YEAR)
        told = [full(factor).full_on for factor in ((1.0, off.p90, off.p10) if off else (1.0,))]
        early, late = told[1:] or (None, None)
        return LastDay(folder, room.free, usual, told[0], early, late, off is not None)

    # What it rests on ------------------------------------------------------------------------------------

    def by_hour(self) -> list[Group]:
        """The speed of fills by the hour at which they began."""
        return by(self.learned.fills, lambda each: self.learned.local(each.begun).hour)

    def by_weekday(self) -> list[Group]:
        """The speed of fills by the weekday on which they began, from 0 for Monday."""
        return by(self.learned.fills, lambda each: self.learned.local(each.begun).weekday())

    @cached_property
    def sizes(self) -> Mapping[str, Mapping[int, list[float]]]:
        """By lake: chains by their size, as `digest.added` has them."""
        return self._added("sizes")

    @cached_property
    def flight(self) -> Mapping[str, Mapping[int, list[float]]]:
        """By lake: requests by how many were in flight, as `digest.added` has them."""
        return self._added("flight")

    def _added(self, name: str) -> Mapping[str, Mapping[int, list[float]]]:
        return {
            lake: digest.added([each.facts.work for each in some], name) for lake, some in self.known.items()
        }

    def met(self) -> list[Met]:
        """What is known of each terminal that the lakes name and that was met."""
        found: dict[Path, Met] = {}
        for settings in self._lakes.values():
            if (base_url := settings.terminal.base_url) is None:
                continue
            place = slots.of_terminal(base_url, settings.layout.slots)
            limit = settings.terminal.max_concurrent_requests
            if place.folder in found:
                limit = min(limit, found[place.folder].limit)
            found[place.folder] = Met(base_url, limit, pacing.known(place))
        return [each for each in found.values() if each.pace != Pace()]
