"""Where LEAN looks for what, and how the files there are called."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spx_data.exports.day import Output
from spx_data.exports.formats.lean import minutes
from spx_data.market.products import Product

if TYPE_CHECKING:
    import polars as pl

_SCALE = 10_000  # of strikes in names, and of prices but those of an index
_RIGHTS = {"C": "call", "P": "put"}
# Whose index LEAN keeps on Chicago's clock (its market hours); of others it is New York's.
_CHICAGO = ("SPX", "VIX")


@dataclass(frozen=True)
class Place:
    """The files of one root, or of a symbol: *options* and *underlying* are LEAN's names of their kinds."""

    options: str
    underlying: str
    style: str
    name: str

    @classmethod
    def of(cls, product: Product, name: str) -> Place:
        """That of a root, or of the symbol of *product*: an index, if its options are European."""
        if product.exercise == "European":
            return cls("indexoption", "index", "european", name.lower())
        return cls("option", "equity", "american", name.lower())

    def write_minutes(
        self, out: Output, date: dt.date, what: str, contracts: Iterable[minutes.Contract]
    ) -> None:
        """A zip of *what* there is of a date, a file for each contract; none where there is nothing."""
        day, kind = f"{date:%Y%m%d}", f"{what}_{self.style}"
        begins = f"{day}_{self.name}_minute_{kind}"
        entries = [(f"{begins}_{_ending(each)}.csv", each.text) for each in contracts]
        if entries:
            _zipped(out, f"{self.options}/usa/minute/{self.name}/{day}_{kind}.zip", date, entries)

    def write_universe(self, out: Output, date: dt.date, lines: Iterable[str]) -> None:
        """The contracts of a date, from which those of the next session are chosen."""
        with out.file(f"{self.options}/usa/universes/{self.name}/{date:%Y%m%d}.csv") as stream:
            stream.write("".join(f"{line}\n" for line in lines).encode())

    def write_underlying(self, out: Output, date: dt.date, trades: pl.DataFrame) -> None:
        """The minutes of what options are on, without volumes: nobody here knows them."""
        day = f"{date:%Y%m%d}"
        index = self.underlying == "index"
        behind = minutes.HOUR_MS if index and self.name.upper() in _CHICAGO else 0
        text = minutes.trades(trades, behind_ms=behind, scale=None if index else _SCALE)
        entries = [(f"{day}_{self.name}_minute_trade.csv", text)]
        _zipped(out, f"{self.underlying}/usa/minute/{self.name}/{day}_trade.zip", date, entries)


def _ending(contract: minutes.Contract) -> str:
    """What the name of a contract's file ends with, like call_47000000_20240119."""
    expiration = f"{contract.expiration:%Y%m%d}"
    return f"{_RIGHTS[contract.right]}_{round(contract.strike * _SCALE)}_{expiration}"


def _zipped(out: Output, name: str, date: dt.date, entries: Iterable[tuple[str, str]]) -> None:
    """A zip whose bytes hang on nothing but what is in it."""
    with out.file(name) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, text in entries:
            told = zipfile.ZipInfo(entry, (date.year, date.month, date.day, 0, 0, 0))
            archive.writestr(told, text.encode(), zipfile.ZIP_DEFLATED)
