"""What the list and calendar endpoints of both terminals say, before spelling."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from theta_simulator import chance, listing, sessions, spelling
from theta_simulator.chance import Floats
from theta_simulator.flawed import FlawedMarket
from theta_simulator.market import Market

SYMBOLS = list(listing.EVERY_ROOT)
_TRADED = 0.6


def expirations(root: str, today: date) -> list[date]:
    """Return every expiration of *root* listed so far, the past included."""
    if root not in listing.EVERY_ROOT:
        return []
    return [item.label for item in listing.all_expirations(root) if item.first <= today]


def strikes(market: Market, root: str, label: date, today: date) -> Floats:
    """Return every strike of one expiration listed so far, whatever the market's size."""
    found = listing.find(root, label) if root in listing.EVERY_ROOT else None
    if found is None or found.first > today:
        return np.array([], dtype=np.float64)
    return listing.strikes(market.seed, found, min(found.last, today))


def dates(market: Market, root: str, label: date, today: date) -> list[date]:
    """Return the sessions on which one expiration was quoted, up to *today*."""
    found = listing.find(root, label) if root in listing.EVERY_ROOT else None
    if found is None:
        return []
    days = sessions.between(found.first, min(found.last, today))
    return [day for day in days if found in market.expirations(root, day)]


def contracts(market: Market, roots: Sequence[str], day: date, traded: bool, today: date) -> pl.DataFrame:
    """Return root, expiration, strike and right of the contracts quoted, or traded, on *day*."""
    schema = {"root": pl.String, "expiration": pl.Date, "strike": pl.Float64, "right": pl.String}
    frames = [pl.DataFrame(schema=schema)]
    if listing.FIRST_LISTS <= day <= today:
        for root in roots:
            frame = market.contracts(root, day).select(pl.lit(root).alias("root"), pl.all())
            frames.append(_traded(market, frame, root, day) if traded else frame)
    return pl.concat(frames)


def calendar(market: FlawedMarket, days: Sequence[date]) -> pl.DataFrame:
    """Return the stock market's hours on each of *days*."""
    kinds = [market.calendar_kind(day, _kind(day)) for day in days]
    hours = {"open": "16:00:00", "early_close": "13:00:00"}
    return spelling.table(
        date=[day.isoformat() for day in days],
        type=kinds,
        open=["09:30:00" if kind in hours else None for kind in kinds],
        close=[hours.get(kind) for kind in kinds],
    )


def holidays(market: FlawedMarket, year: int) -> pl.DataFrame:
    """Return the weekdays of *year* on which the stock market closes all day, or early."""
    if not sessions.FIRST.year <= year <= sessions.LAST.year:
        return calendar(market, [])
    days = (date(year, 1, 1) + timedelta(days=offset) for offset in range(366))
    words = ("full_close", "early_close")
    closed = [
        day
        for day in days
        if day.year == year and (_kind(day) in words or market.calendar_kind(day, _kind(day)) in words)
    ]
    return calendar(market, closed)


def _kind(day: date) -> str:
    """Return the calendar's word for *day*."""
    if day.weekday() >= 5:
        return "weekend"
    if not sessions.is_session(day):
        return "full_close"
    return "early_close" if sessions.closes_early(day) else "open"


def _traded(market: Market, frame: pl.DataFrame, root: str, day: date) -> pl.DataFrame:
    """Keep the contracts that traded on *day*."""
    base = chance.key(market.seed, "traded", root, day.isoformat())
    draws = chance.uniform(base, np.arange(len(frame), dtype=np.int64))
    return frame.filter(pl.Series(draws[: len(frame)] < _TRADED))
