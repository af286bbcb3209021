"""What explains a day's greeks: the rate, and the time each chain has left.

Neither is on the wire. The time is read from the greeks (`expiry`), the rate from deltas and, should these be
what is wrong, from prices; of the rates and the clocks that are found so, those are taken that explain most
values. Every value is printed truncated to four decimals, the volatility too, so one is explained when it
lies in the range that the volatilities printed alike allow. What a vendor got absurdly wrong may overflow on
the way: it is then not explained, which is all there is to say about it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from spx_data.pricing import normal
from spx_data.quality import expiry, vendor_model
from spx_data.quality.checks import Floats, Ints, Mask
from spx_data.quality.expiry import Clock
from spx_data.quality.vendor_model import GREEKS, PRINTED, Rows, solver_error

PRICE = "price"
VALUES = (*GREEKS, PRICE)

_ROUNDING = 1.5 * PRINTED
_FLOATING = 1e-6  # relative; a vega of thousands bends by more than the last decimal between two volatilities
_LEVERS = (0.1, 0.9)  # deltas that tell a rate
_FEWEST = 5  # records that tell a chain's rate
_SURE = 2.0  # errors of a chain's rate within which it votes for another's
_TOO_LOOSE = 0.02  # an error of a rate that tells nothing
_STEPS = 6
_START = 0.03
_WIDEST = 0.5
_FIRST = 0.25  # of a value and chain: what any rate must explain more than the first, which is the likeliest
_LOOSE = 0.15  # of a value: what a time must explain more that has an error of its own


class Rate(NamedTuple):
    """A yearly rate, continuously compounded, and how far off it can be."""

    value: float
    error: float


_Witness = Callable[[Rows, Floats], tuple[Floats, Floats]]

# Where no rate can be told, as on a last day: short times hardly need one.
ANY_RATE = Rate(0.03, 0.03)


class Explanation(NamedTuple):
    """What explains most of the values of a day's chains."""

    rate: Rate  # the day's, or `ANY_RATE`
    told: bool  # whether the day's records tell the rate
    chain_rates: Sequence[Rate | None]  # what each chain tells alone
    clocks: Sequence[Clock | None]  # of each chain; None where there is no record


class _Times(NamedTuple):
    """What the clocks that a chain may go by make of its records: (clocks, records), NaN for none."""

    years: Floats
    errors: Floats

    @classmethod
    def of(cls, chains: Sequence[Rows], clocks: Sequence[Sequence[Clock]]) -> _Times:
        most = max(map(len, clocks), default=0)
        parts = [_times(rows, each, most) for rows, each in zip(chains, clocks, strict=True)]
        years, errors = (np.concatenate(lines, axis=1) for lines in zip(*parts, strict=True))
        return cls(years, errors)

    @property
    def recognized(self) -> Floats:
        """Years by the clocks without an error, each chain's likeliest first: (clocks, records).

        What one witness recognizes of one chain, another one may of the next: together they tell the rate.
        """
        found = np.where(self.errors > 0, np.nan, self.years)
        return np.take_along_axis(found, np.isnan(found).argsort(axis=0, kind="stable"), axis=0)


def _times(rows: Rows, clocks: Sequence[Clock], most: int) -> tuple[Floats, Floats]:
    years, errors = np.full((most, len(rows)), np.nan), np.zeros((most, len(rows)))
    for at, clock in enumerate(clocks if len(rows) else ()):
        years[at], errors[at] = clock.gives.years(rows), clock.gives.errors(rows)
    return years, errors


@np.errstate(all="ignore")
def explain(chains: Sequence[Rows], kinds: Sequence[object], most: int = 48) -> Explanation:
    """Find the rate and the clocks that explain most, by at most *most* records of each chain.

    Chains of one of the *kinds* (one for each chain) are expected to count their time alike.
    """
    clocks = expiry.clocks(chains, kinds)
    few = [rows.some(most) for rows in chains]
    rows, times = Rows.joined(few), _Times.of(few, clocks)
    bounds = np.cumsum([0, *(len(part) for part in few)])
    lines = list(zip(times.years, times.errors, strict=True))
    loose = _LOOSE * (_sums(times.errors, bounds) > 0)
    recognized = [(years, np.zeros(len(rows))) for years in times.recognized]
    told = _rates(rows, recognized, bounds) or _rates(rows, lines, bounds)
    tried = [(witness, rate, _shares(rows, times, rate, bounds)) for witness, rate in told]
    tried = tried or [(_by_delta, ANY_RATE, _shares(rows, times, ANY_RATE, bounds))]
    sums = np.array([(share.sum(axis=1) - loose).max(axis=0).sum() for _, _, share in tried])
    sums[0] += _FIRST * len(chains)
    witness, rate, share = tried[int(sums.argmax())]
    choice = (share.sum(axis=1) - loose).argmax(axis=0)
    chosen = np.repeat(choice, np.diff(bounds)), np.arange(len(rows))
    return Explanation(
        rate,
        bool(told),
        _each(_told(witness, rows, times.years[chosen], times.errors[chosen]), bounds),
        [clocks[at][choice[at]] if len(part) else None for at, part in enumerate(few)],
    )


@np.errstate(all="ignore")
def explained(rows: Rows, years: Floats, rate: Rate, error: Floats | float = 0.0) -> Mask:
    """Which of the `VALUES` of each record the model explains: (values, records); what is absent is.

    *years* are times to expiration, and *error* is how far off they can be.
    """
    low, high, moved = (
        _modelled(rows, years, value, volatility)
        for value, volatility in (
            (rate.value, rows.iv),
            (rate.value, rows.iv + PRINTED),
            (rate.value + rate.error, rows.iv),
        )
    )
    price = rows.mid * (1.0 + rows.iv_error)
    printed = np.vstack([rows.printed, price])
    slack = _ROUNDING + _FLOATING * np.abs(printed) + np.abs(moved - low)
    if np.any(error):
        slack += np.abs(_modelled(rows, years + error, rate.value, rows.iv) - low)
    loose = solver_error(rows.mid)
    slack[VALUES.index("lambda")] += np.abs(rows.greek("lambda")) * loose / rows.mid
    slack[VALUES.index(PRICE)] += _ROUNDING * rows.mid + loose
    near = (printed >= np.minimum(low, high) - slack) & (printed <= np.maximum(low, high) + slack)
    return np.asarray(near | np.isnan(printed))


def _modelled(rows: Rows, years: Floats, rate: float, volatility: Floats) -> Floats:
    found = vendor_model.values(rows.spot, rows.strike, rows.call, years, rate, volatility)
    return np.stack(
        [found.delta, found.theta, found.vega, found.rho, found.epsilon, found.elasticity, found.price]
    )


def _shares(rows: Rows, times: _Times, rate: Rate, bounds: Ints) -> Floats:
    """The share of each chain's records that are explained: (clocks, values, chains)."""
    lines = zip(times.years, times.errors, strict=True)
    found = np.stack([explained(rows, years, rate, error) for years, error in lines]).astype(np.float64)
    return _sums(found, bounds) / np.maximum(1, np.diff(bounds))


def _sums(values: Floats, bounds: Ints) -> Floats:
    """The sums of each chain's *values*, along the last axis."""
    summed = np.concatenate([np.zeros((*values.shape[:-1], 1)), values.cumsum(axis=-1)], axis=-1)
    return np.asarray(np.diff(summed[..., bounds], axis=-1))


def _rates(rows: Rows, lines: Sequence[tuple[Floats, Floats]], bounds: Ints) -> list[tuple[_Witness, Rate]]:
    """The rates that most chains tell by one of the times (with their errors) and one witness."""
    return [
        (witness, rate)
        for witness in (_by_delta, _by_price)
        for line in lines
        if (rate := _agreed(_each(_told(witness, rows, *line), bounds))) is not None
    ]


def _told(witness: _Witness, rows: Rows, years: Floats, error: Floats) -> tuple[Floats, Floats]:
    """The rate by a *witness*, and its error with that of the time."""
    rate, off = witness(rows, years)
    if error.any():
        off = off + np.abs(witness(rows, years + error)[0] - rate)
    return rate, off


def _by_delta(rows: Rows, years: Floats) -> tuple[Floats, Floats]:
    """The rate that each record's delta tells, and its error by what is cut off; NaN where it tells none."""
    printed = np.abs(rows.greek("delta"))
    usable = (printed > _LEVERS[0]) & (printed < _LEVERS[1])
    delta = np.where(usable, rows.untruncated("delta"), np.nan)
    sigma, root = rows.iv + 0.5 * PRINTED, np.sqrt(years)
    d1 = normal.d1_of(delta, rows.call)
    rate = (d1 * sigma * root - np.log(rows.spot / rows.strike)) / years - 0.5 * sigma * sigma
    of_delta = sigma / (normal.density_at(d1) * root)
    return rate, 0.5 * PRINTED * (of_delta + np.abs(d1 / root - sigma))


def _by_price(rows: Rows, years: Floats) -> tuple[Floats, Floats]:
    """The rate that each record's price tells, by Newton's method, and its error; NaN where none."""
    error = rows.iv_error + np.copysign(0.5 * PRINTED, rows.iv_error)
    target = rows.mid * (1.0 + np.where(rows.iv_error == 0.0, 0.0, error))
    sigma, rate = rows.iv + 0.5 * PRINTED, np.full(len(rows), _START)
    for _ in range(_STEPS):
        found = vendor_model.values(rows.spot, rows.strike, rows.call, years, rate, sigma)
        rate = np.clip(rate - (found.price - target) / found.rho, -_WIDEST, _WIDEST)
    tells = (np.abs(found.rho) > _LEVERS[0] * rows.strike * years) & (np.abs(rate) < _WIDEST)
    off = (0.5 * PRINTED * (found.vega + rows.mid) + solver_error(rows.mid)) / np.abs(found.rho)
    return np.where(tells, rate, np.nan), off


def _each(told: tuple[Floats, Floats], bounds: Ints) -> list[Rate | None]:
    """What each chain's records tell together: their median, with the median of their errors."""
    rates: list[Rate | None] = []
    for first, last in itertools.pairwise(bounds):
        value, error = told[0][first:last], told[1][first:last]
        known = np.isfinite(value)
        enough = np.count_nonzero(known) >= _FEWEST
        rates.append(Rate(float(np.median(value[known])), float(np.median(error[known]))) if enough else None)
    return rates


def _agreed(chains: Sequence[Rate | None]) -> Rate | None:
    """The rate most chains tell: the mean of those that agree with it, each by its precision.

    A chain of years tells its rate fifty times more precisely than one of days, and has no more votes.
    """
    known = [rate for rate in chains if rate is not None]
    if not known:
        return None
    value, error = np.array([[rate.value, rate.error] for rate in known]).T
    apart = np.abs(value[:, np.newaxis] - value)
    votes = np.count_nonzero(apart <= _SURE * error, axis=1)
    chosen = np.lexsort((error, -votes))[0]
    agree = apart[chosen] <= error + error[chosen]
    weights = error[agree] ** -2.0
    found = Rate(float(weights @ value[agree] / weights.sum()), 2.0 * float(error[agree].min()))
    return found if found.error <= _TOO_LOOSE else None
