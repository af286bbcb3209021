"""The time to expiration, read from the rows: nobody has to say how a source counts it.

Without dividends epsilon is -S T delta, so that T = -epsilon / (S delta); vega and delta tell it too, and
epsilon, rho and the price: whichever single greek is wrong, one of the three does without it. What the rows
of a chain tell, stamp by stamp, is put into words as a way of counting: so many days, or what is left until
some time of day, in years of 365 or 365.25 days. Any such way will do. It is the business of the source, and
makes no value wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spx_data.pricing import normal
from spx_data.quality.checks import Floats
from spx_data.quality.vendor_model import DAY_MS, PRINTED, Rows, solver_error

_MOST = 480  # records of a chain that are read
_TELLING = 0.01  # a T that the printed decimals leave less certain than this is not told
_MINUTE_MS, _HOUR_MS = 60_000.0, 3_600_000.0
_FLOORS = (_HOUR_MS, _MINUTE_MS, 0.0)
_AGREE = 0.9  # of the stamps of a chain
_CHANCE = 0.05  # of a step: an error that makes it unlikely to be near a full one by chance
_FEWEST = 3  # chains that can outvote one
_MAJORITY = 2 / 3
# A count of days or a time of settlement moves T by at most a day, business days by more in years.
_FAR_DAYS, _FAR_SHARE = 1.0, 0.05
_CLOSE = 16 * 60  # minutes

UNNAMED = "unnamed"


class Way(NamedTuple):
    """A way of counting but for its offset."""

    running: bool  # time that is left, or days that stay the same all day
    local: bool = False  # by the clocks on the wall, across a change of clocks
    year: float = 365.0  # days


WAYS = (
    Way(running=False),
    Way(running=True),
    Way(running=True, local=True),
    Way(running=False, year=365.25),
    Way(running=True, year=365.25),
    Way(running=True, local=True, year=365.25),
)


@dataclass(frozen=True)
class Counting:
    """One way of counting the time to expiration."""

    way: Way
    offset_ms: float = 0.0  # beyond whole days, or beyond 16:00 of the expiration date
    floor_ms: float = _HOUR_MS  # the least that can be left
    error_ms: float = 0.0  # of the offset; 0 where it was recognized

    def years(self, rows: Rows) -> Floats:
        """T of each record."""
        counted = _counted(self.way, rows.days, rows.left, rows.shift) + self.offset_ms
        if self.way.running:
            counted = np.maximum(counted, self.floor_ms)
        return np.asarray(counted / (DAY_MS * self.way.year))

    def errors(self, rows: Rows) -> Floats:
        """How far off T can be, in years."""
        return np.full(len(rows), self.error_ms / (DAY_MS * self.way.year))

    def name(self, *, last_day: bool) -> str:
        """The way in words: like `time-left to 09:30`."""
        if self.error_ms:
            return UNNAMED
        year = "" if self.way.year == 365.0 else f" of years of {self.way.year:g} days"
        if not self.way.running:
            days = self.offset_ms / DAY_MS
            if last_day:
                return ("fixed" if days == 0.15 else f"{days:.4g} days") + year
            return f"whole-days{f' {days:+.4g}' if days else ''}{year}"
        at = _CLOSE + self.offset_ms / _MINUTE_MS
        until = f" to {int(at // 60):02}:{int(at % 60):02}" if self.offset_ms else ""
        local = " by the local clock" if self.way.local else ""
        least = {_HOUR_MS: "", _MINUTE_MS: ", a minute at least", 0.0: ", to the last"}[self.floor_ms]
        return f"time-left{until}{local}{year}{least}"


WHOLE_DAYS = Counting(WAYS[0])
FIXED = Counting(WAYS[0], 0.15 * DAY_MS)
TIME_LEFT = Counting(WAYS[1])
# What docs/wire.md (3) and the sessions tell of: they are recognized by those who cannot tell a minute.
_KNOWN = {
    False: (0.0, FIXED.offset_ms),
    True: tuple(
        (60 * hour + minute - _CLOSE) * _MINUTE_MS for hour, minute in ((16, 0), (16, 15), (13, 0), (9, 30))
    ),
}


@dataclass(frozen=True, eq=False)
class Reading:
    """What one witness tells of a chain: T in ms of years of 365 days, stamp by stamp, and its error."""

    days: Floats
    left: Floats
    shift: Floats
    told: Floats
    error: Floats

    def years(self, rows: Rows) -> Floats:
        """T of each record, between the stamps that were read."""
        return np.asarray(np.interp(rows.left, self.left, self.told) / (DAY_MS * 365.0))

    def errors(self, rows: Rows) -> Floats:
        """How far off T can be, in years."""
        return np.asarray(np.interp(rows.left, self.left, self.error) / (DAY_MS * 365.0))

    def name(self, *, last_day: bool) -> str:  # noqa: ARG002 - as `Counting` says it
        """Nobody counts like that."""
        return UNNAMED

    def offset(self, way: Way, loose_ms: float = 0.0) -> tuple[float, float] | None:
        """The offset and its error by which *way* leads to most of what is told; None where none does."""
        told, error = self.told * (way.year / 365.0), self.error
        offsets = told - _counted(way, self.days, self.left, self.shift)
        free = np.ones(len(told), dtype=np.bool_)
        if way.running:  # at the least that can be left, time stands still
            free = np.min([np.abs(told - floor) > 2 * error for floor in _FLOORS[:-1]], axis=0)
        if not free.any():
            return None
        centre = _weighted_median(offsets[free], error[free] ** -2.0)
        own = float(error[free].min())
        near = np.abs(offsets - centre) <= 1.5 * error + own + loose_ms
        return (centre, own) if np.mean(near | ~free) >= _AGREE else None

    @property
    def possible(self) -> bool:
        """Whether T is above zero, near the days there are, and changes like time does."""
        far = (
            np.abs(self.told - self.days * DAY_MS)
            > (_FAR_DAYS + _FAR_SHARE * self.days) * DAY_MS + self.error
        )
        if np.mean((self.told <= 0) | far) > 1 - _AGREE:
            return False
        return any(self.offset(way, 0.5 * _HOUR_MS) is not None for way in WAYS[:2])


class Clock(NamedTuple):
    """How a chain counts: what gives T, and whether that makes sense."""

    gives: Counting | Reading
    sense: bool = True


def clocks(chains: Sequence[Rows], kinds: Sequence[object]) -> list[list[Clock]]:
    """How each chain may count, the likeliest first; chains of one of the *kinds* are expected to agree."""
    found: list[list[Clock]] = [[] for _ in chains]
    few = [rows.some(_MOST) for rows in chains]
    for witness in (_by_epsilon, _by_vega, _by_rho):
        readings = [_pooled(rows, *witness(rows)) for rows in few]
        for kind in dict.fromkeys(kinds):
            members = [at for at, own in enumerate(kinds) if own == kind and readings[at] is not None]
            together = [reading for at in members if (reading := readings[at]) is not None]
            for at, clock in zip(members, _of_kind(together), strict=True):
                _add(found[at], clock)
    for each, rows in zip(found, chains, strict=True):
        for usual in (FIXED if len(rows) and not rows.days.any() else WHOLE_DAYS, TIME_LEFT):
            _add(each, Clock(usual))
    return found


def _add(clocks: list[Clock], more: Clock) -> None:
    if all(clock.gives != more.gives for clock in clocks):
        clocks.append(more)


# Witnesses ----------------------------------------------------------------------------------------------


def _by_epsilon(rows: Rows) -> tuple[Floats, Floats]:
    """T = -epsilon / (S delta) in years, and its error by what is cut off."""
    epsilon, delta = rows.untruncated("epsilon"), rows.untruncated("delta")
    years = -epsilon / (rows.spot * delta)
    off = np.where(rows.greek("delta") != 0.0, 0.5 * PRINTED / np.abs(delta), np.inf)
    return years, np.abs(years) * (off + 0.5 * PRINTED / np.abs(epsilon))


def _by_vega(rows: Rows) -> tuple[Floats, Floats]:
    """The same by vega = S n(d1) sqrt T, with d1 from delta."""
    vega, d1 = rows.untruncated("vega"), normal.d1_of(rows.untruncated("delta"), rows.call)
    density = normal.density_at(d1)
    years = np.square(vega / (rows.spot * density))
    return years, years * PRINTED * (1.0 / np.abs(vega) + np.abs(d1) / density)


def _by_rho(rows: Rows) -> tuple[Floats, Floats]:
    """The same by price = S delta - rho / T and epsilon = -S T delta."""
    both = rows.untruncated("epsilon") + rows.untruncated("rho")
    price = rows.mid * (1.0 + rows.iv_error)
    years = -both / price
    off = (0.5 * PRINTED * rows.mid + solver_error(rows.mid)) / price
    return years, np.abs(years) * (PRINTED / np.abs(both) + off)


def _pooled(rows: Rows, years: Floats, error: Floats) -> Reading | None:
    """All records of one stamp have one T: the median of what they tell, weighted by precision."""
    telling = np.isfinite(years) & (error > 0) & (error < _TELLING * np.abs(years))
    if not telling.any():
        return None
    order = np.lexsort((years[telling], rows.left[telling]))
    at = np.flatnonzero(telling)[order]
    left, begin = np.unique(rows.left[at], return_index=True)
    weight = np.cumsum(error[at] ** -2.0)
    before = np.append(0.0, weight)[begin]
    total = np.append(before[1:], weight[-1]) - before
    last = np.append(begin[1:], len(at)) - 1
    middle = at[np.minimum(np.searchsorted(weight, before + 0.5 * total), last)]
    unit = DAY_MS * 365.0
    return Reading(rows.days[middle], left, rows.shift[middle], years[middle] * unit, error[middle] * unit)


# Ways of counting ---------------------------------------------------------------------------------------


def _of_kind(readings: Sequence[Reading]) -> Iterator[Clock]:
    """The clock of each chain of one kind: the one that most of them go by, or its own.

    What only one of them goes by is its own: it may be wrong, and says nothing of the others.
    """
    if not readings:
        return
    common, agree = max((_common(readings, way) for way in WAYS), key=_agreement)
    many = agree.sum() >= _FEWEST and agree.mean() >= _MAJORITY
    for reading, agrees in zip(readings, agree, strict=True):
        if agrees and common is not None and agree.sum() > 1:
            yield Clock(common, reading.possible and (bool(many) or not _another_day(common, reading)))
            continue
        own = max((_own(reading, way) for way in WAYS), key=_known)
        odd = many or (own is not None and _another_day(own, reading))
        yield Clock(own or reading, reading.possible and not odd)


def _agreement(common: tuple[Counting | None, np.ndarray]) -> tuple[int, int]:
    """How many chains agree, and how well what they agree on is known: of equals that one is meant."""
    return int(common[1].sum()), _known(common[0])


def _known(counting: Counting | None) -> int:
    """How well a way of counting is known: a usual one, one that has a name, any other, none."""
    if counting is None:
        return 0
    return 1 + (counting.error_ms == 0) + (counting.offset_ms in _KNOWN[counting.way.running])


def _common(readings: Sequence[Reading], way: Way) -> tuple[Counting | None, np.ndarray]:
    """The offset by which *way* leads to what most chains tell, and which chains they are."""
    offsets = [reading.offset(way) for reading in readings]
    value, error = np.array([found or (np.nan, np.nan) for found in offsets]).T
    best: tuple[Counting | None, np.ndarray] = None, np.zeros(len(readings), dtype=np.bool_)
    for at in np.argsort(error):
        if np.isfinite(value[at]):
            offset, off = _recognized(way, float(value[at]), float(error[at]))
            agree = np.abs(value - offset) <= error + off
            if agree.sum() > best[1].sum():
                best = Counting(way, offset, _floor(readings, way, offset), off), agree
    return best


def _own(reading: Reading, way: Way) -> Counting | None:
    counting, agree = _common([reading], way)
    return counting if agree.all() else None


def _recognized(way: Way, offset: float, error: float) -> tuple[float, float]:
    """The offset that is meant by one that was read, and what is left of its error."""
    for known in _KNOWN[way.running]:
        if abs(offset - known) <= error:
            return known, 0.0
    for step in (_MINUTE_MS, 15 * _MINUTE_MS):
        full = round(offset / step) * step
        if abs(offset - full) <= error < _CHANCE * step:
            return full, 0.0
    return offset, error


def _floor(readings: Sequence[Reading], way: Way, offset: float) -> float:
    """The least that can be left by most of what is told."""
    if not way.running:
        return _HOUR_MS
    counted = np.concatenate([_counted(way, one.days, one.left, one.shift) for one in readings]) + offset
    told = np.concatenate([one.told for one in readings]) * (way.year / 365.0)
    error = np.concatenate([one.error for one in readings])

    def agreeing(floor: float) -> int:
        return int(np.count_nonzero(np.abs(np.maximum(counted, floor) - told) <= 2 * error))

    return max(_FLOORS, key=agreeing)


def _another_day(counting: Counting, reading: Reading) -> bool:
    """Whether that is the time of another day: whole days, but not as many as there are."""
    days = counting.offset_ms / DAY_MS
    return not counting.way.running and bool(reading.days.any()) and round(days) != 0 and days == round(days)


def _counted(way: Way, days: Floats, left: Floats, shift: Floats) -> Floats:
    """What is left by a way whose offset is zero, in ms."""
    if not way.running:
        return days * DAY_MS
    return left + shift if way.local else left


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values)
    summed = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(summed, 0.5 * summed[-1])]])
