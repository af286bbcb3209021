"""What options are worth, by their kind: European on an index, American on a fund, or on futures of VIX.

Who holds an American option chooses when to exercise it; here he chooses one of a few days beforehand: at
once, before a dividend, or on any expiration that is quoted up to his own. The best of these is worth no more
than the option is, and obeys all that is known of American options without arbitrage: it is convex and
monotone in the strike, between its bounds, never less than what lives shorter, and within put-call parity's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from theta_simulator import sessions, surface
from theta_simulator.chance import Floats, Ints
from theta_simulator.listing import Expiration
from theta_simulator.surface import Values
from theta_simulator.symbols import Symbol

_TENOR = 30.0 / 365.0  # years, of VIX
_USUAL, _BACK = 18.0, 3.0  # where VIX goes, and how fast (a year)
_VOL_OF_VOL = 1.1
_LIVELY = 3.0


@dataclass(frozen=True)
class Asked:
    """Contracts of one expiration at some stamps of a date, with levels of SPX and of their underlying."""

    seed: int
    day: date
    symbol: Symbol
    expiration: Expiration
    strikes: Floats
    stamps: Ints
    spx: Floats
    spot: Floats


def level(seed: int, symbol: Symbol, day: date, spx: Floats) -> Floats:
    """Return the underlying's level where SPX is at *spx*."""
    return volatility(seed, day, spx) if symbol.volatility else symbol.at(seed, day, spx)


def volatility(seed: int, day: date, spx: Floats | float) -> Floats:
    """Return VIX: the surface's volatility of 30 days at the money in percent, livelier than that is."""
    view = surface.surface(seed, day)
    moved = view.opening * (np.atleast_1d(spx) / view.opening) ** _LIVELY
    variance = view.variance(np.zeros(1), np.full(1, _TENOR), moved)
    return np.asarray(np.round(100.0 * np.sqrt(variance / _TENOR), 2))


def values(asked: Asked, live: Sequence[date]) -> Values:
    """Return what the contracts are worth; *live* are the days on which contracts of the root settle."""
    symbol, item = asked.symbol, asked.expiration
    at_the_open = symbol.settles_at_the_open(item.root)
    hour = sessions.OPEN if at_the_open else sessions.close(item.settles)
    years = _years(asked, item.settles, hour)
    if symbol.volatility:
        return _on_futures(asked, surface.at_least(years))
    if symbol.name == "SPX":
        return surface.values(asked.seed, asked.day, asked.strikes, asked.spot, years)
    if symbol.fund:
        return _american(asked, live)
    years = surface.at_least(years)
    forward = asked.spot * np.exp((surface.rate(asked.day) - symbol.dividends) * years)
    return _european(asked, forward, years)


def _years(asked: Asked, settles: date, hour: int) -> Floats:
    """Return the true time to a moment at each stamp."""
    whole = (settles - asked.day).days * sessions.DAY
    return np.asarray((whole + hour - asked.stamps) / surface.YEAR_MS)


def _european(asked: Asked, forward: Floats, years: Floats) -> Values:
    view, power = surface.surface(asked.seed, asked.day), asked.symbol.power
    return surface.european(
        asked.day,
        asked.strikes,
        forward,
        years,
        lambda moneyness: view.variance(moneyness, years, asked.spx, power),
    )


def _on_futures(asked: Asked, years: Floats) -> Values:
    """Price on a future that goes from VIX to what is usual, with one volatility for all strikes."""
    forward = _USUAL + (asked.spot - _USUAL) * np.exp(-_BACK * years)
    variance = _VOL_OF_VOL**2 * (1.0 - np.exp(-2.0 * _BACK * years)) / (2.0 * _BACK)
    return surface.european(
        asked.day, asked.strikes, forward, years, lambda moneyness: np.broadcast_to(variance, moneyness.shape)
    )


def _american(asked: Asked, live: Sequence[date]) -> Values:
    """Return the best of exercising at once, before a dividend, or on a day on which something settles."""
    item = asked.expiration
    paid = asked.symbol.payments(asked.day, item.settles)
    eves = {each - timedelta(days=1) for each in paid if each - timedelta(days=1) >= asked.day}
    days = sorted({each for each in live if asked.day <= each <= item.settles} | eves | {item.settles})
    inside = asked.spot[np.newaxis, :] - asked.strikes[:, np.newaxis]
    call, put = np.maximum(inside, 0.0), np.maximum(-inside, 0.0)
    for day in days:
        found = _exercised(asked, day, paid)
        call, put = np.maximum(call, found.call), np.maximum(put, found.put)
    return Values(call, put, found.time_value, found.deviation)


def _exercised(asked: Asked, day: date, paid: Sequence[date]) -> Values:
    """Return what contracts are worth that are exercised at the close of *day*."""
    interest = surface.rate(asked.day)
    years = surface.at_least(_years(asked, day, sessions.close(day)))
    left = asked.spot.copy()
    for each in paid:
        if each <= day:
            due = surface.at_least(_years(asked, each, sessions.OPEN))
            left -= asked.spot * asked.symbol.dividends / 4.0 * np.exp(-interest * due)
    return _european(asked, left * np.exp(interest * years), years)
