"""What a symbol is: its roots, how its options settle, tick and trade. One entry each; nobody else knows one.

A new symbol is an entry of `PRODUCTS`. Where a fact comes from stands beside it.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from spx_data.errors import ConfigurationValidationError


class Root(NamedTuple):
    """One root of a product.

    *settlement* is when its contracts are settled on their expiration: at the open ("AM"), so that they are
    last quoted the session before, or at the close ("PM").
    """

    name: str
    settlement: Literal["AM", "PM"]


@dataclass(frozen=True)
class Product:
    """The facts of one symbol.

    *ticks* are pairs of a price in dollars and the tick below it, ascending. *longer* says how much longer
    than stocks its options trade, on half days too; what expires that day stops with the stocks.
    *greeks_since* is the first session with greeks, by the folder of the source.
    """

    symbol: str
    title: str
    roots: tuple[Root, ...]
    exercise: Literal["European", "American"]
    multiplier: int  # dollars for a dollar of the quote
    ticks: tuple[tuple[float, float], ...]
    longer: dt.timedelta
    dividends: bool  # whether what it is on pays them
    stem: str  # of the names of sealed files, before the date
    greeks_since: Mapping[str, dt.date] = field(default_factory=dict)

    @property
    def root_names(self) -> tuple[str, ...]:
        """The names of its roots."""
        return tuple(root.name for root in self.roots)

    @property
    def tick(self) -> float:
        """The narrowest spread that its options can have, in dollars."""
        return min(tick for _, tick in self.ticks)

    @property
    def longer_ms(self) -> int:
        """How much longer than stocks its options trade, in ms."""
        return self.longer // dt.timedelta(milliseconds=1)


PRODUCTS: Mapping[str, Product] = {
    product.symbol: product
    for product in (
        # Cboe's specifications of SPX and SPXW options; roots, hours and greeks: docs/wire.md, 10.
        Product(
            symbol="SPX",
            title="SPX options",
            roots=(Root("SPX", "AM"), Root("SPXW", "PM")),
            exercise="European",
            multiplier=100,
            ticks=((3.0, 0.05), (math.inf, 0.10)),
            longer=dt.timedelta(minutes=15),
            dividends=False,
            stem="spx-options",
            greeks_since={"theta": dt.date(2017, 1, 3)},
        ),
    )
}

DEFAULT = next(iter(PRODUCTS.values()))  # of a lake about which nobody says what it is of


def of(symbol: str) -> Product:
    """The product *symbol*; raises ConfigurationValidationError, with the list, where there is none."""
    if symbol not in PRODUCTS:
        raise ConfigurationValidationError(
            f"config: processing.symbol: there is no symbol {symbol!r}, only {', '.join(PRODUCTS)}",
            cure="Name one of them",
            what="processing.symbol",
            reason=f"unknown symbol {symbol!r}",
        )
    return PRODUCTS[symbol]


def settles_at_the_open(root: str) -> bool:
    """Whether contracts of *root* are settled at the open of their expiration, and last quoted before it."""
    found = _by_root(root)
    return found is not None and found[1].settlement == "AM"


def tick(root: str) -> float:
    """The narrowest spread, in dollars, that options of *root* can have."""
    found = _by_root(root)
    return (found[0] if found else DEFAULT).tick


def _by_root(name: str) -> tuple[Product, Root] | None:
    every = ((product, root) for product in PRODUCTS.values() for root in product.roots)
    return next((each for each in every if each[1].name == name), None)
