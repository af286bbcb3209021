"""What the exchange lists: expirations by rule, strikes by distance and tenor.

An expiration is listed from its first trading date to its last and never comes
back; a strike, once listed, stays until its expiration, because every rule only
widens with time. Both follow from the calendar and the path of the index alone.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from theta_simulator import index, sessions, symbols
from theta_simulator.chance import Floats

ROOTS = ("SPX", "SPXW")  # of the index that habits and blemishes are drawn from
EVERY_ROOT = tuple(symbols.OF_ROOT)
FIRST_LISTS = date(2012, 6, 1)

# SPXW weekdays and the date the exchange began to list them (Monday is 0).
_LAUNCHED = {
    0: date(2016, 8, 15),
    1: date(2022, 4, 18),
    2: date(2016, 2, 23),
    3: date(2022, 5, 11),
    4: FIRST_LISTS,
}
_DAILY_HORIZON = 36
_FRIDAY_HORIZON = 95
_YEAR_HORIZON = 366
_QUARTER_HORIZON = 731
_DECEMBER_HORIZON = 1_830
# Monthlies were labelled with the Saturday after their Friday before this date.
_LABELS_CHANGED = date(2015, 2, 1)

# (largest DTE, step, how far below, how far above the levels seen since that DTE)
_STRIKE_BANDS = (
    (10_000, 200, 0.80, 0.60),
    (10_000, 100, 0.50, 0.25),
    (400, 50, 0.35, 0.12),
    (190, 25, 0.17, 0.06),
    (50, 10, 0.06, 0.025),
    (21, 5, 0.036, 0.016),
)
# The monthlies were there first and have gathered more strikes.
_SPX_BANDS = (*_STRIKE_BANDS, (10_000, 50, 0.40, 0.25), (400, 25, 0.35, 0.17))

# What the small size takes of them, far and near, where SPX is about _USUAL: a step is twice as wide where
# the level was twice as high at first. Each is within a band of both tables above.
_FEW_BANDS = (
    (10_000, 200, 0.20, 0.12),
    (190, 100, 0.05, 0.05),
    (95, 50, 0.025, 0.025),
    (10, 20, 0.012, 0.012),
)
_USUAL = 6_000.0

# Of VIX, whose level no band follows.
_VIX_STRIKES = np.unique(
    np.concatenate([np.arange(10, 30), np.arange(30, 50, 2), np.arange(50, 151, 10)])
).astype(np.float64)
_FEW_VIX_STRIKES = _VIX_STRIKES[::2]
_VIX_HORIZON, _VIX_WEEKLY_HORIZON = 270, 40


@dataclass(frozen=True, order=True)
class Expiration:
    """One expiration of one root."""

    label: date
    root: str
    settles: date
    first: date
    last: date

    def quoted_on(self, day: date) -> bool:
        """Say whether its contracts are quoted on the session *day*."""
        return self.first <= day <= self.last

    def expires_on(self, day: date) -> bool:
        """Say whether *day* is the last hours of a contract settled at the close."""
        return self.settles == day


@lru_cache(maxsize=64)
def all_expirations(root: str) -> tuple[Expiration, ...]:
    """Return every expiration of *root* the simulator knows, in order."""
    rules = {
        symbols.MONTHLIES: _monthlies,
        symbols.WEEKLIES: _weeklies,
        symbols.WEDNESDAYS: _wednesdays,
        symbols.OTHER_WEDNESDAYS: _other_wednesdays,
    }
    return tuple(sorted(rules[symbols.OF_ROOT[root].roots[root]](root)))


def expirations(root: str, day: date) -> list[Expiration]:
    """Return the expirations of *root* quoted on the session *day*, in order."""
    known = all_expirations(root)
    start = bisect_left(known, day, key=lambda expiration: expiration.label)
    return [expiration for expiration in known[start:] if expiration.quoted_on(day)]


def find(root: str, label: date) -> Expiration | None:
    """Return the expiration of *root* listed under *label*, if there is one."""
    known = all_expirations(root)
    at = bisect_left(known, label, key=lambda expiration: expiration.label)
    return known[at] if at < len(known) and known[at].label == label else None


def strikes(seed: int, expiration: Expiration, day: date) -> Floats:
    """Return the strikes of *expiration* listed on *day*, ascending."""
    symbol = symbols.OF_ROOT[expiration.root]
    if symbol.volatility:
        return _VIX_STRIKES
    monthly = symbol.roots[expiration.root] == symbols.MONTHLIES
    bands = _SPX_BANDS if monthly else _STRIKE_BANDS
    grids = [
        _grid(seed, expiration, day, widest, step * symbol.unit, below, above)
        for widest, step, below, above in bands
        if (expiration.label - day).days <= widest
    ]
    return np.unique(np.concatenate(grids))


def few_strikes(seed: int, expiration: Expiration, first: date, day: date) -> Floats:
    """Return some twenty of the strikes listed on *day*, ascending; from the session *first* on they stay."""
    symbol = symbols.OF_ROOT[expiration.root]
    if symbol.volatility:
        return _FEW_VIX_STRIKES
    seen = replace(expiration, first=first)
    unit = symbol.unit * _coarseness(seed, seen)
    grids = [
        _grid(seed, seen, day, widest, step * unit, below, above)
        for widest, step, below, above in _FEW_BANDS
        if (expiration.label - day).days <= widest
    ]
    return np.unique(np.concatenate(grids))


def _coarseness(seed: int, expiration: Expiration) -> float:
    """Return how wide steps are for an expiration, by its underlying's level at first: a power of 2."""
    symbol = symbols.OF_ROOT[expiration.root]
    level = index.close(seed, sessions.before(expiration.first))
    share = np.mean(symbol.span(level, level)) / (_USUAL * symbol.unit)
    return float(np.clip(2.0 ** np.round(np.log2(share)), 0.5, 4.0))


def _grid(
    seed: int, expiration: Expiration, day: date, widest: int, step: float, below: float, above: float
) -> Floats:
    """Return one band's strikes: around every level seen since the band applied."""
    since = max(expiration.first, sessions.on_or_after(expiration.label - timedelta(days=widest)))
    lived = index.extremes(seed, sessions.before(since), sessions.before(day))
    low, high = symbols.OF_ROOT[expiration.root].span(*lived)
    return np.arange(np.ceil(low * (1.0 - below) / step) * step, high * (1.0 + above), step)


def _monthlies(root: str) -> Iterator[Expiration]:
    """Yield a root like SPX: third Fridays settled at the open, last quoted the session before."""
    for friday in _third_fridays():
        settles = sessions.on_or_before(friday)
        label = friday + timedelta(days=1) if friday < _LABELS_CHANGED else settles
        horizon = _YEAR_HORIZON
        if friday.month % 3 == 0:
            horizon = _DECEMBER_HORIZON if friday.month == 12 else _QUARTER_HORIZON
        first = _first_session(settles, horizon, FIRST_LISTS)
        yield Expiration(label, root, settles, first, sessions.before(settles))


def _weeklies(root: str) -> Iterator[Expiration]:
    """Yield a root like SPXW: settled at the close, quoted to the last minute."""
    listed: dict[date, date] = {}
    for settles, horizon, launched in _weekly_rules():
        first = _first_session(settles, horizon, launched)
        if settles >= first:
            listed[settles] = min(first, listed.get(settles, first))
    for settles, first in listed.items():
        yield Expiration(settles, root, settles, first, settles)


def _wednesdays(root: str) -> Iterator[Expiration]:
    """Yield VIX: thirty days before a third Friday, settled at the open, last quoted the session before."""
    for friday in _third_fridays():
        settles = sessions.on_or_before(friday - timedelta(days=30))
        yield _of_wednesday(root, settles, _VIX_HORIZON)


def _other_wednesdays(root: str) -> Iterator[Expiration]:
    """Yield VIXW: the Wednesdays between."""
    taken = {sessions.on_or_before(friday - timedelta(days=30)) for friday in _third_fridays()}
    day = FIRST_LISTS + timedelta(days=(2 - FIRST_LISTS.weekday()) % 7)
    while day < sessions.LAST - timedelta(days=7):
        if (settles := sessions.on_or_before(day)) not in taken:
            yield _of_wednesday(root, settles, _VIX_WEEKLY_HORIZON)
        day += timedelta(days=7)


def _of_wednesday(root: str, settles: date, horizon: int) -> Expiration:
    first = _first_session(settles, horizon, FIRST_LISTS)
    return Expiration(settles, root, settles, first, sessions.before(settles))


def _weekly_rules() -> Iterator[tuple[date, int, date]]:
    """Yield each reason for an SPXW expiration: its date, horizon and first possible listing."""
    day = FIRST_LISTS
    while day < sessions.LAST - timedelta(days=7):
        if (launched := _LAUNCHED.get(day.weekday())) is not None:
            # The exchange moves a Monday's expiration forward, every other one back.
            settles = sessions.on_or_after(day) if day.weekday() == 0 else sessions.on_or_before(day)
            yield settles, _FRIDAY_HORIZON if day.weekday() == 4 else _DAILY_HORIZON, launched
        day += timedelta(days=1)
        if day.day == 1:
            yield sessions.before(day), _YEAR_HORIZON, FIRST_LISTS
    for friday in _third_fridays():
        yield sessions.on_or_before(friday), _YEAR_HORIZON, FIRST_LISTS


def _third_fridays() -> Iterator[date]:
    """Yield the third Friday of every month."""
    for year in range(FIRST_LISTS.year, sessions.LAST.year + 1):
        for month in range(1, 13):
            first = date(year, month, 1)
            friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
            if friday >= FIRST_LISTS:
                yield friday


def _first_session(settles: date, horizon: int, launched: date) -> date:
    """Return the first session on which an expiration can be quoted."""
    return sessions.on_or_after(max(settles - timedelta(days=horizon), launched, FIRST_LISTS))
