"""What a format is: a name, what it is good for, and how the rows of a day are written in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Format:
    """One format, the constant `FORMAT` of its module in `exports.formats`.

    *write* gets the rows of one sealed day, lazily and in sealed order (the columns of docs/output.md), and a
    file that gets its name when all of it is written.
    """

    name: str
    meaning: str  # one line, as `spx-data export --help` shows it
    suffix: str  # of its files, without a dot
    write: Callable[[pl.LazyFrame, BinaryIO], object]
