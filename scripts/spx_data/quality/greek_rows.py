"""Records whose greeks are examined, as arrays, and how exactly their values are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from spx_data.quality.checks import Floats, Ints, Mask

GREEKS = ("delta", "theta", "vega", "rho", "epsilon", "lambda")
PRINTED = 1e-4  # the last decimal of every value, behind which all are cut off
DAY_MS = 86_400_000.0

CHEAP, SOLVER = 3.0, 0.006  # dollars: what the vendor's solver is off for cheap options
EXACT = 0.0015  # dollars: the same for all others


@dataclass(frozen=True)
class Rows:
    """Records to be explained: arrays of one length; a value that the source left out is NaN."""

    spot: Floats  # dollars
    strike: Floats
    call: Mask
    days: Floats  # whole calendar days to expiration
    left: Floats  # ms until 16:00 in New York on the expiration date
    shift: Floats  # ms that New York's clocks are put forward between the date and the expiration
    mid: Floats
    iv: Floats
    iv_error: Floats
    printed: Floats  # (greeks, records)

    def __len__(self) -> int:
        return len(self.spot)

    def greek(self, name: str) -> Floats:
        """The printed values of one greek."""
        return np.asarray(self.printed[GREEKS.index(name)])

    def untruncated(self, name: str) -> Floats:
        """The same, each in the middle of what is printed like it."""
        value = self.greek(name)
        return np.asarray(value + np.copysign(0.5 * PRINTED, value))

    def at(self, where: Ints | slice) -> Rows:
        """Some of the records."""
        return Rows(*(getattr(self, field.name)[..., where] for field in fields(self)))

    def some(self, most: int) -> Rows:
        """At most *most* of the records, spread evenly."""
        return self.at(np.linspace(0, len(self) - 1, min(most, len(self))).astype(np.int64))

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """The records of several chains, one after the other."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names))


def solver_error(mid: Floats) -> Floats:
    """Dollars that the vendor's own price may be off (docs/wire.md, 3.6)."""
    return np.where(mid < CHEAP, SOLVER, EXACT)
