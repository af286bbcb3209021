"""What holds for options that may be exercised at any time: bounds, parity as an inequality, calendars.

No line goes through calls and puts of American options, because what early exercise is worth is in their
prices. So they are held against the underlying itself, no closer than it is known; where its price is not
known, or old, against what half of the strikes say that it is at least or at most (`_Spot`). Rates and
dividends are only bounded, as nobody here knows them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spx_data.quality.arbitrage import TOLERANCE, Book, cheapest
from spx_data.quality.checks import Check, Count, Floats, Mask, Need, Part
from spx_data.quality.panel import CALL, PUT, Panel
from spx_data.quality.underlying import HIGHEST_RATE, OLD_MS

_DAYS = 365.0  # of a year
_PAYMENT = 0.25  # of a year's dividends, that can be due at once
_FEWEST = 3  # strikes that tell the underlying
_LOOSE = 2e-4  # of the underlying: its own spread, and the moment between its price and a quote

_MERTON = "Merton 1973, Theory of rational option pricing"

BOUNDS = Check(
    "exercise-bounds",
    Part.ARBITRAGE,
    "quotes at stamps where S is known: the underlying's price of the last two minutes, else what parity "
    "says of it at half of the strikes",
    "call: ask < S − K or bid > S; put: ask < K − S or bid > K; by more than half a cent, 0.02 % of S and "
    "what S moves from and to the stamps beside",
    _MERTON,
    tolerated=0.001,
    ruinous=0.01,
    needs=(Need.AMERICAN, Need.HELD),
)
PARITY = Check(
    "parity-bounds",
    Part.PARITY,
    "strike-stamps with such an S",
    "bid C − ask P > S − K·exp(−0.07 T), or ask C − bid P < S − K less the dividends that can be paid until "
    "then; by more than S is uncertain",
    "Merton 1973; Hull, Options, ch. 11: S − D − K ≤ C − P ≤ S − K·exp(−r T), with a higher rate than any "
    "since 2012 and the most that the product pays in T and a quarter",
    tolerated=0.001,
    ruinous=0.05,
    needs=(Need.AMERICAN, Need.HELD),
)
CALENDAR = Check(
    "calendar-strike",
    Part.ARBITRAGE,
    "bids of the root's expiration before, beside an ask at the same strike or one that is worth more",
    "calls, K' ≤ K: bid1(K) > ask2(K'); puts, K' ≥ K: who may exercise longer may exercise as soon",
    _MERTON,
    ruinous=0.01,
    needs=(Need.AMERICAN,),
)
CHECKS: tuple[Check, ...] = (BOUNDS, PARITY, CALENDAR)


def judge(panel: Panel, before: Panel | None) -> list[Count]:
    """What speaks against a chain's quotes, and those of the one *before* it (same root, expires earlier)."""
    if CALENDAR.unmet(panel.product) or not len(panel.stamps):
        return []
    book = Book.of(panel)
    sides = _Sides.of(panel, book)
    spot = _Spot.of(panel, sides)
    found = [
        panel.count(BOUNDS, *_bounds(panel, book, spot)),
        panel.count(PARITY, *_parity(sides, spot)),
    ]
    return [*found, _calendar(panel, book, before)] if before and len(before.stamps) else found


class _Sides(NamedTuple):
    """What calls and puts of each strike say that the underlying is at least, and at most; dollars.

    NaN where a side is missing. By the inequality of `PARITY`.
    """

    least: Floats
    most: Floats

    @classmethod
    def of(cls, panel: Panel, book: Book) -> _Sides:
        strikes, years = panel.strikes[:, np.newaxis], panel.days / _DAYS
        paid = panel.product.dividends * (years + _PAYMENT) if panel.days else 0.0
        both = panel.two_sided[CALL] & panel.two_sided[PUT]
        with np.errstate(invalid="ignore"):
            least = book.bid[CALL] - book.ask[PUT] + strikes * np.exp(-HIGHEST_RATE * years)
            most = (book.ask[CALL] - book.bid[PUT] + strikes) / max(1.0 - paid, 0.5)
        return cls(np.where(both, least, np.nan), np.where(both, most, np.nan))


class _Spot(NamedTuple):
    """What the underlying is at least, and at most, at each stamp; dollars, NaN where nothing tells."""

    least: Floats
    most: Floats

    @classmethod
    def of(cls, panel: Panel, sides: _Sides) -> _Spot:
        age = panel.stamps - panel.grid("underlying_timestamp")
        fresh = ((age >= 0) & (age <= OLD_MS)).any(axis=(0, 1))
        price = np.where(fresh, panel.underlying, np.nan)
        step = np.nan_to_num(np.abs(np.diff(price)))
        beside = np.maximum(np.append(step, 0.0), np.append(0.0, step))
        doubt = TOLERANCE + _LOOSE * price + beside
        told = np.flatnonzero(np.isnan(price) & (np.isfinite(sides.least).sum(axis=0) >= _FEWEST))
        least, most = price - doubt, price + doubt
        if len(told):
            loose = TOLERANCE + _LOOSE * np.nanmedian(sides.most[:, told], axis=0)
            least[told] = np.nanmedian(sides.least[:, told], axis=0) - loose
            most[told] = np.nanmedian(sides.most[:, told], axis=0) + loose
        return cls(least, most)


def _bounds(panel: Panel, book: Book, spot: _Spot) -> tuple[Mask, Mask]:
    strikes = panel.strikes[:, np.newaxis]
    found = np.empty(panel.shape, dtype=np.bool_)
    found[CALL] = (book.ask[CALL] < spot.least - strikes) | (book.bid[CALL] > spot.most)
    found[PUT] = (book.ask[PUT] < strikes - spot.most) | (book.bid[PUT] > strikes + TOLERANCE)
    known = np.isfinite(spot.least)
    return found & known, (np.isfinite(book.bid) | np.isfinite(book.ask)) & known


def _parity(sides: _Sides, spot: _Spot) -> tuple[Mask, Mask]:
    looked_at = np.isfinite(sides.least) & np.isfinite(spot.least)
    found = (sides.least > spot.most) | (sides.most < spot.least)
    return (found & looked_at)[np.newaxis], looked_at[np.newaxis]


def _calendar(panel: Panel, book: Book, near: Panel) -> Count:
    _, mine, other = np.intersect1d(panel.stamps, near.stamps, assume_unique=True, return_indices=True)
    bid, strikes = Book.of(near).bid[:, :, other], np.repeat(near.strikes[:, np.newaxis], len(other), axis=1)
    found, looked_at = np.zeros(near.shape, dtype=np.bool_), np.zeros(near.shape, dtype=np.bool_)
    for right in (CALL, PUT):
        asked = cheapest(panel.strikes, book.ask[right][:, mine], strikes, right)
        looked_at[right][:, other] = np.isfinite(bid[right]) & np.isfinite(asked)
        found[right][:, other] = bid[right] > asked + TOLERANCE
    return near.count_of_another(CALENDAR, found & looked_at, looked_at)
