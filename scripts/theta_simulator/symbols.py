"""What is traded beside SPX: other indices, funds whose options may be exercised early, and VIX.

Every level follows from that of SPX: raised to a power of its own, with a day's noise, so that symbols move
together and not as one. SPX itself is the market as it is, to the last digit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from theta_simulator import chance, sessions
from theta_simulator.chance import Floats

_SPX_LEVEL = 2_250.0  # of the anchor of `index`
_LEAST_NOISE = -3.5  # standard deviations that strikes allow for

# How the expirations of a root come about: `listing` has a rule for each.
MONTHLIES, WEEKLIES, WEDNESDAYS, OTHER_WEDNESDAYS = "monthlies", "weeklies", "wednesdays", "other-wednesdays"


@dataclass(frozen=True)
class Symbol:
    """One underlying: its options' *roots* by how they expire, and its level where SPX is at 2,250."""

    name: str
    roots: Mapping[str, str] = field(hash=False)
    level: float = _SPX_LEVEL
    power: float = 1.0
    noise: float = 0.0
    unit: float = 1.0  # of the distances between SPX's strikes
    dividends: float = 0.013  # a year, as a share: an index's without pause, a fund's four times
    pennies: bool = False
    fund: bool = False  # options that deliver and may be exercised early
    late: bool = True  # they trade on after the close, those of a fund on their last day too
    volatility: bool = False  # it is one: the level is that of 30 days, and each expiration has a future
    first_greeks: date = date.min  # later than the market's

    def at(self, seed: int, day: date, spx: Floats) -> Floats:
        """Return the level where SPX is at *spx*; 0 stays 0."""
        if self.name == "SPX":
            return spx
        noise = self.noise * chance.normal(chance.key(seed, "own", self.name, day.isoformat()))[0]
        return np.asarray(np.round(self.level * (spx / _SPX_LEVEL) ** self.power * np.exp(noise), 2))

    def span(self, low: float, high: float) -> tuple[float, float]:
        """Return the levels that strikes are listed around where SPX was between *low* and *high*."""
        if self.name == "SPX":
            return low, high
        loose = np.exp(_LEAST_NOISE * self.noise)
        ends = sorted(self.level * (spx / _SPX_LEVEL) ** self.power for spx in (low, high))
        return float(ends[0] * loose), float(ends[1] / loose)

    def settles_at_the_open(self, root: str) -> bool:
        """Say whether contracts of *root* are settled at the open."""
        return self.roots[root] != WEEKLIES

    def option_close(self, day: date, expires_today: bool) -> int:
        """Return the last moment an option is quoted on *day*."""
        if not self.late:
            return sessions.close(day)
        return sessions.option_close(day, expires_today and not self.fund)

    def payments(self, day: date, until: date) -> list[date]:
        """Return the days after *day* on which a fund goes without its dividend, up to *until*."""
        return [each for each in _payment_days() if day < each <= until] if self.fund else []


def _fund(name: str, level: float, **more: float) -> Symbol:
    """Return a fund, whose one root is its name."""
    known = {"pennies": True, "fund": True, "unit": 0.2, "noise": 0.002}
    return Symbol(name, {name: WEEKLIES}, level, **(known | more))  # type: ignore[arg-type]


SYMBOLS = (
    Symbol("SPX", {"SPX": MONTHLIES, "SPXW": WEEKLIES}),
    Symbol("XSP", {"XSP": WEEKLIES}, 225.0, unit=0.2, pennies=True),
    Symbol(
        "NDX",
        {"NDX": MONTHLIES, "NDXP": WEEKLIES},
        4_900.0,
        power=1.35,
        noise=0.003,
        unit=5.0,
        dividends=0.008,
        first_greeks=date(2026, 5, 8),
    ),
    Symbol(
        "RUT",
        {"RUT": MONTHLIES, "RUTW": WEEKLIES},
        1_360.0,
        power=0.6,
        noise=0.005,
        first_greeks=date(2018, 12, 3),
    ),
    Symbol("VIX", {"VIX": WEDNESDAYS, "VIXW": OTHER_WEDNESDAYS}, pennies=True, volatility=True),
    _fund("SPY", 225.0),
    _fund("QQQ", 119.0, power=1.35, noise=0.003, dividends=0.006),
    _fund("IWM", 135.0, power=0.6, noise=0.005, dividends=0.012),
    _fund("DIA", 199.0, power=0.8, noise=0.002, dividends=0.018),
    # One of those that the library does not know.
    _fund("TLT", 90.0, power=0.7, noise=0.004, dividends=0.03, late=False),
)
OF_ROOT = {root: symbol for symbol in SYMBOLS for root in symbol.roots}


@lru_cache(maxsize=1)
def _payment_days() -> list[date]:
    """Return the third Fridays of quarters, or the sessions before them."""
    found = []
    for year in range(sessions.FIRST.year, sessions.LAST.year + 1):
        for month in (3, 6, 9, 12):
            first = date(year, month, 1)
            friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
            found.append(sessions.on_or_before(friday))
    return found
