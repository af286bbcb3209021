"""Sealed days written to a folder in one format: each whole or not at all, and none twice.

A day is made in a folder of its own and comes to its place when all of it is there; the manifest says so
last. A day whose entry agrees with its sidecar and its files is not made again; one that was sealed anew
since is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from spx_data.config import shipped
from spx_data.errors import ConfigurationValidationError, FileCorruptionError
from spx_data.exports import Format, Index
from spx_data.exports.day import Day, Output
from spx_data.exports.manifest import LOCK, Entry, Manifest
from spx_data.exports.selection import Selection
from spx_data.market import products
from spx_data.market.products import Product
from spx_data.store import files, locks, reads, seals
from spx_data.store.names import date_of
from spx_data.store.seals import Seal

EVERYTHING = Selection()


@dataclass(frozen=True)
class Exported:
    """A day in the folder, with its files; *is_new* where it was written now."""

    date: dt.date
    paths: tuple[Path, ...]
    notes: tuple[str, ...]
    is_new: bool


def export(
    sealed: Iterable[Path],
    form: Format,
    folder: Path,
    selection: Selection = EVERYTHING,
    product: Product = products.DEFAULT,
) -> Iterator[Exported]:
    """Write each of the *sealed* Parquet files to *folder*, and say so when it is whole.

    Raises:
        MachineError: what the format needs is not installed.
        ConfigurationValidationError: the folder holds something else, or another export; or the format takes
            no *selection*.
        FileCorruptionError: a day is not what was sealed.
    """
    if form.extra:
        shipped.check_extra(form.extra)
    if not form.selective and selection != EVERYTHING:
        raise _unselective(form, selection)
    head = {"format": form.name, "symbol": product.symbol, "selection": selection.as_json()}
    manifest = Manifest(folder, head)
    manifest.check()  # before the lock too: a folder that is refused stays as it is
    with locks.alone(folder / LOCK):
        manifest.check()
        manifest.begin()
        index = form.index(folder) if form.index else None
        _settle(manifest, index)
        for parquet in sealed:
            date = date_of(parquet)
            assert date, parquet
            day = Day(date, parquet, _seal(parquet, form), product, selection)
            entry = manifest.read(date)
            is_new = entry is None or not _is_whole(entry, day, folder)
            if entry is None or is_new:
                entry = _made(manifest, form, index, day, entry)
            yield Exported(date, tuple(folder / name for name in entry.files), entry.notes, is_new)


def _unselective(form: Format, selection: Selection) -> ConfigurationValidationError:
    asked = ", ".join(selection.as_json())
    return ConfigurationValidationError(
        f"format {form.name}: it is the sealed days as they are, and {asked} would leave rows out of them",
        cure="Leave that out, or choose another format",
        what="format",
    )


def _settle(manifest: Manifest, index: Index | None) -> None:
    """Undo what interrupted calls left, and make an index again that is lost."""
    folder = manifest.folder
    for path in sorted(folder.glob(f".*{files.PART}")):
        files.remove(path)
    for entry in manifest.interrupted():
        if index and index.is_there():
            index.commit([], sorted(entry.files))
        _remove(manifest, entry.files)
        manifest.forget(entry)
    if index and not index.is_there():
        for entry in manifest.entries():
            index.commit([name for name in entry.files if (folder / name).exists()], [])


def _made(manifest: Manifest, form: Format, index: Index | None, day: Day, before: Entry | None) -> Entry:
    """Make *day*, of which there is an entry *before* or not, and give its entry."""
    folder = manifest.folder
    scratch = folder / f".{day.date}{files.PART}"
    for path, sha256 in ((day.path, day.seal.parquet), (day.contracts, day.seal.contracts)):
        if path and reads.digest(path) != sha256:
            raise _changed(path)
    try:
        out = Output(scratch)
        form.write(day, out)
        entry = _entry(day, scratch, out.notes)
        if _seal(day.path, form) != day.seal:
            raise _changed(day.path)
        gone = set(before.files if before else ()) - set(entry.files)
        manifest.take(replace(entry, files={**dict.fromkeys(gone, ""), **entry.files}))
        for name in entry.files:
            files.move(scratch / name, folder / name, lasting=False)
    finally:
        files.remove(scratch) if scratch.exists() else None
    if index:
        index.commit(list(entry.files), sorted(gone))
    _remove(manifest, gone)
    manifest.done(entry)
    return entry


def _entry(day: Day, scratch: Path, notes: Iterable[str]) -> Entry:
    """The entry of *day*, whose files are in *scratch*."""
    every = sorted(path for path in scratch.rglob("*") if path.is_symlink() or path.is_file())
    links = {str(path.relative_to(scratch)): str(path.readlink()) for path in every if path.is_symlink()}
    made = {str(path.relative_to(scratch)): reads.digest(path) for path in every}
    told = tuple(dict.fromkeys(notes))
    return Entry(day.date.isoformat(), day.seal.parquet, made, day.seal.contracts, links, told)


def _remove(manifest: Manifest, names: Iterable[str]) -> None:
    """Remove the files *names* which are of no day, and the folders that are empty then."""
    if not (gone := set(names)):
        return
    for entry in manifest.entries():
        gone -= set(entry.files)
    for name in sorted(gone):
        path = manifest.folder / name
        files.remove(path) if path.exists() or path.is_symlink() else None
        files.remove_empty(path.parent, manifest.folder)


def _is_whole(entry: Entry, day: Day, folder: Path) -> bool:
    """Whether the files of an *entry* are what they were, and of the day as it is sealed now."""
    return (entry.sealed, entry.contracts) == (day.seal.parquet, day.seal.contracts) and all(
        _is_link(folder / name, entry.links[name]) if name in entry.links else _is(folder / name, sha256)
        for name, sha256 in entry.files.items()
    )


def _is(path: Path, sha256: str) -> bool:
    return reads.is_there(path) and reads.digest(path) == sha256


def _is_link(path: Path, target: str) -> bool:
    """Whether *path* leads to *target*: the bytes there are what the sidecar vouches for."""
    return path.is_symlink() and str(path.readlink()) == target


def _seal(parquet: Path, form: Format) -> Seal:
    """What the sidecar of *parquet* vouches for, without the contracts where *form* does not read them."""
    found = seals.read(parquet)
    # The passport has no part in an export: that of a day may be written anew.
    return found._replace(passport="", contracts=found.contracts if form.reports else None)


def _changed(path: Path) -> FileCorruptionError:
    return FileCorruptionError(
        f"{path} is not what its sidecar vouches for, or was sealed anew meanwhile",
        cure="Run `spx-data verify`, then export again: days that are written stay",
        path=path,
        expected="the bytes that were sealed",
        actual="other ones",
    )
