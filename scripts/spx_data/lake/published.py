"""A published lake: which keys a day has there, what a listing of them says, and objects that become files.

Below the folder of a date stands one folder for each version of the day, named by its seal, with the files as
the lake names them; and pointers `current-0001.json`, of which the highest says which version holds.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from spx_data.config import shipped
from spx_data.errors import ConfigurationValidationError, FileCorruptionError, MissingFileError
from spx_data.sources.objects import Objects
from spx_data.store import cores, files, foreign, names, reads, seals
from spx_data.store.layout import Layout

DATASET = "dataset.json"
FORMAT = 1
RAISED = "schema_version"  # of a lake's identity: it grows with days of a newer schema
_SEAL_DIGITS = 16
ANEW = "Remove that object, then publish again from the lake: `spx-data publish`"
AT_ONCE = 8  # objects: to ask for the next takes longer than to get a small one
_KEY = re.compile(r"(\d{4})/(\d{2})/(\d{2})/(?:([0-9a-f]{16})/([^/]+)|current-(\d{4})\.json)")


class File(NamedTuple):
    """A file of a sealed day, and the SHA-256 that it has."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Sealed:
    """A day as it is sealed in the lake: its files, the sidecar last, and what its seal is called."""

    date: dt.date
    seal: str
    files: tuple[File, ...]

    @classmethod
    def of(cls, layout: Layout, date: dt.date) -> Sealed:
        """The sealed day *date*; raises MissingFileError or FileCorruptionError where it is none."""
        parquet, sidecar = layout.parquet(date), layout.sidecar(date)
        seals.read(parquet)  # or it is no sidecar
        content = reads.content(sidecar)
        sha256, words = hashlib.sha256(content).hexdigest(), content.decode().split()
        vouched = zip(words[::2], words[1::2], strict=True)  # whatever it vouches for belongs to the day
        files = [File(parquet.with_name(name), digest) for digest, name in vouched]
        return cls(date, name_of(content), (*files, File(sidecar, sha256)))

    def keys(self) -> list[str]:
        """The keys of the files, in the order in which they are created."""
        return [file_key(self.date, self.seal, file.path.name) for file in self.files]

    def pointer(self) -> dict[str, object]:
        """What says that this version holds."""
        digests = {file.path.name: file.sha256 for file in self.files}
        return {"format": FORMAT, "date": self.date.isoformat(), "seal": self.seal, "sha256": digests}


@dataclass
class Version:
    """The objects of one version of a day by their names, with their sizes."""

    names: dict[str, int] = field(default_factory=dict)

    def has(self, sealed: Sealed) -> bool:
        """Whether all files of a day are there, with the sizes that they have in the lake."""
        return all(self.names.get(file.path.name) == reads.size(file.path) for file in sealed.files)


@dataclass
class Published:
    """What a listing says of one date: its versions by their seals, and the numbers of its pointers."""

    versions: dict[str, Version] = field(default_factory=dict)
    pointers: list[int] = field(default_factory=list)


def folder(date: dt.date) -> str:
    """Where the objects of *date* are."""
    return f"{date.year:04}/{date.month:02}/{date.day:02}"


def name_of(sidecar: bytes) -> str:
    """What the version with this *sidecar* is called: its seal."""
    return hashlib.sha256(sidecar).hexdigest()[:_SEAL_DIGITS]


def file_key(date: dt.date, seal: str, name: str) -> str:
    """The key of the file *name* of a version of *date*."""
    return f"{folder(date)}/{seal}/{name}"


def pointer_key(date: dt.date, number: int) -> str:
    """The key of a pointer of *date*."""
    return f"{folder(date)}/current-{number:04}.json"


def listed(sizes: Mapping[str, int]) -> dict[dt.date, Published]:
    """What a listing says, by date; keys that are none of ours are left aside."""
    found: dict[dt.date, Published] = {}
    for key, size in sizes.items():
        if not (match := _KEY.fullmatch(key)):
            continue
        try:
            date = dt.date(*map(int, match.group(1, 2, 3)))
        except ValueError:
            continue
        day = found.setdefault(date, Published())
        if match[4]:
            day.versions.setdefault(match[4], Version()).names[match[5]] = size
        else:
            day.pointers.append(int(match[6]))
    return found


def seal_of(content: bytes, key: str) -> str:
    """The seal that a pointer names; raises FileCorruptionError where it is none."""
    try:
        document = foreign.parsed(content)
        seal = document["seal"]
        if document["format"] == FORMAT and re.fullmatch(r"[0-9a-f]{16}", seal):
            return str(seal)
        finding = f"format {document['format']}, seal {seal!r:.40}"
    except (ValueError, LookupError, TypeError) as error:
        finding = str(error)
    raise FileCorruptionError(
        f"{key} is no pointer to a published day: {finding}",
        cure="Look at it; without it, the day is published anew",
        path=key,
        expected="a pointer",
        actual=finding,
    )


def seal_at(objects: Objects, date: dt.date, number: int, wanted: str = "") -> str:
    """The seal that a pointer of *date* names; read once more where that is none, or not the one *wanted*.

    Raises:
        FileCorruptionError: it is no pointer.
        MissingFileError: there is no such pointer.
    """
    key = pointer_key(date, number)
    place = f"{objects.url}/{key}"

    def is_wanted(content: bytes) -> bool:
        try:
            found = seal_of(content, place)
        except FileCorruptionError:
            return False
        return found == (wanted or found)

    return seal_of(objects.content(key, is_wanted), place)


# Read from there ------------------------------------------------------------------------------------------


class Day(NamedTuple):
    """A day that is published: the name of its version, and the sizes of its objects by their names."""

    seal: str
    sizes: Mapping[str, int]


class PublishedLake:
    """The lake that is published at a URL, by a listing of the moment.

    `days` are published whole, each in the version that its highest pointer names; `broken` have a pointer,
    and what it names is not there whole.
    """

    def __init__(self, url: str, what: str) -> None:
        """List what is published; *what* names the place, for errors.

        Raises:
            MachineError: the extra `publish` is not installed.
            ConfigurationValidationError: there is no such place, it refuses, or no lake is published there.
            ApiConnectionError: it cannot be reached.
        """
        shipped.check_extra("publish")
        self._objects = Objects.at(url, what)
        self.url, self._what = self._objects.url, what
        sizes = self._objects.sizes()
        if DATASET not in sizes:
            raise self.no_lake(f"there is no {DATASET}")
        self.identity = self._objects.content(DATASET)
        self.told = self._told()
        there = {date: each for date, each in listed(sizes).items() if each.pointers}
        found = cores.each_of(lambda date: self._holding(date, there[date]), sorted(there), AT_ONCE)
        self.days = {date: day for date, day in found.items() if day is not None}
        self.broken = [date for date, day in found.items() if day is None]

    def _told(self) -> Mapping[str, Any]:
        """The identity of the lake."""
        try:
            told = foreign.parsed(self.identity)
        except ValueError as error:
            raise self.no_lake(f"its {DATASET} is none: {error}") from error
        if not isinstance(told, dict):
            raise self.no_lake(f"its {DATASET} is none: it is no object")
        return told

    def no_lake(self, finding: str) -> ConfigurationValidationError:
        """The error that no lake is published here."""
        return ConfigurationValidationError(
            f"{self._what}: {self.url} holds no published lake: {finding}",
            cure="Name the folder that days were published to (publish.url; of several symbols, that of one)",
            what=self._what,
        )

    def _holding(self, date: dt.date, there: Published) -> Day | None:
        """The version of *date* that holds; None where what it points to is not there whole."""
        try:
            seal = self._seal(date, there)
        except (FileCorruptionError, MissingFileError):
            return None
        sizes = there.versions.get(seal, Version()).names
        for parquet in map(Path, sizes):
            if {names.sidecar_of(parquet).name, names.passport_of(parquet).name} <= {*sizes}:
                return Day(seal, sizes)
        return None

    def _seal(self, date: dt.date, there: Published) -> str:
        if len(there.versions) == len(there.pointers) == 1:
            return next(iter(there.versions))
        return seal_at(self._objects, date, max(there.pointers))

    def sidecar(self, date: dt.date, name: str) -> bytes:
        """The sidecar *name* of *date*, which is published whole.

        Raises:
            FileCorruptionError: it is not the one that its version is named after.
        """
        seal = self.days[date].seal
        key = file_key(date, seal, name)
        content = self._objects.content(key, lambda content: name_of(content) == seal)
        if (found := name_of(content)) != seal:
            raise self.damaged(key, seal, found)
        return content

    def fetch(self, date: dt.date, sha256: str, target: Path, *, lasting: bool = True) -> None:
        """Let *target* be the file of its name of *date*: it is there when it has that *sha256*.

        Raises:
            FileCorruptionError: other bytes came back.
            MissingFileError: it is not there any more.
        """
        key = file_key(date, self.days[date].seal, target.name)
        with files.atomic(target, lasting=lasting) as stream:
            if (found := self._objects.fetch(key, stream, sha256)) != sha256:
                raise self.damaged(key, sha256, found)

    def damaged(self, key: str, expected: str, found: str, cure: str = ANEW) -> FileCorruptionError:
        """The error that an object is another one."""
        return damaged(f"{self.url}/{key}", expected, found, cure)


def damaged(place: str, expected: str, found: str, cure: str = ANEW) -> FileCorruptionError:
    """The error that what is at *place* is another file or object."""
    return FileCorruptionError(
        f"{place} is not what was sealed: {expected[:12]}…, not {found[:12]}…",
        cure=cure,
        path=place,
        expected=expected,
        actual=found,
    )
