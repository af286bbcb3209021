"""First-order Greeks the way the vendor computes them, flaws included.

European Black-Scholes without dividends, solved on the midpoint; time in whole
calendar days; a price tolerance instead of an exact root; four decimals cut off,
never rounded; and sentinels instead of nulls wherever there is no answer.
"""

from dataclasses import dataclass, fields
from datetime import date
from enum import Enum

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from theta_simulator import sessions
from theta_simulator.chance import Floats, Ints

Mask = npt.NDArray[np.bool_]

FAILED = 100.0
_TOLERANCE = 0.001
_HIGHEST_VOL = 100.0
_NEWTON_STEPS = 8
_BISECTIONS = 60
_LEAST_MODEL_PRICE = 1e-9
_ROOT_TWO_PI = np.sqrt(2.0 * np.pi)


class Version(Enum):
    """A dialect of the vendor's Greeks."""

    LATEST = "latest"
    ONE = "1"
    V2 = "v2"
    NONE = "none"  # rows of quotes

    @property
    def guess(self) -> float:
        """The volatility left standing where the search has nothing to find."""
        return 0.5 if self is Version.V2 else 0.25

    def years(self, day: date, label: date, stamps: Ints) -> Floats:
        """Return the time to expiry assumed at each stamp of *day*."""
        whole_days = (label - day).days
        if whole_days > 0:
            return np.full(len(stamps), whole_days / 365.0)
        if self in (Version.LATEST, Version.NONE):
            left = np.maximum(sessions.REGULAR_CLOSE - stamps, sessions.HOUR)
            return np.asarray(left / (365.0 * sessions.DAY))
        return np.full(len(stamps), 0.15 / 365.0)


@dataclass(frozen=True)
class Inputs:
    """What the vendor knows about each row; arrays of one length."""

    spot: Floats
    strike: Floats
    call: Mask
    years: Floats
    rate: float
    mid: Floats


@dataclass(frozen=True)
class Greeks:
    """One column per Greek, cut to four decimals."""

    delta: Floats
    theta: Floats
    vega: Floats
    rho: Floats
    epsilon: Floats
    lambda_: Floats
    implied_vol: Floats
    iv_error: Floats


def first_order(rows: Inputs, deviation: Floats, guess: float) -> Greeks:
    """Solve and differentiate; *deviation* (vol times root time) is where the search starts."""
    priced = rows.spot > 0.0
    discounted = rows.strike * np.exp(-rows.rate * rows.years)
    side = np.where(rows.call, 1.0, -1.0)
    inside = np.maximum(side * (rows.spot - discounted), 0.0)
    extra = rows.mid - inside
    intrinsic = priced & (extra <= _TOLERANCE) & (inside > 0.0)
    solvable = priced & ~intrinsic & (rows.mid > 0.0)

    vol = np.full(len(rows.mid), guess)
    log_moneyness = np.log(np.where(priced, rows.spot, 1.0) / discounted)
    vol[solvable] = _solve(
        np.abs(log_moneyness[solvable]),
        np.sqrt(rows.spot[solvable] * discounted[solvable]),
        extra[solvable],
        np.sqrt(rows.years[solvable]),
        deviation[solvable],
    )
    unsolved = np.isnan(vol)
    vol[unsolved] = guess

    columns = _textbook(rows, side, discounted, log_moneyness, vol)
    for name in ("theta", "vega", "rho", "epsilon", "lambda_"):
        columns[name][intrinsic | ~priced] = 0.0
    columns["delta"][intrinsic] = side[intrinsic]
    columns["delta"][~priced] = 0.0
    model = np.where(intrinsic, inside, columns.pop("model"))
    failed = unsolved | ~priced | (rows.mid <= 0.0)
    error = np.where(failed, FAILED, model / np.where(failed, 1.0, rows.mid) - 1.0)
    vol[intrinsic | ~priced] = 0.0
    return Greeks(
        **{name: cut(column) for name, column in columns.items()}, implied_vol=cut(vol), iv_error=cut(error)
    )


def unsolved(rows: int) -> Greeks:
    """Return zeros for so many rows."""
    nothing = np.zeros(rows)
    return Greeks(*[nothing] * len(fields(Greeks)))


def at(rows: Inputs, vol: Floats) -> Greeks:
    """Differentiate at volatilities that were not solved for; the error says how far off their prices are."""
    side = np.where(rows.call, 1.0, -1.0)
    discounted = rows.strike * np.exp(-rows.rate * rows.years)
    columns = _textbook(rows, side, discounted, np.log(rows.spot / discounted), vol)
    error = columns.pop("model") / rows.mid - 1.0
    return Greeks(
        **{name: cut(column) for name, column in columns.items()}, implied_vol=cut(vol), iv_error=cut(error)
    )


def cut(column: Floats) -> Floats:
    """Truncate toward zero to four decimals; a negative zero becomes plain zero."""
    return np.asarray(np.trunc(column * 1e4) / 1e4 + 0.0)


def _textbook(
    rows: Inputs, side: Floats, discounted: Floats, log_moneyness: Floats, vol: Floats
) -> dict[str, Floats]:
    """Return the model price and its derivatives at *vol*, per day and per 1.00."""
    root = np.sqrt(rows.years)
    deviation = vol * root
    d1 = log_moneyness / deviation + 0.5 * deviation
    exercised = side * ndtr(side * (d1 - deviation))
    delta = side * ndtr(side * d1)
    density = np.exp(-0.5 * d1 * d1) / _ROOT_TWO_PI
    model = np.maximum(rows.spot * delta - discounted * exercised, 0.0)
    decay = -rows.spot * density * vol / (2.0 * root) - rows.rate * discounted * exercised
    worth = model > _LEAST_MODEL_PRICE
    return {
        "delta": delta,
        "theta": decay / 365.0,
        "vega": rows.spot * density * root,
        "rho": discounted * rows.years * exercised,
        "epsilon": -rows.spot * rows.years * delta,
        "lambda_": np.where(worth, delta * rows.spot / np.where(worth, model, 1.0), 0.0),
        "model": model,
    }


def _solve(distance: Floats, scale: Floats, extra: Floats, root: Floats, start: Floats) -> Floats:
    """Return the volatility whose time value is *extra*; NaN where none exists.

    A call and a put share one time value, so the search runs on the option out of the
    money at log-distance *distance*, in units of *scale*. Newton on the logarithm of the
    price neither overshoots nor stalls in the wings; bisection takes what it leaves.
    """
    target, tolerance = extra / scale, _TOLERANCE / scale
    deviation = np.maximum(start, 1e-6)
    open_rows = np.arange(len(target))
    for _ in range(_NEWTON_STEPS):
        guess = deviation[open_rows]
        price, slope = _time_value(distance[open_rows], guess)
        with np.errstate(all="ignore"):
            step = price / slope * np.log(target[open_rows] / price)
        missed = np.abs(price - target[open_rows]) > tolerance[open_rows]
        open_rows, guess, step = open_rows[missed], guess[missed], step[missed]
        if not len(open_rows):
            return np.asarray(deviation / root)
        deviation[open_rows] = np.clip(np.nan_to_num(guess + step, nan=1.0), guess / 4.0, guess * 4.0)
    deviation[open_rows] = _bisect(
        distance[open_rows], target[open_rows], tolerance[open_rows], _HIGHEST_VOL * root[open_rows]
    )
    return np.asarray(deviation / root)


def _bisect(distance: Floats, target: Floats, tolerance: Floats, highest: Floats) -> Floats:
    """Halve the bracket until the price fits; NaN where even *highest* is too cheap."""
    low, high = np.full(len(target), 1e-9), highest.copy()
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        too_cheap = _time_value(distance, middle)[0] < target
        low, high = np.where(too_cheap, middle, low), np.where(too_cheap, high, middle)
    found = np.abs(_time_value(distance, high)[0] - target) <= tolerance
    return np.where(found, high, np.nan)


def _time_value(distance: Floats, deviation: Floats) -> tuple[Floats, Floats]:
    """Return the scaled price of the option out of the money, and its slope."""
    upper = -distance / deviation + 0.5 * deviation
    half = np.exp(-0.5 * distance)
    price = half * ndtr(upper) - ndtr(upper - deviation) / half
    slope = half * np.exp(-0.5 * upper * upper) / _ROOT_TWO_PI
    return np.maximum(price, 0.0), slope
