"""Options that may be exercised at any time, by the approximation of Ju & Zhong.

Ju & Zhong (1999), An Approximate Formula for Pricing American Options, Journal of Derivatives 7(2): the
quadratic approximation of Barone-Adesi & Whaley (1987) with a correction, so that a price is the European
one of `black76` and a premium in closed form, but for the price of the underlying at which exercise pays
(`critical`), found by Newton's method. Dividends are a yield: that which the forward implies, q = r - ln(F
/ S) / T with D = exp(-r T).

Its error against QuantLib's engine of Andersen, Lake & Offengenden is stated in docs/data.md and held by
tests/unit/pricing/test_american.py. Arguments and units are those of `black76`, and *spot* is the
underlying's price; delta is per dollar of it at a constant yield.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spx_data.pricing import black76, normal
from spx_data.pricing.black76 import DAYS, Options, Values
from spx_data.pricing.normal import Floats, Ints, Mask

_TOGETHER, _TRIES = 2, 12  # steps to the critical price that all take, and how often those not there again
_CLOSE = 1e-3  # of a standard deviation: a step's error is its square
LEAST = 0.6  # what the correction may divide by: a few days before the end it would fail at less
_NEXT_TO_NOTHING = 1e-11  # dollars per dollar of the strike
NOTHING = 1e-6  # a rate, or a yield: for less nobody exercises a put, or a call, early
_BUMP = 1e-4  # of a volatility and of a rate, for derivatives of the premium
_STEPS = 40  # to a volatility
_ROUNDING = 1e-12  # of the strike
_NEAR = 1e-10  # dollars per dollar of the strike, that the price at a volatility may be off


class Terms(NamedTuple):
    """What the approximation is made of, but for the volatility; arrays of one shape."""

    spot: Floats
    strike: Floats
    side: Floats  # 1 of a call, -1 of a put
    years: Floats
    rate: Floats
    dividends: Floats  # the yield

    @classmethod
    def of(cls, options: Options, spot: Floats) -> Terms:
        """The terms of *options* while the underlying is at *spot*."""
        forward, discount, strike, call, years = options
        rate = -np.log(discount) / years
        return cls(
            *(spot, strike, np.where(call, 1.0, -1.0), years, rate), rate - np.log(forward / spot) / years
        )

    def at(self, rows: Ints | Mask) -> Terms:
        """Those of some rows."""
        return Terms(*(each[rows] for each in self))


class Premium(NamedTuple):
    """What early exercise is worth beyond the European price, and its derivatives by the spot."""

    value: Floats  # dollars
    delta: Floats
    gamma: Floats
    exercised: Mask  # where it pays at once
    critical: Floats  # the spot from which it does


@np.errstate(all="ignore")
def values(options: Options, volatility: Floats, spot: Floats, critical: Floats | None = None) -> Values:
    """Value American *options*; NaN where there are no years left, or no *volatility*.

    *critical* is about the spot from which exercise pays, where that is known.
    Theta is what the equation of Black & Scholes leaves for it; vega and rho of the premium are differences.
    """
    terms, european = Terms.of(options, spot), black76.values(options, volatility)
    paid = np.exp(-terms.dividends * terms.years)
    premium = premium_of(terms, volatility, critical)
    bumped = premium_of(terms, volatility + _BUMP, premium.critical)
    dearer = premium_of(terms._replace(rate=terms.rate + _BUMP), volatility, premium.critical)
    exercised, side = premium.exercised, terms.side

    price = np.where(exercised, side * (spot - terms.strike), european.price + premium.value)
    delta = np.where(exercised, side, european.delta * paid + premium.delta)
    gamma = np.where(exercised, 0.0, european.gamma * paid * paid + premium.gamma)
    carried = terms.rate * price - (terms.rate - terms.dividends) * spot * delta
    theta = (carried - 0.5 * np.square(volatility * spot) * gamma) / DAYS
    vega = european.vega + (bumped.value - premium.value) / _BUMP
    rho = european.rho + (dearer.value - premium.value) / _BUMP
    return Values(
        price=np.where(np.isnan(european.price), np.nan, price),
        delta=delta,
        gamma=gamma,
        theta=np.where(exercised, 0.0, theta),
        vega=np.where(exercised, 0.0, vega),
        rho=np.where(exercised, 0.0, rho),
    )


@np.errstate(all="ignore")
def premium_of(terms: Terms, volatility: Floats, start: Floats | None = None) -> Premium:
    """The premium of early exercise, 0 where it is next to nothing; *start* is about where exercise pays."""
    rows = np.flatnonzero(_most(terms, volatility) > _NEXT_TO_NOTHING * terms.strike)
    found = _premium(terms.at(rows), volatility[rows], None if start is None else start[rows])
    nought = np.zeros_like(volatility)
    whole = Premium(
        nought, nought.copy(), nought.copy(), nought.astype(np.bool_), np.full_like(nought, np.nan)
    )
    for all_of_them, part in zip(whole, found, strict=True):
        all_of_them[rows] = part
    return whole


def _most(terms: Terms, volatility: Floats) -> Floats:
    """What the premium is less than: all that exercise can save, times how probable it is in the end.

    It never pays within the strike, nor within r / q times the strike; NaN where nobody exercises early.
    """
    spot, strike, side, years, rate, dividends = terms
    root = volatility * np.sqrt(years)
    away = side * np.log(_limit(terms) / spot)
    drift = np.maximum(side * (rate - dividends) + 0.5 * np.square(volatility), 0.0) * years
    saved = np.where(side > 0.0, -np.expm1(-dividends * years) * spot, -np.expm1(-rate * years) * strike)
    possible = np.where(side > 0.0, dividends, rate) > NOTHING
    return np.where(possible, saved * normal.probability((drift - away) / root), np.nan)


def _limit(terms: Terms) -> Floats:
    """The spot beyond which exercise saves anything; it pays beyond it only."""
    _, strike, side, years, rate, dividends = terms
    interest, yielded = -np.expm1(-rate * years) * strike, -np.expm1(-dividends * years)
    least = np.where(interest > 0.0, interest / np.maximum(yielded, 1e-300), 0.0)
    found = np.where(side > 0.0, np.maximum(strike, least), np.minimum(strike, least))
    return np.where((side < 0.0) & (yielded <= 0.0), strike, found)


def _premium(terms: Terms, volatility: Floats, start: Floats | None) -> Premium:
    """The same where it is something.

    Notation is the paper's; what the premium is made of stands in `Shape`.
    """
    spot, side = terms.spot, terms.side
    shape = shape_of(terms, volatility, start)
    away = np.log(spot / shape.critical)
    rest = 1.0 - away * (shape.b * away + shape.c)
    kept = rest > LEAST
    b, c = np.where(kept, shape.b, 0.0), np.where(kept, shape.c, 0.0)
    rest = np.where(kept, rest, LEAST)
    value = shape.most * np.exp(shape.power * away) / rest
    turn = (2.0 * b * away + c) / rest
    slope = shape.power + turn
    bend = slope * slope + 2.0 * b / rest + turn * turn

    early = value > 0.0
    return Premium(
        value=np.where(early, value, 0.0),
        delta=np.where(early, value * slope / spot, 0.0),
        gamma=np.where(early, value * (bend - slope) / np.square(spot), 0.0),
        exercised=side * away >= 0.0,
        critical=shape.critical,
    )


class Shape(NamedTuple):
    """What the premium is made of beside the spot: most exp(power y) / (1 - y (b y + c)), y = ln(S / S*)."""

    critical: Floats  # S*, the spot from which exercise pays
    most: Floats  # dollars: the premium there
    power: Floats
    b: Floats
    c: Floats


def shape_of(terms: Terms, volatility: Floats, start: Floats | None = None) -> Shape:
    """The premium's shape, whatever the spot: *start* is about where exercise pays.

    Notation is the paper's: h = 1 - exp(-r T), and alpha / h for what stays finite where r is 0.
    """
    _, strike, side, years, rate, dividends = terms
    critical = critical_of(terms, volatility, start)
    roots = _roots(terms, volatility)
    at = _european(terms, volatility, critical)
    # hA, which is side * (S* - K) - V(S*); as the critical price has it, without cancellation.
    most = (
        critical * (-np.expm1(-dividends * years) + np.exp(-dividends * years) * at.out) / np.abs(roots.power)
    )
    tilt = np.exp(-rate * years) / roots.root
    rise = 0.5 * critical * at.density * volatility / np.sqrt(years) - side * dividends * critical * at.n1
    by_h = (
        2.0
        / np.square(volatility)
        * (rise * np.exp((rate - dividends) * years) + side * rate * strike * at.n2)
    )
    b = -0.5 * tilt * np.square(roots.alpha_h) / roots.root
    c = -side * tilt * (by_h / most + roots.alpha_h - np.square(roots.alpha_h / roots.root))
    return Shape(critical, most, roots.power, b, c)


class _Roots(NamedTuple):
    alpha_h: Floats
    root: Floats
    power: Floats  # lambda


def _roots(terms: Terms, volatility: Floats) -> _Roots:
    variance = np.square(volatility)
    grown = terms.rate * terms.years
    alpha_h = 2.0 / (variance * terms.years) * np.where(np.abs(grown) < 1e-12, 1.0, grown / -np.expm1(-grown))
    beta = 2.0 * (terms.rate - terms.dividends) / variance - 1.0
    root = np.sqrt(beta * beta + 4.0 * alpha_h)
    return _Roots(alpha_h, root, 0.5 * (terms.side * root - beta))


class _European(NamedTuple):
    n1: Floats  # N(side d1)
    n2: Floats
    out: Floats  # 1 - n1
    density: Floats  # at d1


def _european(terms: Terms, volatility: Floats, spot: Floats) -> _European:
    """The European option, was the underlying at *spot*."""
    _, strike, side, years, rate, dividends = terms
    deviation = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate - dividends) * years) / deviation + 0.5 * deviation
    n1, n2 = normal.probability(side * d1), normal.probability(side * (d1 - deviation))
    return _European(n1, n2, normal.probability(-side * d1), normal.density_at(d1))


def critical_of(terms: Terms, volatility: Floats, start: Floats | None = None, tries: int = _TRIES) -> Floats:
    """The spot from which exercise pays: above it of a call, below it of a put.

    There what exercise saves, the dividends of a call and the interest of a put, is the value of the other
    option and the slope of the premium. Both sides are small and fall off like a density, so that Newton's
    method goes by their logarithms.
    """
    _, strike, side, years, rate, dividends = terms
    power, root = np.abs(_roots(terms, volatility).power), volatility * np.sqrt(years)
    paid, interest = np.exp(-dividends * years), -np.expm1(-rate * years) * strike
    yielded, limit = -np.expm1(-dividends * years), _limit(terms)
    found = limit * np.exp(2.0 * side * root)
    if start is not None:
        found = np.where(np.isfinite(start), start, found)
    step = np.zeros_like(found)
    for _ in range(_TOGETHER):
        d1 = (np.log(found / strike) + (rate - dividends) * years) / root + 0.5 * root
        out1, out2 = normal.probability(-side * d1), normal.probability(side * (root - d1))
        other = -side * (found * paid * out1 - strike * np.exp(-rate * years) * out2)
        kept = yielded + paid * out1
        saved = side * (found * yielded - interest)
        lost = np.maximum(other, 0.0) + found * kept / power
        falls = found * ((kept - side * paid * normal.density_at(d1) / root) / power - side * paid * out1)
        step = np.log(lost / saved) / (side * found * yielded / saved - falls / lost)
        taken = found * np.exp(np.clip(step, -3.0 * root, 3.0 * root))
        beyond = side * (taken - limit) <= 0.0
        found = np.where(beyond | np.isnan(taken), np.sqrt(found * limit), taken)
    if tries and len(rest := np.flatnonzero(np.abs(step) > _CLOSE * root)):
        found[rest] = critical_of(terms.at(rest), volatility[rest], found[rest], tries - 1)
    return np.asarray(found)


class Implied(NamedTuple):
    """A volatility, and what the search for it knows at its end."""

    volatility: Floats
    premium: Floats
    critical: Floats

    def at(self, rows: Ints) -> Implied:
        """Those of some rows."""
        return Implied(*(each[rows] for each in self))


@np.errstate(all="ignore")
def implied(options: Options, price: Floats, spot: Floats, start: Implied | None = None) -> Implied:
    """The volatility at which options are worth their *price*; NaN where there is none, as in `black76`.

    Nor is there one for a price that exercise at once would pay, or less. *start* is what is known of about
    the same price.

    The search begins at the volatility of a European option of that price less the premium, and takes
    Newton's steps between brackets, the premium's slope being that of the last two.
    """
    found = black76.implied(options, price, start and start.volatility)
    terms = Terms.of(options, spot)
    held = price - terms.side * (spot - terms.strike) > _ROUNDING * terms.strike
    rows = np.flatnonzero(held & np.isfinite(found))
    premium, critical = np.full_like(found, np.nan), np.full_like(found, np.nan)
    result = Implied(np.full_like(found, np.nan), premium, critical)
    if len(rows):
        search = _Search(options.at(rows), terms.at(rows), price[rows], found[rows])
        for whole, part in zip(result, search.run(start.at(rows) if start else None), strict=True):
            whole[rows] = part
    return result


class _Search:
    """Rows on their way to a volatility; those that are there take no further steps."""

    def __init__(self, options: Options, terms: Terms, price: Floats, above: Floats) -> None:
        self._options, self._terms, self._price = options, terms, price
        self._low, self._high = np.zeros_like(above), above.copy()
        self._rows = np.arange(len(above))

    def run(self, start: Implied | None) -> Implied:
        """Step until all are there."""
        found = Implied(self._high.copy(), np.zeros_like(self._high), np.zeros_like(self._high))
        at, critical, before = self._high, None, None
        if start is not None:
            known = np.isfinite(start.premium)
            rest = self._price - np.where(known, start.premium, 0.0)
            guess = black76.implied(self._options, rest, start.volatility)
            at, critical = np.where(guess < self._high, guess, self._high), start.critical
        for _ in range(_STEPS):
            premium = premium_of(self._terms, at, critical)
            taken, going = self._taken(at, premium, before)
            for whole, part in zip(found, (at, premium.value, premium.critical), strict=True):
                whole[self._rows] = part
            if not going.any():
                break
            before = premium.value[going], at[going]
            at, critical = taken[going], premium.critical[going]
            self._keep(going)
        return found

    def _taken(
        self, at: Floats, premium: Premium, before: tuple[Floats, Floats] | None
    ) -> tuple[Floats, Mask]:
        """Where the next step leads, and for which rows it is needed."""
        terms, european = self._terms, black76.values(self._options, at)
        worth = np.where(
            premium.exercised, terms.side * (terms.spot - terms.strike), european.price + premium.value
        )
        off, slope = worth - self._price, european.vega
        if before is not None:
            bend = (premium.value - before[0]) / (at - before[1])
            slope = np.where(np.isfinite(bend), np.maximum(slope + bend, 0.01 * slope), slope)
        self._low = np.where(off < 0.0, at, self._low)
        self._high = np.where(off > 0.0, at, self._high)
        taken = at - off / slope
        inside = (taken > self._low) & (taken < self._high) & ~premium.exercised
        taken = np.where(inside, taken, 0.5 * (self._low + self._high))
        return taken, (np.abs(off) > _NEAR * terms.strike) & (self._high - self._low > 1e-12 * self._high)

    def _keep(self, going: Mask) -> None:
        self._options = self._options.at(going)
        self._terms, self._rows = self._terms.at(going), self._rows[going]
        self._price, self._low, self._high = self._price[going], self._low[going], self._high[going]
