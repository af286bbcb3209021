"""Sealed days in the formats of other tools: which there are, and what each is.

A format is the constant `FORMAT` of a module in `exports.formats`; it is found there by its presence.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from spx_data.errors import ConfigurationValidationError
from spx_data.exports import formats
from spx_data.exports.day import Day, Output

if TYPE_CHECKING:
    import polars as pl


class Index(Protocol):
    """What a format keeps for a whole folder beside the files of its days, like the log of a table."""

    def is_there(self) -> bool:
        """Whether the folder has it; if not, it is made again from the manifest."""

    def commit(self, added: Sequence[str], removed: Sequence[str]) -> None:
        """Bring it in line: the files *added* are there now, those *removed* soon will not be."""


@dataclass(frozen=True)
class Format:
    """One format: a name, what it is good for, and how a day is written in it.

    *write* is given one sealed day and where its files go; `of_files` makes it for a format of a file a day.
    What cannot leave rows out is not *selective*. *extra* is the extra of the package that it needs. What
    *reports* open interest and its like, from the day's contracts, is made again when these come.
    """

    name: str
    meaning: str  # one line, as `spx-data export --help` shows it
    write: Callable[[Day, Output], None]
    selective: bool = True
    reports: bool = False
    extra: str | None = None
    index: Callable[[Path], Index] | None = None  # that of an export's folder

    @classmethod
    def of_files(
        cls, name: str, meaning: str, suffix: str, write: Callable[[pl.LazyFrame, BinaryIO], object]
    ) -> Format:
        """A format of a file a day, with the name of its Parquet and the *suffix*, without a dot.

        *write* gets the day's rows, lazily and in sealed order (the columns of docs/data.md), and a file that
        gets its name when all of it is written.
        """

        def whole(day: Day, out: Output) -> None:
            with out.file(f"{day.stem}.{suffix}") as stream:
                write(day.rows(), stream)

        return cls(name, meaning, whole)


def known() -> Mapping[str, Format]:
    """Every format by its name, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(formats.__path__))
    modules = (importlib.import_module(f"{formats.__name__}.{name}") for name in names)
    return {module.FORMAT.name: module.FORMAT for module in modules}


def of(name: str) -> Format:
    """The format *name*; raises ConfigurationValidationError where there is none."""
    every = known()
    if name not in every:
        raise ConfigurationValidationError(
            f"there is no format {name!r}, only {', '.join(every)}", cure="Name one of them", what="format"
        )
    return every[name]
