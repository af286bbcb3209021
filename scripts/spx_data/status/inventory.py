"""Every sealed file: where it is, how large, its checksum, what it holds and since when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from spx_data import files
from spx_data.errors import MissingFileError
from spx_data.layout import Layout


@dataclass(frozen=True)
class Item:
    """One file of a sealed date; *rows* and the *checksum* of a Parquet are what its passport vouches for."""

    path: Path
    date: dt.date
    kind: str  # parquet, passport or sidecar
    size: int  # bytes
    checksum: str  # SHA-256
    rows: int | None
    created: str | None  # when the date was sealed (UTC, ISO 8601)


def items(layout: Layout, date: dt.date, checksum: str, rows: int, created: str | None) -> Iterator[Item]:
    """The files of a sealed *date* that are there; *checksum* and *rows* are its Parquet's."""
    for kind, path, known, count in (
        ("parquet", layout.parquet(date), checksum, rows),
        ("passport", layout.passport(date), None, None),
        ("sidecar", layout.sidecar(date), None, None),
    ):
        with suppress(FileNotFoundError, MissingFileError):
            yield Item(path, date, kind, path.stat().st_size, known or files.digest(path), count, created)
