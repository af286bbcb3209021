"""A lognormal deviation that is nearly right, by Bachelier's model: where a search begins.

Bachelier's price, of an underlying with normal moves, depends on distance over deviation alone. So its
inverse is a function of one number, as Choi, Kim & Kwak (2009), Numerical Approximation of the Implied
Volatility Under Arithmetic Brownian Motion, have it: a polynomial here, interpolated for this module. The
deviation of Black's model follows from it by its expansion for short times (Grunspan, 2011).
"""

from __future__ import annotations

import numpy as np

from spx_data.pricing.normal import Floats, Ints, Mask

# Of sqrt(eta), that of the highest power first: within 3e-6, relatively, up to nine deviations out.
_INVERSE = (
    -36.4597734478,
    223.628897445,
    -596.720173845,
    906.770742596,
    -863.250696824,
    534.944038694,
    -218.425183111,
    58.3270178056,
    -9.03246769064,
    1.01228521896,
    0.458626984495,
)
_AT_THE_MONEY = 1e-9  # of a distance: less makes no difference, and 0 would be no number
# The expansion's next terms, at the money; that of the distance is a series as well.
_SQUARE, _FOURTH, _SIXTH = (1 / 24, -1 / 2880, 1 / 181440), 7 / 1920, 127 / 322560


class Inverse:
    """Deviations of options, by what they are worth: arrays of one length."""

    def __init__(self, apart: Floats) -> None:
        """*apart* is |ln(F / K)|, as in `black76.deviation`."""
        apart = np.maximum(apart, _AT_THE_MONEY)
        far = apart * apart
        self._distance = 2.0 * np.sinh(0.5 * apart)
        self._lognormal = apart / self._distance
        self._bend = _SQUARE[0] + far * (_SQUARE[1] + far * _SQUARE[2])

    def __getitem__(self, rows: Ints | Mask | slice) -> Inverse:
        """Those of some rows."""
        found = Inverse.__new__(Inverse)
        found._distance, found._lognormal = self._distance[rows], self._lognormal[rows]
        found._bend = self._bend[rows]
        return found

    def deviation(self, worth: Floats) -> Floats:
        """About the s = volatility sqrt T of options out of the money that are *worth* so much.

        *worth* is the undiscounted price over sqrt(F K). Within 1e-5 of the truth, relatively, for s up to
        0.3, and one part in 100 for s up to 1 (tests/unit/pricing/test_bachelier.py); NaN for what is worth
        nothing.
        """
        distance = self._distance
        straddle = distance + 2.0 * worth
        root = np.sqrt(2.0 * distance / (straddle * np.log1p(distance / worth)))
        found = _INVERSE[0] * root
        for coefficient in _INVERSE[1:-1]:
            found += coefficient
            found *= root
        found += _INVERSE[-1]
        found *= straddle
        found *= root
        found *= self._lognormal
        square = found * found
        return np.asarray(found * (1.0 + square * (self._bend + square * (_FOURTH + square * _SIXTH))))
