"""What a symbol is: its roots, how its options settle, tick and trade. One entry each; nobody else knows one.

A symbol that everybody may want is an entry of `PRODUCTS`; any other is told by the section `products` of a
config (`own`). Whoever asks a fact of a symbol is handed its product. Where a fact comes from stands beside
it; what a product does not say (`greeks_since`) is not known.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from spx_data.errors import ConfigurationValidationError


class Root(NamedTuple):
    """One root of a product.

    *settlement* is when its contracts are settled on their expiration: at the open ("AM"), so that they are
    last quoted the session before, or at the close ("PM").
    """

    name: str
    settlement: Literal["AM", "PM"]


Ticks = tuple[tuple[float, float], ...]
_QUARTER = dt.timedelta(minutes=15)
_PENNIES: Ticks = ((math.inf, 0.01),)


@dataclass(frozen=True)
class Product:
    """The facts of one symbol.

    *ticks* are pairs of a price in dollars and the tick below it, ascending. *longer* says how much longer
    than stocks its options trade, on half days too, and *expiring_longer* the same of what expires that day.
    *dividends* is the most that what it is on pays its holder in a year, as a share of its price: 0 for an
    index, whose members' dividends are in the forward. What cannot be *held*, like an index of volatility,
    has no forward that follows from its price. *greeks_since* is the first session with greeks, by the folder
    of the source.
    """

    symbol: str
    roots: tuple[Root, ...]
    exercise: Literal["European", "American"]
    ticks: Ticks
    longer: dt.timedelta = dt.timedelta(0)
    expiring_longer: dt.timedelta = dt.timedelta(0)
    dividends: float = 0.0
    held: bool = True
    multiplier: int = 100  # dollars for a dollar of the quote
    greeks_since: Mapping[str, dt.date] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What pages call it."""
        return f"{self.symbol} options"

    @property
    def stem(self) -> str:
        """How the names of its sealed files begin, before the date."""
        return stem_of(self.symbol)

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

    @property
    def expiring_longer_ms(self) -> int:
        """The same of those that expire that day."""
        return self.expiring_longer // dt.timedelta(milliseconds=1)

    def settles_at_the_open(self, root: str) -> bool:
        """Whether contracts of *root* are settled at the open of their expiration, last quoted before it."""
        return any(each.name == root and each.settlement == "AM" for each in self.roots)


def stem_of(symbol: str) -> str:
    """How the names of sealed files of *symbol* begin."""
    return f"{symbol.lower()}-options"


def _index(symbol: str, *roots: Root, ticks: Ticks = ((3.0, 0.05), (math.inf, 0.10)), **more: Any) -> Product:
    """Options on an index, settled in cash.

    They trade to 16:15, on half days to 13:15, and what is settled at the close of the day to 16:00, or
    13:00 (Cboe Rule 5.1; Nasdaq's for NDX). Ticks: five cents below 3 dollars and ten from there (Rule 5.4).
    """
    return Product(symbol, roots, "European", ticks, longer=_QUARTER, **more)


def _fund(symbol: str, *, dividends: float, ticks: Ticks = _PENNIES, **more: Any) -> Product:
    """Options on a fund that is traded like a stock, which they deliver.

    Those of the table trade to 16:15, on their last day too, and on half days to 13:15 (brokers' and NYSE's
    lists of eligible options; the exception for what expires is one of indices). SPY, QQQ and IWM tick in
    cents at any price (Cboe Rule 5.4). *dividends* bound what these funds paid in any year from 2017 to 2025.
    """
    root = Root(symbol, "PM")
    hours = _QUARTER, _QUARTER
    return Product(symbol, (root,), "American", ticks, *hours, dividends=dividends, **more)


# Since when the source has greeks: docs/wire.md, 10. Of XSP and QQQ nobody has said it.
_MOST_GREEKS = {"theta": dt.date(2017, 1, 3)}

PRODUCTS: Mapping[str, Product] = {
    product.symbol: product
    for product in (
        # Cboe's specifications; roots and hours: docs/wire.md, 10. SPX expires on third Fridays.
        _index("SPX", Root("SPX", "AM"), Root("SPXW", "PM"), greeks_since=_MOST_GREEKS),
        # A tenth of SPX. Cents in all series; settled at the close since November 2013.
        _index("XSP", Root("XSP", "PM"), ticks=_PENNIES),
        # Nasdaq's specifications: NDX on third Fridays, NDXP for all other expirations.
        _index("NDX", Root("NDX", "AM"), Root("NDXP", "PM"), greeks_since={"theta": dt.date(2026, 5, 8)}),
        # Cboe's specifications; RUTW has had weeklies and ends of quarters since January 2016.
        _index("RUT", Root("RUT", "AM"), Root("RUTW", "PM"), greeks_since={"theta": dt.date(2018, 12, 3)}),
        # Settled on Wednesdays by a special opening quotation, VIXW too; last traded the day before.
        # Since 2022-11-29 cents below 3 dollars and five from there, VIXW always in cents (Cboe's notice).
        _index(
            "VIX",
            Root("VIX", "AM"),
            Root("VIXW", "AM"),
            ticks=((3.0, 0.01), (math.inf, 0.05)),
            held=False,
            greeks_since=_MOST_GREEKS,
        ),
        _fund("SPY", dividends=0.03, greeks_since=_MOST_GREEKS),
        _fund("QQQ", dividends=0.02),
        _fund("IWM", dividends=0.03, greeks_since=_MOST_GREEKS),
        # Cents below 3 dollars and five from there (OCC's penny program).
        _fund("DIA", dividends=0.04, ticks=((3.0, 0.01), (math.inf, 0.05)), greeks_since=_MOST_GREEKS),
    )
}

DEFAULT = next(iter(PRODUCTS.values()))  # of a lake about which nobody says what it is of


def of(symbol: str, own_products: Mapping[str, Any]) -> Product:
    """The product *symbol*, of the table or of *own_products* (the section `products` of a resolved config).

    Raises:
        ConfigurationValidationError: there is none; with the list, and how to add one.
    """
    if symbol in PRODUCTS:
        return PRODUCTS[symbol]
    if symbol not in own_products:
        raise ConfigurationValidationError(
            f"config: processing.symbol: nobody has said what {symbol} is",
            cure=f"Known are {', '.join([*PRODUCTS, *own_products])}. Add any other below 'products:', like "
            f"'{symbol}: {{exercise: American}}'",
            what="processing.symbol",
            reason=f"nobody has said what {symbol} is",
        )
    return own(symbol, own_products[symbol])


def own(symbol: str, facts: Mapping[str, Any]) -> Product:
    """The product that a config tells: what its schema lets stand below `products`."""
    prices, ticks = zip(*facts.get("ticks", [[0.0, 0.01]]), strict=True)
    return Product(
        symbol,
        tuple(Root(name, settled) for name, settled in facts.get("roots", {symbol: "PM"}).items()),
        facts["exercise"],
        tuple(zip((*prices[1:], math.inf), ticks, strict=True)),
        longer=dt.timedelta(minutes=facts.get("longer_minutes", 0)),
        expiring_longer=dt.timedelta(minutes=facts.get("expiring_longer_minutes", 0)),
        dividends=facts.get("dividends", 0.05),
        held=facts.get("held", True),
        multiplier=facts.get("multiplier", 100),
    )


def objections(own_products: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What a config says of its own products that cannot be: the key, what is wrong, and the cure."""
    found = []
    taken = {root: product.symbol for product in PRODUCTS.values() for root in product.root_names}
    for symbol, facts in own_products.items():
        key = f"products.{symbol}"
        if symbol in PRODUCTS:
            found.append((key, "it is known, and what it is does not change", "Leave it out"))
        elif strange := [root for root in own(symbol, facts).root_names if root in taken]:
            cure = f"Set processing.symbol to {taken[strange[0]]}, or name its own roots"
            found.append((f"{key}.roots", f"{strange[0]} is a root of {taken[strange[0]]}", cure))
        prices = [price for price, _ in facts.get("ticks", ())]
        if prices != sorted(set(prices)) or prices[:1] not in ([], [0]):
            finding = f"their prices are {', '.join(map(str, prices))}"
            found.append((f"{key}.ticks", finding, "Ascend from 0, like [[0, 0.01], [3, 0.05]]"))
    return found
