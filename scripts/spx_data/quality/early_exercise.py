"""What holds for options that may be exercised at any time: bounds, parity as an inequality, calendars.

No line goes through calls and puts of American options, because what early exercise is worth is in their
prices. So they are held against the underlying itself, no closer than it is known (`_Spot`), and against
prices of the same strike: rates and dividends are only bounded, as nobody here knows them.
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
_LOOSE = 2e-4  # of the underlying: its own spread, and the moment between its price and a quote

_MERTON = "Merton 1973, Theory of rational option pricing"

BOUNDS = Check(
    "exercise-bounds",
    Part.ARBITRAGE,
    "quotes at stamps with an underlying price S of the last two minutes",
    "call: ask < S − K or bid > S; put: ask < K − S or bid > K; by more than half a cent, 0.02 % of S and "
    "what S moves from and to the stamps beside",
    _MERTON,
    tolerated=0.001,
    ruinous=0.01,
    needs=(Need.AMERICAN, Need.HELD, Need.PRICE),
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
    needs=(Need.AMERICAN, Need.HELD, Need.PRICE),
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
    book, spot = Book.of(panel), _Spot.of(panel)
    found = [
        panel.count(BOUNDS, *_bounds(panel, book, spot)),
        panel.count(PARITY, *_parity(panel, book, spot)),
    ]
    return [*found, _calendar(panel, book, before)] if before and len(before.stamps) else found


class _Spot(NamedTuple):
    """The underlying's price at each stamp (NaN where it is old), and how far off it may be; in dollars."""

    price: Floats
    doubt: Floats

    @classmethod
    def of(cls, panel: Panel) -> _Spot:
        age = panel.stamps - panel.grid("underlying_timestamp")
        fresh = ((age >= 0) & (age <= OLD_MS)).any(axis=(0, 1))
        price = np.where(fresh, panel.underlying, np.nan)
        step = np.nan_to_num(np.abs(np.diff(price)))
        beside = np.maximum(np.append(step, 0.0), np.append(0.0, step))
        return cls(price, TOLERANCE + _LOOSE * price + beside)


def _bounds(panel: Panel, book: Book, spot: _Spot) -> tuple[Mask, Mask]:
    strikes = panel.strikes[:, np.newaxis]
    found = np.empty(panel.shape, dtype=np.bool_)
    inside = spot.price - strikes
    found[CALL] = (book.ask[CALL] < inside - spot.doubt) | (book.bid[CALL] > spot.price + spot.doubt)
    found[PUT] = (book.ask[PUT] < -inside - spot.doubt) | (book.bid[PUT] > strikes + TOLERANCE)
    known = np.isfinite(spot.price)
    return found & known, (np.isfinite(book.bid) | np.isfinite(book.ask)) & known


def _parity(panel: Panel, book: Book, spot: _Spot) -> tuple[Mask, Mask]:
    strikes, years = panel.strikes[:, np.newaxis], panel.days / _DAYS
    paid = spot.price * panel.product.dividends * (years + _PAYMENT) if panel.days else 0.0
    looked_at = panel.two_sided[CALL] & panel.two_sided[PUT] & np.isfinite(spot.price)
    with np.errstate(invalid="ignore"):
        least, most = book.bid[CALL] - book.ask[PUT], book.ask[CALL] - book.bid[PUT]
    found = least > spot.price - strikes * np.exp(-HIGHEST_RATE * years) + spot.doubt
    found |= most < spot.price - strikes - paid - spot.doubt
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
