"""Sealed days in the formats of other tools: which there are, and what each is.

A format is the constant `FORMAT` of a module in `exports.formats`; it is found there by its presence.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from spx_data.errors import ConfigurationValidationError
from spx_data.exports import formats

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Format:
    """One format: a name, what it is good for, and how the rows of a day are written in it.

    *write* gets the rows of one sealed day, lazily and in sealed order (the columns of docs/output.md), and a
    file that gets its name when all of it is written.
    """

    name: str
    meaning: str  # one line, as `spx-data export --help` shows it
    suffix: str  # of its files, without a dot
    write: Callable[[pl.LazyFrame, BinaryIO], object]


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
            f"there is no format {name!r}, only {', '.join(every)}",
            cure="Name one of them",
            what="format",
            reason=repr(name),
        )
    return every[name]
