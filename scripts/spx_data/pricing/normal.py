"""The normal distribution: probabilities with full relative precision however far out, densities, quantiles.

All of it comes from Mills' ratio, tail over density, which is smooth and never under- or overflows: as
Shepherd & Laframboise (1981), Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf, do it,
one polynomial in u = (t - 5.5) / (t + 5.5) serves all t >= 0. Its coefficients were interpolated for this
module; it is within 2e-15 of the truth, relatively (tests/unit/pricing/test_normal.py). A library for it
would cost each short job more to load than a large date has to compute (docs/decisions/0019).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]

ROOT_TWO_PI = math.sqrt(2.0 * math.pi)
_CENTRE, _SHIFT = 5.5, 1.5
# Of (t + _SHIFT) times the ratio, that of the highest power of u first.
_RATIO = (
    -1.3052557754301012e-10,
    -5.81782441065609e-09,
    4.2200532348212005e-09,
    6.968110902070514e-08,
    -6.979399667313703e-08,
    -5.068095037363623e-07,
    9.142833795322021e-07,
    2.754776217019203e-06,
    -1.0327431377955881e-05,
    -4.444470526358057e-06,
    9.112409400800114e-05,
    -0.00018189113503929753,
    -0.00027190955411061327,
    0.002656835236844693,
    -0.008794428827533226,
    0.0188967296676107,
    -0.02805812452986801,
    0.023600612022350368,
    0.012968558387754823,
    -0.09729306759899195,
    0.22979896196912167,
    -0.387662688538871,
    1.234260900299719,
)


def mills(distance: Floats) -> Floats:
    """Mills' ratio: the probability beyond a *distance* (not negative) over the density there."""
    u = (distance - _CENTRE) / (distance + _CENTRE)
    found = _RATIO[0] * u
    for coefficient in _RATIO[1:-1]:
        found += coefficient
        found *= u
    found += _RATIO[-1]
    found /= distance + _SHIFT
    return np.asarray(found)


def density_at(deviations: Floats) -> Floats:
    """The density of the normal distribution."""
    return np.asarray(np.exp(-0.5 * deviations * deviations) / ROOT_TWO_PI)


def probability(deviations: Floats) -> Floats:
    """The normal distribution: how probable a smaller deviation is."""
    tail = density_at(deviations) * mills(np.abs(deviations))
    return np.where(deviations > 0.0, 1.0 - tail, tail)


def d1_of(delta: Floats, call: Mask) -> Floats:
    """The d1 whose normal probability is a *delta*: infinite at 0 and 1, NaN outside of them."""
    probabilities = np.where(call, delta, 1.0 + delta)
    found = np.full(probabilities.shape, np.nan)
    found[probabilities == 0.0], found[probabilities == 1.0] = -np.inf, np.inf
    inside = (probabilities > 0.0) & (probabilities < 1.0)
    found[inside] = [*map(NormalDist().inv_cdf, probabilities[inside].tolist())]
    return found
