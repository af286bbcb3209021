"""What the merge computes of the records of a chain, where the lake's kind of records has such columns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from spx_data.market.products import Product
from spx_data.market.schema import Schema
from spx_data.pricing.day import COLUMNS, Day

if TYPE_CHECKING:
    import polars as pl


class Computed:
    """Computes chain by chain, in sealed order."""

    def __init__(self, columns: Schema, product: Product) -> None:
        self._decimals = {each.name: each.decimals for each in columns.columns if each.decimals is not None}
        self._day = Day(product)

    def of_chain(
        self, root: str, expiration: dt.date, chunks: Callable[[], Iterable[pl.DataFrame]]
    ) -> Callable[[pl.DataFrame], pl.DataFrame]:
        """What gives records of a chain their computed columns; *chunks* has all of its records, in turn.

        They are gone through once before, for what a chunk alone cannot tell: the forward.
        """
        if not self._decimals:
            return lambda records: records
        chain = self._day.chain(root, expiration, chunks())

        def completed(records: pl.DataFrame) -> pl.DataFrame:
            import polars as pl

            priced = chain.price(records)._asdict()
            return records.with_columns(
                # Zero is zero: what is less than the last decimal leaves no sign behind.
                pl.Series(name, np.round(priced[COLUMNS[name]], decimals) + 0.0, nan_to_null=True)
                for name, decimals in self._decimals.items()
            )

        return completed
