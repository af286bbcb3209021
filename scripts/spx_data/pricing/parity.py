"""The forward of American options: parity of what they would be worth without their early exercise.

For American options put-call parity is an inequality. So the premium of each option near the money is
computed at the volatility that its midpoint implies, and parity (`forward`) is asked of the rest; then again
with the forward that comes of it. A few stamps say about what the rate is, in rounds of which each leaves a
third of the error, or two of months; a few rounds of all stamps, which begin with that, end it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spx_data.pricing import american, forward
from spx_data.pricing.black76 import Options
from spx_data.pricing.forward import Forward
from spx_data.pricing.normal import Floats, Ints, Mask
from spx_data.pricing.quotes import Pairs
from spx_data.pricing.search import Rows, led
from spx_data.pricing.table import VOLATILITIES, Table

_NEAREST = 24  # strikes by which the forward is found
_STAMPS, _ROUNDS = 6, 8  # stamps that say about what the rate is, and rounds of them at most
_MOVED = 1e-7, 1e-5  # of a forward, relatively, and of a rate: rounds that move less are the last
_LAST, _LAST_OF_MONTHS, _MONTHS = 1, 2, 0.2  # rounds of all stamps; and with so many years left
_LOOSE = (0.98, 1.02)  # times the least and the most volatility: what is in a table


@np.errstate(all="ignore")
def implied(pairs: Pairs, found: Forward, years: Floats, known: Floats | None) -> Forward:
    """The forward and the discount factor of *pairs*, where *found* is what parity of them would say.

    All but *pairs* are arrays over its stamps, with *years* left. Rates cannot be told from dividends where
    the underlying's price is not *known*: then they are what they usually are.
    """
    known = known if known is not None and np.isfinite(known).any() else None
    last = Forward(found.forward, forward.usual_discount(years))
    at = np.unique(np.linspace(0, len(years) - 1, _STAMPS).astype(np.int64))
    some = _Sought.of(pairs.at(at).near(_NEAREST), years[at])
    begun = last.at(at)
    premium, critical = np.zeros_like(some.mid), None
    for _ in range(_ROUNDS):
        premium, critical = some.premium(begun, None if known is None else known[at], premium, critical)
        before, begun = begun, some.forward(premium, blind=known is None)
        if _is_there(before, begun, years[at]):
            break
    if np.isfinite(begun.forward).any():
        rate = -np.nanmedian(np.log(begun.discount) / years[at])
        last = Forward(
            last.forward * np.exp(np.nanmedian(np.log(begun.forward / last.forward[at]))),
            np.exp(-rate * years),
        )
    every = _Sought.of(pairs.near(_NEAREST), years)
    premium = np.zeros_like(every.mid)
    for _ in range(_LAST if not years.max(initial=0.0) > _MONTHS else _LAST_OF_MONTHS):
        premium = every.premium_by_table(last, known, premium)
        last = every.forward(premium, blind=known is None)
    return last


class _Sought(NamedTuple):
    """Pairs by which a forward is found, and their quotes one by one."""

    pairs: Pairs
    years: Floats  # of each stamp
    there: Mask  # which of the pairs' midpoints are these
    at: Ints  # the stamp of each
    strike: Floats
    call: Mask
    mid: Floats

    @classmethod
    def of(cls, pairs: Pairs, years: Floats) -> _Sought:
        there = np.isfinite(pairs.mid) & (years > 0.0)
        right, row, at = np.nonzero(there)
        return cls(pairs, years, there, at, pairs.strikes[row], right == 0, pairs.mid[there])

    def options(self, last: Forward) -> Options:
        """All of them, if the forward is the *last* one."""
        at = self.at
        return Options(last.forward[at], last.discount[at], self.strike, self.call, self.years[at])

    def premium(
        self, last: Forward, known: Floats | None, before: Floats, critical: Floats | None
    ) -> tuple[Floats, Floats]:
        """The premium of each, in dollars, at the volatility that its price less that of *before* implies.

        And the spot from which exercise pays, which about is *critical* where that is known.
        """
        options, spot = self.options(last), spot_of(last, known)[self.at]
        rows = Rows.of(options, spot, self.at)
        before = np.where(np.isfinite(before), before, 0.0)
        volatility = np.exp(rows.european((self.mid - before) / self.strike)) / np.sqrt(options.years)
        found = american.premium_of(american.Terms.of(options, spot), volatility, critical)
        # NaN where exercise pays at once: nothing is known of the rest.
        return np.where(found.exercised | np.isnan(volatility), np.nan, found.value), found.critical

    def premium_by_table(self, last: Forward, known: Floats | None, before: Floats) -> Floats:
        """The same for many."""
        spot = spot_of(last, known)
        options, price = self.options(last), self.mid / self.strike
        rows = Rows.of(options, spot[self.at], self.at)
        u = rows.european(price - np.where(np.isfinite(before), before, 0.0) / self.strike)
        volatility = np.exp(u) / np.sqrt(options.years)
        if not np.isfinite(volatility).any():
            return np.full_like(price, np.nan)
        between = np.clip([np.nanmin(volatility), np.nanmax(volatility)], *VOLATILITIES) * _LOOSE
        table = table_of(last, self.years, spot, (between[0], between[1]), rates=False)
        found = table.at(rows.call, rows.place, u, rows.x, spot=False)
        # As much more as the volatility is off by, now that the premium is known.
        by = led(rows, price, u, found).u - u
        more = by * (found.by_u + 0.5 * by * found.by_uu)
        premium = np.where(found.exercised, np.nan, found.value + np.where(np.isfinite(more), more, 0.0))
        rest = np.flatnonzero(np.isnan(found.value) & np.isfinite(volatility))
        if len(rest):
            premium[rest] = self._exact(last, known, rest)
        return premium * self.strike

    def _exact(self, last: Forward, known: Floats | None, rows: Ints) -> Floats:
        options, spot = self.options(last).at(rows), spot_of(last, known)[self.at[rows]]
        return american.implied(options, self.mid[rows], spot).premium / self.strike[rows]

    def forward(self, premium: Floats, *, blind: bool) -> Forward:
        """What parity says of the midpoints less the *premium* of each."""
        rest = self.pairs.mid.copy()
        rest[self.there] = self.mid - premium
        line = forward.fit(self.pairs.strikes, rest[0] - rest[1], self.pairs.width)
        return forward.implied(line, self.years, usual_rate=blind)


def _is_there(before: Forward, now: Forward, years: Floats) -> bool:
    """Whether a round has moved nothing that matters, of a forward or of a rate."""
    moved = np.abs(np.log(now.forward / before.forward)) / _MOVED[0]
    turned = np.abs(np.log(now.discount / before.discount) / years) / _MOVED[1]
    return bool(np.fmax(moved, turned).max(initial=0.0, where=np.isfinite(moved)) < 1.0)


def spot_of(found: Forward, known: Floats | None) -> Floats:
    """The underlying at each stamp: the forward less the carry, which is one for the day: the median.

    So a price that lags by seconds moves nothing. Where none is *known*, there are no dividends but in it.
    """
    if known is None or not (there := np.isfinite(found.forward) & (known > 0.0)).any():
        return np.asarray(found.forward * found.discount)
    carry = np.median(np.log(found.forward[there] / known[there]))
    return np.asarray(found.forward * np.exp(-carry))


@np.errstate(all="ignore")
def table_of(
    found: Forward,
    years: Floats,
    spot: Floats,
    volatilities: tuple[float, float] = VOLATILITIES,
    *,
    rates: bool = True,
) -> Table:
    """The table of premiums while the underlying is at *spot*: all arrays over stamps."""
    interest = -np.log(found.discount)
    carry = np.log(found.forward / spot)
    return Table(years, interest, interest - carry, volatilities, rates=rates)
