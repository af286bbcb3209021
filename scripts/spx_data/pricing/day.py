"""The chains of one trading date, priced one after the other: what sealing and reading both go by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spx_data.market import expirations
from spx_data.market.products import Product
from spx_data.market.stamps import distinct, places
from spx_data.pricing import chain
from spx_data.pricing.chain import Line, Market, Priced, Terms
from spx_data.pricing.normal import Floats, Ints
from spx_data.pricing.quotes import Quotes

if TYPE_CHECKING:
    import polars as pl

# Names of values that are priced, as columns have them: the vendor's are not to be confused with them.
COLUMNS = {
    "forward": "forward",
    "discount": "discount",
    "iv_bid": "iv_bid",
    "iv_mid": "iv_mid",
    "iv_ask": "iv_ask",
    "own_delta": "delta",
    "own_gamma": "gamma",
    "own_theta": "theta",
    "own_vega": "vega",
    "own_rho": "rho",
}
WANTED = ("strike", "right", "timestamp", "bid", "ask")
UNDERLYING = "underlying_price"


def years(product: Product, root: str, expiration: dt.date, stamps: Ints) -> Floats:
    """Years of 365 days to the settlement of a chain, at *stamps* (ms since the epoch)."""
    return np.asarray((_settled(product, root, expiration) - stamps) / chain.YEAR_MS)


def _settled(product: Product, root: str, expiration: dt.date) -> int:
    return expirations.settled_ms(expiration, at_the_open=product.settles_at_the_open(root))


class Chain(NamedTuple):
    """A chain whose market is known: its records can be priced, all at once or some at a time."""

    terms: Terms
    market: Market

    def price(self, records: pl.DataFrame) -> Priced:
        """All values of *records*, which have `WANTED`: timestamps in ms since the epoch, rights C or P."""
        quotes = _quotes(records)
        place = places(self.market.stamps, quotes.stamp)
        return chain.price_in(self.terms, quotes, self.market, place)


class Day:
    """Prices the chains of a date in sealed order, the nearest expiration of a root first.

    What American options are on has a price, which says what dividends are. Where records do not know it,
    it is what the first chain that has a forward implies: before its expiration there is hardly a dividend.
    """

    def __init__(self, product: Product) -> None:
        self._product = product
        self._spot: Line | None = None

    def chain(self, root: str, expiration: dt.date, chunks: Iterable[pl.DataFrame]) -> Chain:
        """The chain whose records come in *chunks*, a strike in one, with `UNDERLYING` where it is known."""
        product = self._product
        terms = Terms(_settled(product, root, expiration), product.exercise == "American", product.tick)
        near, stamps, spot = Quotes.none(), np.empty(0, dtype=np.int64), self._spot
        for records in chunks:
            quotes = _quotes(records)
            near, stamps = chain.nearest(near.with_(quotes)), np.union1d(stamps, distinct(quotes.stamp))
            if UNDERLYING in records.columns:
                spot = _underlying(quotes.stamp, records[UNDERLYING].to_numpy())
        within = chain.market(terms, near, spot, stamps)
        if self._spot is None and np.isfinite(within.forward).any():
            self._spot = within.prepaid
        return Chain(terms, within)


def _quotes(records: pl.DataFrame) -> Quotes:
    strike, right, stamp, bid, ask = (records[name] for name in WANTED)
    return Quotes(
        strike.to_numpy(), (right == "C").to_numpy(), stamp.to_numpy(), bid.to_numpy(), ask.to_numpy()
    )


def _underlying(stamp: Ints, price: Floats) -> Line:
    stamps, first = np.unique(stamp, return_index=True)
    return Line(stamps, np.where(price[first] > 0.0, price[first], np.nan))
