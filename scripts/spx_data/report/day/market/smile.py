"""The smile of one chain at a few moments: by strike, and by delta."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spx_data.quality import smile
from spx_data.quality.checks import Floats, Ints
from spx_data.quality.panel import CALL, PUT, Panel
from spx_data.quality.parity import Fit
from spx_data.report.day.market.grid import Grid

# Of calls; those above a half are puts of one less: 0.95 is a put of -0.05.
DELTAS = tuple(round(0.95 - 0.05 * step, 2) for step in range(19))

# Standard deviations from the forward: where there are quotes that say something, and how far apart points
# can be told apart.
FURTHEST = (-6.0, 4.0)
_APART = 0.1


@dataclass(frozen=True)
class Smile:
    """A chain at one moment, out of the money: puts below the forward, calls above it."""

    forward: float  # dollars
    deviation: float  # of ln(strike / forward) until the expiration: iv at the money times the root of T
    strikes: Floats  # dollars; none where the deviation is not known
    iv: Floats
    by_delta: Floats  # iv at `DELTAS`; NaN beyond the strikes that there are


def at_moments(panel: Panel, fit: Fit, iv: Floats, grid: Grid) -> list[Smile | None]:
    """The smile at each of the grid's moments, with *iv* at the money; None where the chain has no stamp.

    At a moment without *iv* the yardstick of strikes is that of the stamps around it.
    """
    there = np.flatnonzero(np.isfinite(iv))
    if len(there):
        iv = np.interp(np.arange(len(iv)), there, iv[there])
    places = {int(place): stamp for stamp, place in enumerate(grid.places(panel.stamps))}
    stamps = [places.get(moment) for moment in grid.moments]
    known = [stamp for stamp in stamps if stamp is not None]
    found = dict(zip(known, _smiles(panel, fit, iv, np.array(known, dtype=np.int64)), strict=True))
    return [None if stamp is None else found.get(stamp) for stamp in stamps]


def _smiles(panel: Panel, fit: Fit, iv: Floats, stamps: Ints) -> list[Smile]:
    outside = smile.out_of_the_money(panel, fit)[:, :, stamps]
    good = outside & smile.in_range(panel)[:, :, stamps]
    volatility, delta = panel.grid("implied_vol")[:, :, stamps], panel.grid("delta")[:, :, stamps]
    forward = smile.centre_of(panel, fit)[stamps]
    deviation = iv[stamps] * np.sqrt(smile.years(panel)[stamps])
    # Each strike is out of the money on one side alone.
    right = np.where(outside[CALL], CALL, PUT)[np.newaxis]
    there, line, deltas = (
        np.take_along_axis(grid, right, axis=0)[0] for grid in (good, volatility, delta + (delta < 0.0))
    )
    return [
        _smile(panel.strikes[there[:, at]], line[there[:, at], at], deltas[there[:, at], at], *around)
        for at, around in enumerate(zip(forward.tolist(), deviation.tolist(), strict=True))
    ]


def _smile(strikes: Floats, iv: Floats, delta: Floats, forward: float, deviation: float) -> Smile:
    with np.errstate(invalid="ignore", divide="ignore"):
        away = np.log(strikes / forward) / deviation
    shown = np.flatnonzero((away >= FURTHEST[0]) & (away <= FURTHEST[1]))
    _, first = np.unique(np.floor(away[shown] / _APART), return_index=True)
    shown = shown[first]
    return Smile(forward, deviation, strikes[shown], iv[shown], _by_delta(delta, iv))


def _by_delta(delta: Floats, iv: Floats) -> Floats:
    """The volatility at each of `DELTAS`, on straight lines between the strikes' own."""
    known = np.flatnonzero((delta > 0.0) & (delta < 1.0))  # the vendor writes 0 where it knows none
    order = known[np.argsort(delta[known], kind="stable")]
    if not len(order):
        return np.full(len(DELTAS), np.nan)
    return np.interp(DELTAS, delta[order], iv[order], left=np.nan, right=np.nan)
