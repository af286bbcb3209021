"""One sealed day as a format gets it, and where its files go."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from spx_data.exports.selection import Selection
from spx_data.market.products import Product
from spx_data.store import files, names
from spx_data.store.seals import Seal

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Day:
    """A sealed day, whose bytes were checked against its *seal*."""

    date: dt.date
    path: Path
    seal: Seal
    product: Product
    selection: Selection

    @property
    def contracts(self) -> Path | None:
        """The file of the day's contracts, where it has one that is to be read."""
        return names.contracts_of(self.path) if self.seal.contracts else None

    @property
    def stem(self) -> str:
        """How files of the day are called, like spx-options-2024-01-02."""
        return self.path.stem

    def rows(self) -> pl.LazyFrame:
        """The rows that are selected, in sealed order, with the columns of docs/data.md."""
        import polars as pl

        sealed = pl.scan_parquet(self.path, glob=False, hive_partitioning=False)
        return self.selection.of(sealed, self.date)

    def reported(self) -> pl.DataFrame | None:
        """What the source reports of each contract: open interest, volume and so on; None without it."""
        import polars as pl

        if not self.contracts:
            return None
        return pl.read_parquet(self.contracts).with_columns(pl.col("root", "right").cast(pl.String))


class Output:
    """Where the files of one day are made: in a folder that others do not look into.

    They come to their places together, when the day is whole. Names are paths below the export's folder.
    """

    def __init__(self, folder: Path) -> None:
        """Make files in *folder*."""
        self._folder = folder
        self.notes: list[str] = []

    @contextmanager
    def file(self, name: str) -> Iterator[BinaryIO]:
        """A new file *name*, open for writing."""
        with files.atomic(self._folder / name, lasting=False) as stream:
            yield stream

    def link(self, name: str, target: Path) -> None:
        """A symbolic link *name* to *target*."""
        files.link(self._folder / name, target)

    def folder(self) -> Path:
        """The folder itself, for a library that writes files of its own below it."""
        return files.make_directory(self._folder)

    def note(self, text: str) -> None:
        """Tell, in the day's manifest and once to the user, what the day does not have."""
        self.notes.append(text)
