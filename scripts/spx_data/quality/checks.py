"""What a check is, and what came of it: every judgement of this room speaks in these two.

A check never changes a record. It counts what it finds, chain by chain and stamp by stamp, among what it
could look at; what it could not look at (no quote, no underlying, no volatility) counts on neither side.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spx_data.market.columns import COLUMNS
from spx_data.market.products import Product
from spx_data.quality import DIGITS
from spx_data.quality import Part as Part

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Need(StrEnum):
    """What a formula takes for granted of the options that it is about, and of their records."""

    EUROPEAN = "European exercise"
    AMERICAN = "American exercise"
    HELD = "an underlying that can be held"
    PRICE = "records with the underlying's price"
    VOLATILITY = "records with implied volatilities"
    GREEKS = "records with greeks"


_MET: Mapping[Need, Callable[[Product, Container[str]], bool]] = {
    Need.EUROPEAN: lambda product, _: product.exercise == "European",
    Need.AMERICAN: lambda product, _: product.exercise == "American",
    Need.HELD: lambda product, _: product.held,
    Need.PRICE: lambda _, columns: "underlying_price" in columns,
    Need.VOLATILITY: lambda _, columns: "implied_vol" in columns,
    Need.GREEKS: lambda _, columns: "delta" in columns,
}


class Check(NamedTuple):
    """One thing that is looked for.

    *tolerated* is the share of what was looked at that costs nothing, *ruinous* the share at which nothing
    is left of its part's score; between them the score falls in a straight line. A check whose *ruinous* is
    None tells a fact of markets (a quote without a bid) and is counted alone. It applies to options that meet
    all its *needs*, and to no others.
    """

    code: str
    part: Part
    unit: str  # what is counted: quotes, stamps, pairs of strikes, values
    meaning: str  # when it is found, as a formula in words
    source: str  # where the formula or the fact comes from
    tolerated: float = 0.0
    ruinous: float | None = 0.05
    needs: tuple[Need, ...] = ()

    def unmet(self, product: Product, columns: Container[str] = COLUMNS) -> Need | None:
        """What the check needs and options of *product*, whose records have *columns*, have not."""
        return next((need for need in self.needs if not _MET[need](product, columns)), None)

    def score(self, share: float) -> float | None:
        """What is left of 100 points at *share*; None where the check does not score."""
        if self.ruinous is None:
            return None
        lost = (share - self.tolerated) / (self.ruinous - self.tolerated)
        return 100.0 * (1.0 - min(1.0, max(0.0, lost)))


class Count(NamedTuple):
    """What one check found in one chain; where it tells when, *stamps* and *by_stamp* belong together."""

    check: Check
    hits: int
    of: int  # how many could be looked at
    first: str | None = None  # the first of them by name: "C 4700 at 10:31"
    stamps: Ints | None = None  # ms since the epoch
    by_stamp: Ints | None = None  # how many of the hits were at each of them
    chains: int = 1  # in which it was found, where the count is of several
    chains_of: int = 1  # in which there was anything to look at


def parts(counts: Iterable[Count]) -> dict[str, float]:
    """The points of each part among *counts*, one for each check: the worst of its checks."""
    found: dict[str, float] = {}
    for count in counts:
        points = count.check.score(count.hits / count.of) if count.of else None
        if points is not None:
            part = count.check.part.value
            found[part] = min(found.get(part, 100.0), round(points, DIGITS))
    return found
