"""A published lake as it is read: what reading takes of it, kept on this machine as a lake of its own.

A listing says which days are published whole and in which version: the highest pointer's. The version's name
is the digest of its sidecar, so a sidecar that comes back vouches for itself, and for every byte of the other
files. Each object is fetched once, hashed as it comes, and has its name in the mirror only when it is what
was sealed; what is there already is hashed again where a reader wants that, and fetched again if it changed.
Files beside a sidecar of the mirror are of its version or absent: others go before it comes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from spx_data.errors import (
    ConfigurationValidationError,
    FileCorruptionError,
    InsufficientDiskSpaceError,
    MissingFileError,
)
from spx_data.lake import published, snapshots
from spx_data.lake.published import PublishedLake
from spx_data.lake.reader import days
from spx_data.lake.reader.days import Presence
from spx_data.market import products
from spx_data.market.dates import Dates
from spx_data.store import cores, dataset, files, locks, reads, seals
from spx_data.store.layout import Layout
from spx_data.store.seals import Seal

CACHE = "SPX_DATA_CACHE"  # names the folder that mirrors are in
LAKE = "lake"  # what names the place, for errors

_SPARE = 1.05


class _Wanted(NamedTuple):
    """A file that the mirror is to have."""

    date: dt.date
    path: Path
    sha256: str


class Mirror:
    """The published lake at a URL, by a listing of the moment."""

    def __init__(self, url: str, data: Path | None) -> None:
        """List what is published; *data* is the data directory whose journals know more of the dates.

        Raises:
            MachineError: the extra `publish` is not installed.
            ConfigurationValidationError: there is no such place, it refuses, or no lake is published there.
            OtherVersionError: it was published by another version of spx-data.
        """
        self._there = PublishedLake(url, LAKE)
        self.name = self._there.url
        self._own = _kept_lake(self._there)
        self.layout = self._own if data is None else mirrored(self._own.output.parent, data, self._own.stem)
        names = {date: {path.name for path in self._own.sealed_files(date)} for date in self._there.days}
        self._days = {date: day for date, day in self._there.days.items() if names[date] <= {*day.sizes}}
        self._broken = sorted({*self._there.broken, *self._there.days} - {*self._days})

    # What the reader asks of a lake -------------------------------------------------------------------------

    def look(self, within: Dates | None) -> Presence:
        """What is published whole of the sessions *within* (None: all), and what should be."""
        whole, lost = (
            [date for date in dates if within is None or date in within]
            for dates in (self._days, self._broken)
        )
        there = {*whole, *lost}
        between: set[dt.date] = set()
        if self._days:
            between.update(days.between(self.layout, min(self._days), max(self._days), within))
        single = set(within.single if within else ())
        unfilled = {date for date in between - there - single if not days.is_settled(self.layout, date)}
        return _PublishedPresence(whole, lost, sorted(unfilled | (single - there)), self.name)

    def is_sealed(self, date: dt.date) -> bool:
        """Whether *date* is published whole."""
        return date in self._days

    def seals(self, dates: Iterable[dt.date]) -> dict[dt.date, Seal]:
        """What the sidecars of *dates*, which are published whole, vouch for.

        Raises:
            FileCorruptionError: a sidecar is not the one that its version is named after.
        """
        return cores.each_of(self._sidecar, dates, published.AT_ONCE)

    def hold(
        self, sealed: Mapping[dt.date, Seal], *, verify: bool, rows: bool = False, contracts: bool = False
    ) -> None:
        """Have the passports of the *sealed* days here, and their rows and contracts where those are wanted.

        Raises:
            FileCorruptionError: an object is not what was sealed.
            MissingFileError: an object is not there any more.
            InsufficientDiskSpaceError: they do not fit on this disk.
        """
        wanted = [
            _Wanted(date, path(date), sha256)
            for date, seal in sealed.items()
            for is_wanted, path, sha256 in (
                (True, self._own.passport, seal.passport),
                (rows, self._own.parquet, seal.parquet),
                (contracts, self._own.contracts, seal.contracts),
            )
            if is_wanted and sha256
        ]
        is_kept = cores.each_of(lambda each: self._is_kept(each, verify), wanted, published.AT_ONCE)
        lacking = [each for each in wanted if not is_kept[each]]
        self._check_room(lacking)
        cores.each_of(self._fetch, lacking, published.AT_ONCE)

    def held(self, snapshot: str | os.PathLike[str], within: Dates | None) -> dict[dt.date, str]:
        """The days of a *snapshot* with their digests; raises as `snapshots.held`."""
        known = [date for date in snapshots.read(self.layout, snapshot).days if date in self._days]
        found = {date: seal.parquet for date, seal in self.seals(known).items()}
        return snapshots.held(self.layout, snapshot, within, found)

    # Objects become files -----------------------------------------------------------------------------------

    def _sidecar(self, date: dt.date) -> Seal:
        wanted = self._days[date].seal
        if self._seal_here(date) != wanted:
            with locks.alone(self._own.day_lock(date)):
                if self._seal_here(date) != wanted:
                    self._replace(date)
        return seals.read(self._own.parquet(date))

    def _seal_here(self, date: dt.date) -> str:
        try:
            return published.name_of(reads.content(self._own.sidecar(date)))
        except (MissingFileError, FileCorruptionError):
            return ""

    def _replace(self, date: dt.date) -> None:
        path = self._own.sidecar(date)
        content = self._there.sidecar(date, path.name)
        for other in self._own.day_files(date):
            if other != path:
                files.remove(other)
        with files.atomic(path, lasting=False) as stream:
            stream.write(content)

    def _is_kept(self, each: _Wanted, verify: bool) -> bool:
        """Whether the mirror has a file, of the size that is listed; by its bytes, where that is wanted.

        What a loss of power has torn has another size.
        """
        if not reads.is_there(each.path):
            return False
        listed = self._days[each.date].sizes.get(each.path.name)
        if listed is not None and reads.size(each.path) != listed:
            return False
        return not verify or reads.digest(each.path) == each.sha256

    def _check_room(self, lacking: Sequence[_Wanted]) -> None:
        required = sum(self._days[each.date].sizes.get(each.path.name, 0) for each in lacking) * _SPARE
        if lacking and (free := reads.free_bytes(self._own.output)) < required:
            raise InsufficientDiskSpaceError(
                f"what is selected of {self.name} needs {required / 1e6:,.0f} MB in {self._own.output}, and "
                f"{free / 1e6:,.0f} MB are free",
                cure=f"Select fewer days, make room, or name another folder in {CACHE}",
                path=self._own.output,
                required=int(required),
                available=free,
            )

    def _fetch(self, each: _Wanted) -> None:
        seal = self._days[each.date].seal
        with locks.alone(self._own.day_lock(each.date)):
            if (found := self._seal_here(each.date)) != seal:
                key = published.file_key(each.date, seal, each.path.name)
                raise self._there.damaged(key, seal, found, "It was restated just now: read again")
            self._there.fetch(each.date, each.sha256, each.path, lasting=False)


@dataclass(frozen=True)
class _PublishedPresence(Presence):
    """What is published of a selection, at the place *name*."""

    name: str

    @property
    def words(self) -> str:
        """What is missing, in words."""
        lost = f"published once and not whole any more: {days.named(self.lost)}" if self.lost else ""
        unfilled = f"not published: {days.named(self.unfilled)}" if self.unfilled else ""
        return "; ".join(filter(None, (lost, unfilled)))

    def error(self, _: Layout, /) -> FileCorruptionError | MissingFileError:
        """The error that names what is missing."""
        found = f"{self.name}: {len(self.missing):,} of the selected sessions are not there, {self.words}"
        others = f"{days.READS_THE_OTHERS}, and {days.WHERE_JOURNALS_ARE}"
        cure = f"Run `spx-data publish` where the lake is; {others}"
        path = f"{self.name}/{published.folder(self.missing[0])}"
        if not self.lost:
            return MissingFileError(found, cure=cure, path=path)
        return FileCorruptionError(
            found, cure=cure, path=path, expected="every object of the day", actual="fewer"
        )


def _kept_lake(there: PublishedLake) -> Layout:
    """The lake on this machine that mirrors the one that is published *there*: one for each identity."""
    same = {name: there.told[name] for name in there.told if name != published.RAISED}
    named = json.dumps([there.url, os.environ.get("AWS_ENDPOINT_URL", ""), same], sort_keys=True)
    every = mirrors()
    # Whoever named another folder, or opened this one, knows who may read it.
    if not os.environ.get(CACHE) and not reads.is_folder(every):
        files.make_directory(every.parent)
        files.make_private(every)
    folder = every / hashlib.sha256(named.encode()).hexdigest()[:16]
    own = mirrored(folder, None)
    with locks.locked(own.lock("data-set")):
        if not reads.is_there(own.dataset) or reads.content(own.dataset) != there.identity:
            with files.atomic(own.dataset) as stream:
                stream.write(there.identity)
    files.make_directory(own.cache)
    dataset.check_version(own)
    return mirrored(folder, None, dataset.stem(own.output))


def mirrored(folder: Path, data: Path | None, stem: str = products.DEFAULT.stem) -> Layout:
    """The paths of a mirror in *folder*; its journals, if it has any, are in *data*."""
    data = data or folder / "data"
    return Layout(folder / "parquet", folder / "temp", data, folder / "status.db", stem=stem)


def mirrors() -> Path:
    """The folder that mirrors are in, each in one of its own: whatever is in it may be removed at any time.

    Raises:
        ConfigurationValidationError: there is no home folder, and nobody names another one.
    """
    if chosen := os.environ.get(CACHE):
        return Path(chosen).absolute()
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:
        raise ConfigurationValidationError(
            f"published days are kept in the home folder, and there is none: {error}",
            cure=f"Name another folder in {CACHE}",
            what=CACHE,
        ) from error
    return Path(cache) / "spx-data" / "published"
