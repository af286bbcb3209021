"""Which models there are, by name and version: what stands in files, passports and the identity of a lake.

A model that gives other values is another version. Days that were sealed with one before stay as they are,
and so does their lake, which takes no days of another.
"""

from __future__ import annotations

from spx_data.market import columns
from spx_data.market.products import Product

BLACK_76 = "black-76/1"
JU_ZHONG = "ju-zhong/3"


def of(product: Product) -> str:
    """The model that prices options of *product*."""
    return JU_ZHONG if product.exercise == "American" else BLACK_76


def identity(product: Product, records: str) -> dict[str, str]:
    """What the identity of a lake says of it: nothing where its kind of *records* has nothing computed."""
    return {"model": of(product)} if columns.KINDS[records].computed else {}
