"""The underlying: a level for every date and its prints for every second.

A date's closing level is a slow trend times a mean-reverting walk, so ten years
stay plausible under any seed. Inside a session a Brownian bridge leads from the
open to the close; the last print, a minute or more after the bell, is the close.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate

import numpy as np

from theta_simulator import chance, sessions
from theta_simulator.chance import Floats, Ints

# Two levels of the real index fix the trend.
_ANCHOR = date(2017, 1, 3)
_ANCHOR_LEVEL = 2_250.0
_GROWTH = np.log(5_950.0 / 2_250.0) / 7.9
_DAILY_VOL = 0.0098
_REVERSION = 0.012
_INTRADAY_VOL = 0.006


@dataclass(frozen=True)
class Prints:
    """The index prints of one session, in order of time."""

    ms: Ints
    price: Floats
    opening: float

    def as_of(self, stamps: Ints) -> tuple[Ints, Floats]:
        """Return time and price of the last print at or before each stamp; price 0 when there is none."""
        last = np.searchsorted(self.ms, stamps, side="right") - 1
        printed = last >= 0
        return np.where(printed, self.ms[last], stamps), np.where(printed, self.price[last], 0.0)


def close(seed: int, day: date) -> float:
    """Return the closing level of *day*; a holiday has the level of a day nobody saw."""
    return float(_closes(seed)[(day - sessions.FIRST).days])


def extremes(seed: int, first: date, last: date) -> tuple[float, float]:
    """Return the lowest and the highest close from *first* to *last*, both included."""
    window = _closes(seed)[(first - sessions.FIRST).days : (last - sessions.FIRST).days + 1]
    return float(window.min()), float(window.max())


@lru_cache(maxsize=64)
def prints(seed: int, day: date) -> Prints:
    """Return the prints of the session *day*."""
    base = chance.key(seed, "prints", day.isoformat())
    bell = sessions.close(day) - sessions.OPEN
    overtime = 71 + int(chance.uniform(base)[0] * 140)
    seconds = np.arange(1, bell // 1000 + overtime + 1, dtype=np.int64)
    price = _path(seed, day, base, seconds, bell // 1000)
    late = (chance.uniform(base, seconds, np.array([1])) * 995).astype(np.int64)
    # The feed skips a second now and then, never two in a row, never the first or the last.
    kept = (seconds % 2 == 1) | (chance.uniform(base, seconds, np.array([2])) > 0.12)
    kept[-1], late[-1] = True, 0
    times = sessions.OPEN + seconds * 1000 + late
    return Prints(times[kept], price[kept], _opening(seed, day))


def _path(seed: int, day: date, base: int, seconds: Ints, bell: int) -> Floats:
    """Return the level at every second, from the open to the official close."""
    # Livelier at both ends of the session; almost still once the bell has rung.
    pace = np.where(seconds <= bell, 1.0 + 3.0 * (2.0 * seconds / bell - 1.0) ** 4, 0.02)
    walk = np.cumsum(chance.normal(base, seconds, np.array([3])) * np.sqrt(pace))
    done = np.cumsum(pace) / pace.sum()
    bridge = (walk - done * walk[-1]) / np.sqrt(pace.sum())
    start, end = np.log(_opening(seed, day)), np.log(close(seed, day))
    return np.asarray(np.round(np.exp(start + done * (end - start) + _INTRADAY_VOL * bridge), 2))


def _opening(seed: int, day: date) -> float:
    """Return the level before the first print: the previous close and a gap."""
    previous = close(seed, sessions.before(day))
    gap = 0.35 * np.log(close(seed, day) / previous)
    noise = 0.002 * chance.normal(chance.key(seed, "gap", day.isoformat()))[0]
    return round(float(previous * np.exp(gap + noise)), 2)


@lru_cache(maxsize=8)
def _closes(seed: int) -> Floats:
    """Return a level for every calendar day the simulator knows."""
    count = (sessions.LAST - sessions.FIRST).days + 1
    days = [sessions.FIRST + timedelta(days=offset) for offset in range(count)]
    years = np.array([(day - _ANCHOR).days / 365.25 for day in days])
    shocks = chance.normal(chance.key(seed, "walk"), np.arange(count, dtype=np.int64)) * _DAILY_VOL
    # Weekends only: the level must not depend on which holidays a calendar knows.
    shocks[[day.weekday() >= 5 for day in days]] = np.nan
    deviation = np.array(list(accumulate(shocks, _step, initial=0.0))[1:])
    return np.asarray(np.round(_ANCHOR_LEVEL * np.exp(_GROWTH * years + deviation), 2))


def _step(deviation: float, shock: float) -> float:
    """Move the deviation from the trend by one day."""
    return deviation if np.isnan(shock) else (1.0 - _REVERSION) * deviation + shock
