"""Sealed days written to a folder in one format: each whole or not at all, and none twice.

The folder's manifest has a line for each file that is whole: the day, the SHA-256 of what was sealed, the
file and its own SHA-256. A day whose line agrees with its sidecar and its file is not written again; one that
was sealed anew since is.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from spx_data.errors import ConfigurationValidationError
from spx_data.exports import Format
from spx_data.store import files, foreign, locks, reads, seals
from spx_data.store.names import date_of

MANIFEST = "manifest.jsonl"
_LOCK = ".lock"


@dataclass(frozen=True)
class Exported:
    """A day in the folder; *is_new* where it was written now."""

    date: dt.date
    path: Path
    is_new: bool


@dataclass(frozen=True)
class _Entry:
    """A line of the manifest."""

    format: str
    date: str
    sealed: str  # the SHA-256 in the day's sidecar
    file: str
    sha256: str


def export(sealed: Iterable[Path], form: Format, folder: Path) -> Iterator[Exported]:
    """Write each of the *sealed* Parquet files to *folder*, and say so when it is whole.

    Raises:
        ConfigurationValidationError: the folder holds something else, or another format.
    """
    _checked(folder, form)  # before the lock too: a folder that is refused stays as it is
    with locks.alone(folder / _LOCK):
        there = {entry.date: entry for entry in _checked(folder, form)}
        if not reads.is_there(folder / MANIFEST):
            files.write_text(
                folder / MANIFEST, ""
            )  # before any file: the folder is this export's from now on
        for parquet in sealed:
            date = date_of(parquet)
            assert date, parquet
            target = folder / f"{parquet.stem}.{form.suffix}"
            entry, checksum = there.get(date.isoformat()), seals.read(parquet).parquet
            is_new = entry is None or not _is_whole(entry, checksum, target)
            if is_new:
                _write(parquet, checksum, date, form, target)
            yield Exported(date, target, is_new)


def _write(parquet: Path, checksum: str, date: dt.date, form: Format, target: Path) -> None:
    import polars as pl

    with files.atomic(target) as stream:
        form.write(pl.scan_parquet(parquet, glob=False, hive_partitioning=False), stream)
    entry = _Entry(form.name, date.isoformat(), checksum, target.name, reads.digest(target))
    files.append_line(target.parent / MANIFEST, json.dumps(asdict(entry)))


def _is_whole(entry: _Entry, checksum: str, target: Path) -> bool:
    """Whether the file of an *entry* is what it was, and of the day as it is sealed now."""
    told = entry.sealed == checksum and entry.file == target.name
    return told and reads.is_there(target) and reads.digest(target) == entry.sha256


def _entries(folder: Path) -> list[_Entry]:
    """The lines of the manifest that are whole, the oldest first; the last one of a day counts."""
    if not reads.is_there(folder / MANIFEST):
        return []
    found = []
    for line in reads.content(folder / MANIFEST).splitlines():
        try:
            found.append(_Entry(**foreign.exactly(line)))
        except (ValueError, TypeError):  # torn by a crash: its day is written again
            continue
    return found


def _checked(folder: Path, form: Format) -> list[_Entry]:
    """The entries of *folder*; raises `ConfigurationValidationError` where it is none for this export."""
    entries = _entries(folder)
    others = {entry.format for entry in entries} - {form.name}
    if others:
        raise _refused(folder, f"an export as {', '.join(sorted(others))}")
    if not reads.is_there(folder / MANIFEST) and (there := _something_in(folder)):
        raise _refused(folder, f"{there}, and no manifest of an export")
    return entries


def _something_in(folder: Path) -> str | None:
    with reads.explained(folder, "look into"):
        if not folder.exists():
            return None
        names = sorted(path.name for path in folder.iterdir())
    return next((name for name in names if name != _LOCK and not name.endswith(files.PART)), None)


def _refused(folder: Path, finding: str) -> ConfigurationValidationError:
    return ConfigurationValidationError(
        f"{folder} holds {finding}",
        cure="Name another folder, which may be a new one",
        what=str(folder),
        reason=finding,
    )
