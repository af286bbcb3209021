"""The market's own opinion: rates, a dividend yield and a volatility surface.

The surface is SSVI with a power-law skew whose parameters satisfy the conditions
for no static arbitrage (skew times one plus |correlation| below two, total
variance growing with time). Prices taken from it need no repair.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate

import numpy as np
from scipy.special import ndtr

from theta_simulator import chance, index, sessions
from theta_simulator.chance import Floats

DIVIDEND_YIELD = 0.013
YEAR_MS = 365 * sessions.DAY

# SOFR, and before it the overnight rates of the time, in percent from each date on.
_RATES = (
    (date(2012, 1, 1), 0.12),
    (date(2015, 12, 17), 0.37),
    (date(2016, 12, 15), 0.62),
    (date(2017, 3, 16), 0.87),
    (date(2017, 6, 15), 1.10),
    (date(2017, 12, 14), 1.38),
    (date(2018, 3, 22), 1.75),
    (date(2018, 6, 14), 1.93),
    (date(2018, 9, 27), 2.19),
    (date(2018, 12, 20), 2.43),
    (date(2019, 8, 1), 2.14),
    (date(2019, 9, 19), 1.88),
    (date(2019, 10, 31), 1.56),
    (date(2020, 3, 4), 1.20),
    (date(2020, 3, 16), 0.06),
    (date(2022, 3, 17), 0.28),
    (date(2022, 5, 5), 0.78),
    (date(2022, 6, 16), 1.47),
    (date(2022, 7, 28), 2.28),
    (date(2022, 9, 22), 3.01),
    (date(2022, 11, 3), 3.79),
    (date(2022, 12, 15), 4.30),
    (date(2023, 2, 2), 4.55),
    (date(2023, 3, 23), 4.81),
    (date(2023, 5, 4), 5.06),
    (date(2023, 7, 27), 5.31),
    (date(2024, 9, 19), 4.83),
    (date(2024, 11, 8), 4.58),
    (date(2024, 12, 19), 4.33),
    (date(2025, 9, 18), 4.14),
)
_SOFR_BEGINS = date(2018, 4, 3)

_CORRELATION = -0.65
_SKEW = 1.15
_LONG_VOL = 0.185
_RETURN_TO_LONG = 3.0
# A contract never runs out of time entirely; its last quote is a nickel or less from what it settles at.
_LEAST_TIME = 1_000 / YEAR_MS


def rate(day: date) -> float:
    """Return the overnight rate the market discounts with on *day*."""
    at = bisect_right(_RATES, day, key=lambda row: row[0]) - 1
    return _RATES[at][1] / 100.0


def sofr(day: date) -> float:
    """Return SOFR on *day*, 0 where it did not exist yet."""
    return rate(day) if day >= _SOFR_BEGINS else 0.0


@dataclass(frozen=True)
class Surface:
    """One date's volatilities: a function of forward log-moneyness, time and the day's move."""

    short_vol: float
    opening: float

    def variance(self, moneyness: Floats, years: Floats, spot: Floats, power: float = 1.0) -> Floats:
        """Return total variance; volatility rises when the index (SPX, at *spot*) falls.

        That of what moves with a *power* of the index is that many times as volatile.
        """
        move = np.clip(np.log(spot / self.opening), -0.15, 0.15)
        short, long = self.short_vol**2, _LONG_VOL**2
        decay = (1.0 - np.exp(-_RETURN_TO_LONG * years)) / _RETURN_TO_LONG
        level = power * power * (long * years + (short - long) * decay) * np.exp(-6.0 * move)
        skew = _SKEW / np.sqrt(level * (1.0 + level)) * moneyness
        bend = np.sqrt((skew + _CORRELATION) ** 2 + 1.0 - _CORRELATION**2)
        return np.asarray(0.5 * level * (1.0 + _CORRELATION * skew + bend))


@lru_cache(maxsize=64)
def surface(seed: int, day: date) -> Surface:
    """Return the surface of the session *day*."""
    fall = np.log(index.close(seed, day - timedelta(days=7)) / index.prints(seed, day).opening)
    mood = _moods(seed)[(day - sessions.FIRST).days]
    vol = 0.125 * np.exp(0.3 * mood + 4.0 * fall)
    return Surface(float(np.clip(vol, 0.07, 0.9)), index.prints(seed, day).opening)


@dataclass(frozen=True)
class Values:
    """Model values of calls and puts on a grid of strikes (rows) and stamps (columns)."""

    call: Floats
    put: Floats
    time_value: Floats
    deviation: Floats


def values(seed: int, day: date, strikes: Floats, spot: Floats, years: Floats) -> Values:
    """Price calls and puts of SPX."""
    years = at_least(years)
    forward = spot * np.exp((rate(day) - DIVIDEND_YIELD) * years)
    view = surface(seed, day)
    return european(day, strikes, forward, years, lambda moneyness: view.variance(moneyness, years, spot))


def at_least(years: Floats) -> Floats:
    """Return times that never run out entirely."""
    return np.maximum(years, _LEAST_TIME)


def european(
    day: date, strikes: Floats, forward: Floats, years: Floats, variance: Callable[[Floats], Floats]
) -> Values:
    """Price calls and puts on forwards; the out-of-the-money one is computed, its twin follows by parity."""
    forward = forward[np.newaxis, :]
    discount = np.exp(-rate(day) * years)[np.newaxis, :]
    strike = strikes[:, np.newaxis]
    moneyness = np.log(strike / forward)
    deviation = np.sqrt(variance(moneyness))
    side = np.where(strike >= forward, 1.0, -1.0)
    d1 = -moneyness / deviation + 0.5 * deviation
    otm = side * (forward * ndtr(side * d1) - strike * ndtr(side * (d1 - deviation)))
    time_value = discount * np.maximum(otm, 0.0)
    inside = discount * (forward - strike)
    call = time_value + np.maximum(inside, 0.0)
    put = time_value + np.maximum(-inside, 0.0)
    return Values(call, put, time_value, deviation)


@lru_cache(maxsize=8)
def _moods(seed: int) -> Floats:
    """Return the market's nervousness by calendar day, a walk with unit spread."""
    count = (sessions.LAST - sessions.FIRST).days + 1
    shocks = chance.normal(chance.key(seed, "mood"), np.arange(count, dtype=np.int64))
    return np.array(list(accumulate(shocks, lambda mood, shock: 0.97 * mood + 0.24 * shock)))
