"""Bid and ask around a model value, rounded outward to ticks.

Rounding outward keeps the model value inside every spread, so quotes inherit the
model's absence of arbitrage: no pair of quotes can be traded against another.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from theta_simulator import chance, sessions
from theta_simulator.chance import Floats, Ints

_WIDE_TICK_FROM = 3.00
_HALF_HOUR = 30 * sessions.MINUTE


@dataclass(frozen=True)
class Quotes:
    """Bid and ask on a grid of contracts (rows) and stamps (columns); both 0 means no market."""

    bid: Floats
    ask: Floats


def quotes(
    base: int, contract: Ints, stamps: Ints, value: Floats, time_value: Floats, *, pennies: bool = False
) -> Quotes:
    """Quote each contract at each stamp."""
    row, column = contract[:, np.newaxis], stamps[np.newaxis, :]
    inside = value - time_value
    mood = 0.7 + 0.6 * chance.uniform(base, row, column // 1000)
    half = (0.02 + 0.02 * np.sqrt(time_value) + 0.002 * time_value + 0.0025 * inside) * mood
    if pennies:
        bid, ask = (
            np.maximum(np.floor(100.0 * (value - half)), 0.0) / 100.0,
            np.ceil(100.0 * (value + half)) / 100.0,
        )
    else:
        bid, ask = _floor(value - half), _ceil(value + half)
    absent = _no_market(base, row, column, value, inside)
    return Quotes(np.where(absent, 0.0, bid), np.where(absent, 0.0, ask))


def first_quote(base: int, contract: Ints) -> Ints:
    """Return when each contract is first quoted: at the open, or minutes later for a few."""
    chosen = chance.uniform(base, contract, np.array([1]))
    delay = (chance.uniform(base, contract, np.array([2])) * 14.5 * sessions.MINUTE).astype(np.int64)
    return np.where(chosen < 0.02, sessions.OPEN + 30_000 + delay, sessions.OPEN)


def ever_quoted(base: int, contract: Ints) -> npt.NDArray[np.bool_]:
    """Say which contracts have any quote."""
    return chance.uniform(base, contract, np.array([3])) >= 0.01


def _no_market(base: int, row: Ints, column: Ints, value: Floats, inside: Floats) -> npt.NDArray[np.bool_]:
    """Say where nobody quotes: half hours of worthless and of very deep contracts."""
    draw = chance.uniform(base, row, column // _HALF_HOUR, np.array([4]))
    worthless = (value < 0.02) & (draw < 0.03)
    deep = (inside > 1000.0) & (draw < 0.004)
    return np.asarray(worthless | deep)


def _floor(price: Floats) -> Floats:
    """Round down to a tick, to 0 at least."""
    nickels = np.floor(price * 20.0)
    dimes = 2.0 * np.floor(price * 10.0)
    return np.maximum(np.where(price < _WIDE_TICK_FROM, nickels, dimes), 0.0) / 20.0


def _ceil(price: Floats) -> Floats:
    """Round up to a tick, to one tick at least."""
    nickels = np.ceil(price * 20.0)
    dimes = 2.0 * np.ceil(price * 10.0)
    return np.maximum(np.where(price <= _WIDE_TICK_FROM, nickels, dimes), 1.0) / 20.0
