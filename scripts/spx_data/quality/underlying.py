"""The underlying (missing, frozen, contradictory, old) and the vendor's sentinels (volatilities that failed).

The index prints about once a second from shortly after 09:30, so its price and its time tell at once when a
feed stood still. After the stock market's close it stands still by nature (docs/wire.md, 2.1).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spx_data.quality.checks import Check, Count, Floats, Ints, Mask, Need, Part
from spx_data.quality.panel import CALL, FAILED, MINUTE_MS, PUT, Panel, clock, moment_ms

OPENS = dt.time(9, 30)
CLOSES_AT_THE_EARLIEST = dt.time(13, 0)  # where no calendar says: a half day's close

FROZEN_MS = 5 * MINUTE_MS
FROZEN_RECORDS = 3  # at least, where stamps are far apart
OLD_MS = 2 * MINUTE_MS
HIGHEST_RATE = 0.07  # a year; the dollar's overnight rate has stayed below 5.5 % since 2012

MISSING = Check(
    "underlying-missing",
    Part.UNDERLYING,
    "records after 09:30",
    "underlying price 0, or none",
    "only the record of 09:30 has no index yet (docs/wire.md, 2.1)",
    tolerated=0.001,
    ruinous=0.1,
    needs=(Need.PRICE,),
)
FROZEN = Check(
    "underlying-frozen",
    Part.UNDERLYING,
    "stamps between the stock market's open and close",
    "underlying price unchanged for 5 minutes or more, before the stock market's close",
    "368 distinct prices in 391 genuine minutes (docs/wire.md, 7)",
    tolerated=0.0,
    ruinous=0.25,
    needs=(Need.PRICE,),
)
DISAGREES = Check(
    "underlying-disagrees",
    Part.UNDERLYING,
    "records with an underlying price",
    "underlying price differs from the median of the same stamp's records",
    "the last print at or before a stamp is one number (docs/wire.md, 2)",
    tolerated=0.001,
    ruinous=0.1,
    needs=(Need.PRICE,),
)
DIFFERS = Check(
    "underlying-differs",
    Part.UNDERLYING,
    "stamps that other chains have as well",
    "a chain's underlying price differs from the median of the day's chains at the same stamp",
    "one underlying, whichever expiration asks (docs/wire.md, 2)",
    tolerated=0.001,
    ruinous=0.1,
    needs=(Need.PRICE,),
)
OLD = Check(
    "underlying-stale",
    Part.UNDERLYING,
    "records with an underlying price between the stock market's open and close",
    "underlying time more than 2 minutes before the stamp, or after it",
    "about one print a second, the last at or before the stamp counts (docs/wire.md, 2 and 7)",
    tolerated=0.001,
    ruinous=0.1,
    needs=(Need.PRICE,),
)
FAILED_IV = Check(
    "failed-iv",
    Part.UNDERLYING,
    "two-sided quotes that have an implied volatility: bid above intrinsic value, ask below the call's "
    "underlying or the put's strike",
    "iv_error ≥ 100; intrinsic value with rates up to 7 %",
    "Merton 1973 (such prices have a volatility); whole days of it exist (docs/wire.md, 2.2)",
    tolerated=0.005,
    ruinous=0.2,
    needs=(Need.VOLATILITY,),
)
NO_IV = Check(
    "no-iv",
    Part.UNDERLYING,
    "records with an implied volatility",
    "implied volatility 0 or iv_error ≥ 100: no market, at or below intrinsic value, or no underlying",
    "docs/wire.md, 2.2",
    ruinous=None,
    needs=(Need.VOLATILITY,),
)

CHECKS: tuple[Check, ...] = (MISSING, FROZEN, DISAGREES, DIFFERS, OLD, FAILED_IV, NO_IV)


def judge(panel: Panel, closes_ms: int | None) -> list[Count]:
    """What a chain's underlying and sentinels show; *closes_ms* is the stock market's close."""
    opened = panel.stamps > moment_ms(panel.date, OPENS)
    closes_ms = moment_ms(panel.date, CLOSES_AT_THE_EARLIEST) if closes_ms is None else closes_ms
    hours = opened & (panel.stamps < closes_ms)
    price = panel.grid("underlying_price")
    known = price > 0
    expected = panel.there & opened
    age = panel.stamps - panel.grid("underlying_timestamp")
    timed = known & hours & np.isfinite(age)
    solvable = panel.two_sided & known & _within_bounds(panel)
    failed = panel.grid("iv_error") >= FAILED
    told = np.isfinite(panel.grid("iv_error")) & np.isfinite(panel.grid("implied_vol"))
    return [
        panel.count(MISSING, expected & ~known, expected),
        panel.count_stamps(FROZEN, _frozen(panel, hours), hours & np.isfinite(panel.underlying)),
        panel.count(DISAGREES, _contradictory(price, known), known),
        panel.count(OLD, timed & ((age > OLD_MS) | (age < 0)), timed),
        panel.count(FAILED_IV, solvable & told & failed, solvable & told),
        panel.count(NO_IV, told & (failed | (panel.grid("implied_vol") == 0)), told),
    ]


class Line(NamedTuple):
    """A chain's underlying: one price (dollars, NaN where there is none) at each stamp (ms)."""

    stamps: Ints
    prices: Floats

    @classmethod
    def of(cls, panel: Panel) -> Line:
        """The underlying of *panel*."""
        return cls(panel.stamps, panel.underlying)


def across(lines: Sequence[Line]) -> list[Count]:
    """Where each chain's underlying is not the day's: one count a chain, in their order."""
    stamps = np.unique(np.concatenate([line.stamps for line in lines])) if lines else np.empty(0, np.int64)
    prices = np.full((len(lines), len(stamps)), np.nan)
    for row, line in zip(prices, lines, strict=True):
        row[np.searchsorted(stamps, line.stamps)] = line.prices
    common = np.flatnonzero(np.count_nonzero(np.isfinite(prices), axis=0) > 1)
    middle = np.full(len(stamps), np.nan)
    middle[common] = np.nanmedian(prices[:, common], axis=0)
    known = np.isfinite(prices) & np.isfinite(middle)
    return [
        _differing(stamps, found, int(np.count_nonzero(of)))
        for found, of in zip(known & (prices != middle), known, strict=True)
    ]


def _differing(stamps: Ints, found: Mask, of: int) -> Count:
    first = f"at {clock(int(stamps[np.argmax(found)]))}" if found.any() else None
    return Count(DIFFERS, int(np.count_nonzero(found)), of, first, stamps, found.astype(np.int64))


def _frozen(panel: Panel, hours: Mask) -> Mask:
    """Stamps in runs of one price that last too long; a stamp without a price ends a run."""
    line = np.where(hours, panel.underlying, np.nan)
    places = np.append(np.flatnonzero(np.append(True, line[1:] != line[:-1])), len(line))
    lengths = np.diff(places)
    least = max(-(-FROZEN_MS // panel.step_ms) + 1, FROZEN_RECORDS)
    return np.repeat(lengths >= least, lengths)


def _contradictory(price: Floats, known: Mask) -> Mask:
    """Records whose price is not their stamp's; medians are taken only where a stamp has two prices."""
    high = np.where(known, price, -np.inf).max(axis=(0, 1), initial=-np.inf)
    low = np.where(known, price, np.inf).min(axis=(0, 1), initial=np.inf)
    found = np.zeros(price.shape, dtype=np.bool_)
    for stamp in np.flatnonzero(high > low):
        prices, there = price[:, :, stamp], known[:, :, stamp]
        found[:, :, stamp] = there & (prices != np.median(prices[there]))
    return found


def _within_bounds(panel: Panel) -> Mask:
    """Quotes wholly above the option's intrinsic value and below its highest, whatever the rate."""
    spot, strike = panel.underlying[np.newaxis, :], panel.strikes[:, np.newaxis]
    bid, ask = panel.grid("bid"), panel.grid("ask")
    least = strike * np.exp(-HIGHEST_RATE * max(panel.days, 1) / 365)
    inside = np.empty(panel.shape, dtype=np.bool_)
    inside[CALL] = (bid[CALL] > spot - least) & (ask[CALL] < spot)
    inside[PUT] = (bid[PUT] > strike - spot) & (ask[PUT] < least)
    return inside
