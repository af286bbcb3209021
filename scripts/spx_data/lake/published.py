"""Which keys a published day has, and what a listing of them says.

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
from typing import NamedTuple

from spx_data.errors import FileCorruptionError
from spx_data.store import foreign, reads, seals
from spx_data.store.layout import Layout

DATASET = "dataset.json"
FORMAT = 1
RAISED = "schema_version"  # of a lake's identity: it grows with days of a newer schema
_SEAL_DIGITS = 16
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
