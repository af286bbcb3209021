"""What filling took so far, in the order in which it was done; and what filling so much more will take.

A date's rows are what the nearest dates have (`estimate.Costs`). Its seconds are its rows over the speed of
the last fills, by the clock: a date counts the time in which it was at work that no date before it had, so
dates side by side share the time that all of them took. The speed has its usual hours and weekdays, as far as
enough fills tell them apart from chance. How far off that may be: `intervals`.

Several lakes of one run are one history, for they share the terminal.
"""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median

from spx_data.lake.session_states import Kind
from spx_data.market.sessions import Session
from spx_data.ops.gaps.estimate import NEIGHBOURS, minutes
from spx_data.ops.gaps.intervals import FEWEST, FIRST, MARGIN, RECENT, Interval, of_ratios, quantile
from spx_data.status import Summary, digest

ENOUGH = FEWEST + FIRST  # fills that an interval needs

_PAST = 240  # fills that are gone through again
_STARTS, _LONGEST = 48, 48  # stretches that are looked at; the most dates of one
_DOUBT = 8  # fills at an hour that count as much as that there is nothing about it
# Days of a market are alike for weeks, so a short past shows less of their sizes than of speeds.
_MARGIN_OF_SIZE = 1.6
_OF_SIZES = 12  # stretches that the past must have of sizes: their scatter is not known by fewer
_LEAST_SECONDS = 0.05
_PAUSE = dt.timedelta(hours=1)  # between two fills that are not of one run
_DAY = 1440  # minutes
_LIKE = 45  # minutes by which starts of a habit differ at most
_HABIT, _STARTS_OF_A_HABIT = 3, 10  # starts that make one; the last ones that are looked at


@dataclass(frozen=True)
class Filled:
    """One date that was filled: *rows* are what the run brought of the day's *size*."""

    lake: str
    date: dt.date
    length: float  # of its session, in minutes
    begun: dt.datetime
    ended: dt.datetime
    rows: int
    size: int
    bytes: int  # of its Parquet
    seconds: float  # by the clock, that no other date had before

    @property
    def speed(self) -> float:
        """The logarithm of its rows a second."""
        return math.log(self.rows / self.seconds)


def filled(lakes: Mapping[str, tuple[Sequence[Session], Mapping[dt.date, Summary]]]) -> list[Filled]:
    """The sealed dates of *lakes*, each with its sessions in order and what is known, by when each ended."""
    found = []
    for lake, (trading, known) in lakes.items():
        for session in trading:
            summary = known.get(session.date)
            if summary is None or summary.state.kind is not Kind.SEALED or not summary.facts.rows:
                continue
            if (told := digest.fill_of(summary.facts.work)) is not None:
                found.append((told, lake, session, summary.facts))
    found.sort(key=lambda each: (each[0].ended, each[2].date))
    taken: list[Filled] = []
    covered = _Covered()
    for told, lake, session, facts in found:
        seconds = max(covered.take(told.begun.timestamp(), told.ended.timestamp()), _LEAST_SECONDS)
        numbers = (told.begun, told.ended, told.rows, facts.rows, facts.bytes, seconds)
        taken.append(Filled(lake, session.date, minutes(session), *numbers))
    return taken


class _Covered:
    """Stretches of time that are taken, of those that are told by their ends."""

    def __init__(self) -> None:
        self._stretches: list[tuple[float, float]] = []

    def take(self, begin: float, end: float) -> float:
        """Take from *begin* to *end*; the seconds of it that were free."""
        free, kept = max(0.0, end - begin), (begin, end)
        while self._stretches and self._stretches[-1][1] >= kept[0]:
            first, last = self._stretches.pop()
            free -= max(0.0, min(last, end) - max(first, begin))
            kept = min(first, kept[0]), max(last, kept[1])
        self._stretches.append(kept)
        return free


@dataclass(frozen=True)
class Wanted:
    """A date that is to be filled: the rows that are left of it, as far as anybody can tell."""

    lake: str
    date: dt.date
    rows: int


class Learned:
    """What so many fills tell; *zone* is the one of hours and weekdays, this machine's where none is said."""

    def __init__(self, fills: Sequence[Filled], zone: dt.tzinfo | None = None) -> None:
        self.fills, self._zone = fills, zone

    # What comes ------------------------------------------------------------------------------------------

    def seconds(self, wanted: Sequence[Wanted], at: dt.datetime) -> float | None:
        """The seconds that a run from *at* on takes for all *wanted*; None without a history."""
        if not self.fills or not wanted:
            return None
        speed = self._speed(len(self.fills)) + self.effect(at)
        return sum(each.rows for each in wanted) / math.exp(speed)

    def span(self, wanted: Sequence[Wanted], at: dt.datetime) -> Interval | None:
        """The same as an interval; None where too few fills tell how far off it may be."""
        said = self.seconds(wanted, at)
        if said is None:
            return None
        # What a night has in common does not even out over more dates than were filled in one.
        longest = min(len(wanted), self._sitting)
        off = self._off(len(wanted), longest, MARGIN, _Near.seconds, lambda each: each.seconds)
        return off.times(said) if off else None

    def growth(self, sessions: int) -> Interval | None:
        """The bytes of so many further sessions over what `estimate` says of them."""
        longest = min(sessions, len(self.fills) // _OF_SIZES)
        return self._off(sessions, longest, _MARGIN_OF_SIZE, _Near.bytes, lambda each: float(each.bytes))

    # When ------------------------------------------------------------------------------------------------

    def local(self, moment: dt.datetime) -> dt.datetime:
        """*moment* on the clock that habits go by."""
        return moment.astimezone(self._zone)

    @cached_property
    def _effects(self) -> tuple[dict[int, float], dict[int, float]]:
        """By how much fills at an hour, and on a weekday, are faster than those around them (logarithms)."""
        recent = range(max(FIRST, len(self.fills) - _PAST), len(self.fills))
        offs = [(self.local(self.fills[i].begun), self.fills[i].speed - self._speed(i)) for i in recent]
        by_hour, by_day = defaultdict(list), defaultdict(list)
        for begun, off in offs:
            by_hour[begun.hour].append(off)
        hours = _shrunk(by_hour)
        for begun, off in offs:
            by_day[begun.weekday()].append(off - hours[begun.hour])
        return hours, _shrunk(by_day)

    def effect(self, at: dt.datetime) -> float:
        """By how much a fill from *at* on is faster than the last ones were, as a logarithm.

        The last ones had their own hours: what these are worth is taken off.
        """
        hours, days = self._effects

        def worth(moment: dt.datetime) -> float:
            local = self.local(moment)
            return hours.get(local.hour, 0.0) + days.get(local.weekday(), 0.0)

        recent = self.fills[-RECENT:]
        return worth(at) - (fmean(worth(each.begun) for each in recent) if recent else 0.0)

    @cached_property
    def _starts(self) -> list[int]:
        """The numbers of the fills that come after a pause."""
        pairs = zip(self.fills, self.fills[1:], strict=False)
        later = [number for number, (a, b) in enumerate(pairs, 1) if b.begun - a.ended > _PAUSE]
        return [0, *later] if self.fills else []

    @cached_property
    def _sitting(self) -> int:
        """How many dates are usually filled without a pause, of late."""
        ends = [*self._starts[1:], len(self.fills)]
        sizes = [end - start for start, end in zip(self._starts, ends, strict=True)]
        return int(median(sizes[-_STARTS_OF_A_HABIT:]))

    def usual_start(self, moment: dt.datetime) -> dt.datetime | None:
        """When runs usually begin, the next time after *moment*; None where there is no such habit."""
        starts = [self.local(self.fills[number].begun) for number in self._starts[-_STARTS_OF_A_HABIT:]]
        times = [start.hour * 60 + start.minute for start in starts]
        if not times:
            return None
        # Times of day have no beginning: the habit is the one that the others are nearest to.
        middle = min(times, key=lambda one: sum(abs(_apart(each, one)) for each in times))
        like = [apart for each in times if abs(apart := _apart(each, middle)) <= _LIKE]
        if len(like) < max(_HABIT, 0.6 * len(times)):
            return None
        usual = (middle + round(median(like))) % _DAY
        local = self.local(moment)
        found = local.replace(hour=usual // 60, minute=usual % 60, second=0, microsecond=0)
        return found if found > local else found + dt.timedelta(1)

    def best_start(self, moment: dt.datetime) -> dt.datetime | None:
        """The full hour of the next 24 at which a run is fastest, of those that fills tell enough of."""
        counts: dict[int, int] = defaultdict(int)
        for each in self.fills[-_PAST:]:
            counts[self.local(each.begun).hour] += 1
        begin = self.local(moment).replace(minute=0, second=0, microsecond=0)
        hours = [begin + dt.timedelta(hours=number) for number in range(1, 25)]
        told = [hour for hour in hours if counts[hour.hour] >= FEWEST]
        return max(told, key=self.effect) if len({hour.hour for hour in told}) > 1 else None

    # What was said before --------------------------------------------------------------------------------

    def _speed(self, before: int) -> float:
        """The usual speed by the fills before the one of that number."""
        return median(each.speed for each in self.fills[max(0, before - RECENT) : before])

    def _off(
        self, dates: int, longest: int, margin: float, say: Saying, took: Callable[[Filled], float]
    ) -> Interval | None:
        """What so many *dates* *took* over what one would *say* of them, by stretches up to the *longest*."""
        first = max(FIRST, len(self.fills) - _PAST)
        past = len(self.fills) - first
        length = max(1, min(longest, _LONGEST, past // FEWEST))
        starts = range(len(self.fills) - length, first - 1, -1)
        if not starts or not dates:
            return None
        some = sorted(starts[:: max(1, len(starts) // _STARTS)])
        near, known, ratios = _Near(), 0, list[float]()
        for start in some:
            for each in self.fills[known:start]:
                near.add(each)
            known, stretch, speed = start, self.fills[start : start + length], self._speed(start)
            said = [say(near, each, speed) for each in stretch]
            ratios.append(sum(map(took, stretch)) / sum(said))
        return of_ratios(ratios, past / length, dates / length, margin)


class _Near:
    """The dates that were filled before some moment, each lake's by the calendar."""

    def __init__(self) -> None:
        self._of: dict[str, list[tuple[dt.date, Filled]]] = defaultdict(list)

    def add(self, each: Filled) -> None:
        """Take a date in."""
        insort(self._of[each.lake], (each.date, each), key=lambda pair: pair[0])

    def seconds(self, each: Filled, speed: float) -> float:
        """What would have been said of the seconds of *each*, of which a part may have been brought."""
        some = self._nearest(each)
        size = median(one.size / one.length for one in some) * each.length if some else each.size
        return size * each.rows / each.size / math.exp(speed)

    def bytes(self, each: Filled, _: float) -> float:
        """What would have been said of its bytes."""
        some = self._nearest(each)
        return median(one.bytes / one.length for one in some) * each.length if some else each.bytes

    def _nearest(self, each: Filled) -> list[Filled]:
        known = self._of[each.lake]
        place = bisect_left(known, each.date, key=lambda pair: pair[0])
        around = known[max(0, place - NEIGHBOURS) : place + NEIGHBOURS]
        around.sort(key=lambda pair: abs(pair[0] - each.date))
        return [one for _, one in around[:NEIGHBOURS]]


Saying = Callable[[_Near, Filled, float], float]


def _shrunk(groups: Mapping[int, Sequence[float]]) -> dict[int, float]:
    """The mean of each group, the nearer to nothing the fewer it has."""
    return {key: fmean(group) * len(group) / (len(group) + _DOUBT) for key, group in groups.items()}


def _apart(one: int, other: int) -> int:
    """Minutes from *other* to *one*, times of day, the short way round."""
    return (one - other + _DAY // 2) % _DAY - _DAY // 2


@dataclass(frozen=True)
class Group:
    """Fills of one hour or weekday: how many, and their rows a second as an interval."""

    key: int
    fills: int
    speed: Interval


def by(fills: Iterable[Filled], key: Callable[[Filled], int]) -> list[Group]:
    """The *fills* in groups by their *key*."""
    groups: dict[int, list[float]] = defaultdict(list)
    for each in fills:
        groups[key(each)].append(each.rows / each.seconds)
    return [
        Group(number, len(group), Interval(*(quantile(sorted(group), share) for share in (0.1, 0.5, 0.9))))
        for number, group in sorted(groups.items())
    ]
