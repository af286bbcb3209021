"""What explains a day's greeks: the rate, and the way each chain counts the time it has left.

Neither is on the wire. The rate is inferred from deltas and, should these be what is wrong, from prices; of
the rates and the ways to count time that are found so, those are taken that explain most values. Every value
is printed truncated to four decimals, the volatility too, so one is explained when it lies in the range that
the volatilities printed alike allow. What a vendor got absurdly wrong may overflow on the way: it is then not
explained, which is all there is to say about it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from spx_data.quality import black_scholes
from spx_data.quality.checks import Floats, Ints, Mask

GREEKS = ("delta", "theta", "vega", "rho", "epsilon", "lambda")
PRICE = "price"
VALUES = (*GREEKS, PRICE)
PRINTED = 1e-4  # the last decimal of every value

# How time is counted (wire-facts, section 3): whole days, and 0.15 of one on the last; or what is left until
# the close, an hour at least.
WHOLE_DAYS, TIME_LEFT, TIME_LEFT_EARLY = range(3)
CONVENTIONS = ("whole-days", "time-left", "time-left-early")
UNKNOWN = -1

_LAST_DAY = 0.15  # of a day
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_EARLIER_MS = 3 * _HOUR_MS  # a half day closes at 13:00
_ROUNDING = 1.5 * PRINTED
_FLOATING = 1e-6  # relative; a vega of thousands bends by more than the last decimal between two volatilities
_CHEAP, _SOLVER = 3.0, 0.006  # dollars: what the vendor's solver is off for cheap options
_EXACT = 0.0015  # dollars: the same for all others
_LEVERS = (0.1, 0.9)  # deltas that tell a rate
_FEWEST = 5  # records that tell a chain's rate
_SURE = 2.0  # errors of a chain's rate within which it votes for another's
_TOO_LOOSE = 0.02  # an error of a rate that tells nothing
_STEPS = 6
_START = 0.03
_WIDEST = 0.5
_ANSWERS = 0.9  # of the records, for one value at least


@dataclass(frozen=True)
class Rows:
    """Records to be explained: arrays of one length."""

    spot: Floats  # dollars
    strike: Floats
    call: Mask
    days: Floats  # whole calendar days to expiration
    left: Floats  # ms until 16:00 of the expiration date
    early: Mask  # whether the chain may have ended at 13:00
    mid: Floats
    iv: Floats
    iv_error: Floats
    printed: Floats  # (greeks, records)

    def __len__(self) -> int:
        return len(self.spot)

    def at(self, where: Ints | slice) -> Rows:
        """Some of the records."""
        return Rows(*(getattr(self, field.name)[..., where] for field in fields(self)))

    def some(self, most: int) -> Rows:
        """At most *most* of the records, spread evenly."""
        return self.at(np.linspace(0, len(self) - 1, min(most, len(self))).astype(np.int64))

    def there(self) -> Mask:
        """Which of the `VALUES` each record has: (values, records)."""
        return np.isfinite(np.vstack([self.printed, self.iv_error]))

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """The records of several chains, one after the other."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names))

    def years(self) -> Floats:
        """The time to expiration by each convention: (conventions, records); NaN where one cannot apply."""
        whole = np.where(self.days > 0, self.days, _LAST_DAY) / black_scholes.DAYS
        left = np.maximum(self.left, _HOUR_MS) / (_DAY_MS * black_scholes.DAYS)
        sooner = np.maximum(self.left - _EARLIER_MS, _HOUR_MS) / (_DAY_MS * black_scholes.DAYS)
        return np.stack([whole, left, np.where(self.early, sooner, np.nan)])


@dataclass(frozen=True)
class Rate:
    """A yearly rate, continuously compounded, and how far off it can be."""

    value: float
    error: float


# Where no rate can be told, as on a last day: short times hardly need one.
ANY_RATE = Rate(0.03, 0.03)


@dataclass(frozen=True)
class Explanation:
    """What explains most of the values of a day's chains."""

    rate: Rate  # the day's, or `ANY_RATE`
    told: bool  # whether the day's records tell the rate
    chain_rates: Sequence[Rate | None]  # what each chain tells alone
    conventions: Sequence[int | None]  # of each chain: UNKNOWN where none fits, None where there is no record


@np.errstate(all="ignore")
def explain(chains: Sequence[Rows], most: int = 48) -> Explanation:
    """Find the rate and the conventions that explain most, by at most *most* records of each chain."""
    few = [rows.some(most) for rows in chains]
    rows = Rows.joined(few)
    bounds = np.cumsum([0, *(len(part) for part in few)])
    years = rows.years()
    told = [
        (witness, rate)
        for witness in (_by_delta, _by_price)
        for line in years
        if (rate := _agreed(_each(witness(rows, line), bounds))) is not None
    ]
    tried = [(witness, rate, _shares(rows, years, rate, bounds)) for witness, rate in told]
    witness, rate, share = max(
        tried or [(_by_delta, ANY_RATE, _shares(rows, years, ANY_RATE, bounds))],
        key=lambda one: round(float(one[2].sum(axis=1).max(axis=0).sum()), 6),
    )
    choice = share.sum(axis=1).argmax(axis=0)
    chosen = years[np.repeat(choice, np.diff(bounds)), np.arange(len(rows))]
    answers = share.max(axis=1).max(axis=0) >= _ANSWERS
    return Explanation(
        rate,
        bool(told),
        _each(witness(rows, chosen), bounds),
        [(int(choice[at]) if answers[at] else UNKNOWN) if len(part) else None for at, part in enumerate(few)],
    )


@np.errstate(all="ignore")
def explained(rows: Rows, years: Floats, rate: Rate) -> Mask:
    """Which of the `VALUES` of each record the model explains: (values, records)."""
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
    loose = np.where(rows.mid < _CHEAP, _SOLVER, _EXACT)
    slack[VALUES.index("lambda")] += np.abs(rows.printed[GREEKS.index("lambda")]) * loose / rows.mid
    slack[VALUES.index(PRICE)] += _ROUNDING * rows.mid + loose
    return np.asarray((printed >= np.minimum(low, high) - slack) & (printed <= np.maximum(low, high) + slack))


def _modelled(rows: Rows, years: Floats, rate: float, volatility: Floats) -> Floats:
    found = black_scholes.values(rows.spot, rows.strike, rows.call, years, rate, volatility)
    return np.stack(
        [found.delta, found.theta, found.vega, found.rho, found.epsilon, found.elasticity, found.price]
    )


def _shares(rows: Rows, years: Floats, rate: Rate, bounds: Ints) -> Floats:
    """The share of each chain's records that are explained: (conventions, values, chains)."""
    found = np.stack([explained(rows, line, rate) for line in years]).astype(np.float64)
    sums = np.concatenate([np.zeros((*found.shape[:2], 1)), found.cumsum(axis=2)], axis=2)[:, :, bounds]
    return np.asarray(np.diff(sums, axis=2) / np.maximum(1, np.diff(bounds)))


def _by_delta(rows: Rows, years: Floats) -> tuple[Floats, Floats]:
    """The rate that each record's delta tells, and its error by what is cut off; NaN where it tells none."""
    printed = rows.printed[GREEKS.index("delta")]
    usable = (np.abs(printed) > _LEVERS[0]) & (np.abs(printed) < _LEVERS[1])
    delta = np.where(usable, printed + np.copysign(0.5 * PRINTED, printed), np.nan)
    sigma, root = rows.iv + 0.5 * PRINTED, np.sqrt(years)
    d1 = black_scholes.d1_of(delta, rows.call)
    rate = (d1 * sigma * root - np.log(rows.spot / rows.strike)) / years - 0.5 * sigma * sigma
    of_delta = sigma / (black_scholes.density_at(d1) * root)
    return rate, 0.5 * PRINTED * (of_delta + np.abs(d1 / root - sigma))


def _by_price(rows: Rows, years: Floats) -> tuple[Floats, Floats]:
    """The rate that each record's price tells, by Newton's method, and its error; NaN where none."""
    error = rows.iv_error + np.copysign(0.5 * PRINTED, rows.iv_error)
    target = rows.mid * (1.0 + np.where(rows.iv_error == 0.0, 0.0, error))
    sigma, rate = rows.iv + 0.5 * PRINTED, np.full(len(rows), _START)
    for _ in range(_STEPS):
        found = black_scholes.values(rows.spot, rows.strike, rows.call, years, rate, sigma)
        rate = np.clip(rate - (found.price - target) / found.rho, -_WIDEST, _WIDEST)
    tells = (np.abs(found.rho) > _LEVERS[0] * rows.strike * years) & (np.abs(rate) < _WIDEST)
    loose = np.where(rows.mid < _CHEAP, _SOLVER, _EXACT)
    off = (0.5 * PRINTED * (found.vega + rows.mid) + loose) / np.abs(found.rho)
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
