"""The chains of one trading date, priced one after the other: what sealing and reading both go by."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from spx_data.market import expirations
from spx_data.market.products import Product
from spx_data.pricing import american, black76, chain
from spx_data.pricing.chain import Line, Priced, Quotes, Terms
from spx_data.pricing.normal import Floats, Ints

if TYPE_CHECKING:
    import polars as pl

WANTED = ("strike", "right", "timestamp", "bid", "ask")
UNDERLYING = "underlying_price"


def model_of(product: Product) -> str:
    """The name and version of the model that prices options of *product*."""
    return american.MODEL if product.exercise == "American" else black76.MODEL


def years(product: Product, root: str, expiration: dt.date, stamps: Ints) -> Floats:
    """Years of 365 days to the settlement of a chain, at *stamps* (ms since the epoch)."""
    return np.asarray((_settled(product, root, expiration) - stamps) / chain.YEAR_MS)


def _settled(product: Product, root: str, expiration: dt.date) -> int:
    return expirations.settled_ms(expiration, at_the_open=product.settles_at_the_open(root))


class Day:
    """Prices the chains of a date in sealed order, the nearest expiration of a root first.

    What American options are on is their underlying's price, which says what dividends are. Where rows do not
    know it, it is what the first chain that has a forward implies: before its expiration there is hardly a
    dividend.
    """

    def __init__(self, product: Product) -> None:
        self._product = product
        self._spot: Line | None = None

    def price(self, root: str, expiration: dt.date, records: pl.DataFrame) -> Priced:
        """All values of a chain's *records*: `WANTED`, timestamps in ms since the epoch, and `UNDERLYING`."""
        product = self._product
        terms = Terms(_settled(product, root, expiration), product.exercise == "American", product.tick)
        strike, right, stamp, bid, ask = (records[name] for name in WANTED)
        quotes = Quotes(
            strike.to_numpy(), (right == "C").to_numpy(), stamp.to_numpy(), bid.to_numpy(), ask.to_numpy()
        )
        stamps, first, place = np.unique(quotes.stamp, return_index=True, return_inverse=True)
        spot = self._spot
        if UNDERLYING in records.columns:
            price = records[UNDERLYING].to_numpy()[first]
            spot = Line(stamps, np.where(price > 0.0, price, np.nan))
        within = chain.market(terms, quotes, spot)
        if self._spot is None and np.isfinite(within.forward).any():
            self._spot = within.prepaid
        return chain.price_in(terms, quotes, within, place)
