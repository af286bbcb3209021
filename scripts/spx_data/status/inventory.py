"""Every sealed file: where it is, how large, its checksum, what it holds and since when."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from spx_data.errors import FileCorruptionError, MissingFileError
from spx_data.lake import passports
from spx_data.store import reads
from spx_data.store.layout import Layout


@dataclass(frozen=True)
class Item:
    """One file of a sealed date; *rows* and the *checksum* of a Parquet are what its passport vouches for."""

    path: str
    date: dt.date
    kind: str  # parquet, passport or sidecar
    size: int  # bytes
    checksum: str  # SHA-256
    rows: int | None
    created: str | None  # when the date was sealed (UTC, ISO 8601)


def items(
    layout: Layout,
    date: dt.date,
    checksum: str,
    rows: int,
    created: str | None,
    passport: passports.Reading | None = None,
) -> Iterator[Item]:
    """The files of a sealed *date* that are there.

    *checksum* and *rows* are its Parquet's. A *passport* that has been read already is not read again.
    """
    sidecar, parquet, its_passport = layout.sealed_names(date)
    with suppress(FileNotFoundError):
        size = os.stat(parquet).st_size  # noqa: PTH116  # no Path for each of thousands
        yield Item(parquet, date, "parquet", size, checksum, rows, created)
    for kind, path in (("passport", its_passport), ("sidecar", sidecar)):
        if passport is not None and kind == "passport":
            size, found = passport.size, passport.sha256
        else:
            try:
                content = reads.content(path)
            except (MissingFileError, FileCorruptionError):  # `verify` names it
                continue
            size, found = len(content), hashlib.sha256(content).hexdigest()
        yield Item(path, date, kind, size, found, None, created)
