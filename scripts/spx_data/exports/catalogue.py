"""Which formats there are."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from spx_data.errors import ConfigurationValidationError
from spx_data.exports import formats
from spx_data.exports.format import Format


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
