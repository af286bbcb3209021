"""The `symbols` of a config: what each says for itself, and the document of each as that of one lake."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SECTION = "symbols"
# Keys of `processing` that are those of all symbols: where their lakes are, and what is a run's.
SHARED = (
    *("symbol", "output_directory", "temp_directory", "data_directory"),
    *("batch_size", "keep_ndjson", "owner_only"),
)
FOLDERS = ("output_directory", "temp_directory", "data_directory")


def document_of(document: Mapping[str, Any], symbol: str) -> dict[str, Any]:
    """*document* as that of the one lake *symbol*: what its section says is laid over what all share."""
    found = {name: copy.deepcopy(inside) for name, inside in document.items() if name != SECTION}
    for name, told in (document[SECTION][symbol] or {}).items():
        if isinstance(told, Mapping):
            found[name] = {**found.get(name, {}), **told}
        elif name == "weight":
            found[name] = told
        else:
            found["processing"][name] = told
    found["processing"]["symbol"] = symbol
    return placed(found, symbol)


def placed(document: Mapping[str, Any], symbol: str) -> dict[str, Any]:
    """*document* with its directories as those of *symbol*: in a folder of its name.

    It is in the data directory, for what is in there, and in each directory that is anywhere else.
    """
    processing, database = document["processing"], Path(document["database"]["path"])
    data = Path(processing["data_directory"])

    def inside(folder: Path) -> Path:
        return data / symbol / folder.relative_to(data) if folder.is_relative_to(data) else folder / symbol

    folders = {key: str(inside(Path(processing[key]))) for key in FOLDERS}
    told = {**document["database"], "path": str(inside(database.parent) / database.name)}
    if schema := told["schema"]:
        told["schema"] = f"{schema}_{symbol.lower()}"
    return {**document, "processing": {**processing, **folders}, "database": told}
