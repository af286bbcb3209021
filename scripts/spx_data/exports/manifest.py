"""The manifest of an export: what its folder is, and for each day of which bytes which files were made.

`_manifest/export.json` says the format and what was selected; a folder has one of each. `_manifest/DATE.json`
stands for a day that is whole. While the files of a day come to their places there is `DATE.begun.json` with
all names that are concerned: whatever ends meanwhile, the next call removes them and makes the day again.
The underscore hides the folder from what reads a table, or sweeps it (VACUUM).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from spx_data.errors import ConfigurationValidationError, MissingFileError, SchemaValidationError
from spx_data.store import files, reads

FOLDER, LOCK = "_manifest", ".lock"
FORMAT = 1
_HEAD, _BEGUN = "export.json", ".begun"


@dataclass(frozen=True)
class Entry:
    """A day: the SHA-256 of its sealed Parquet, and each file made of it with its own.

    *contracts* is that of the file of contracts, where it was read. Of a link the SHA-256 is that of what it
    leads to, and *links* says where that is. *notes* say what the files do not have.
    """

    date: str
    sealed: str
    files: Mapping[str, str]
    contracts: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Manifest:
    """The manifest in *folder*, of an export that *head* describes."""

    def __init__(self, folder: Path, head: Mapping[str, Any]) -> None:
        """Name it; nothing is read or written yet."""
        self.folder = folder
        self._at = folder / FOLDER
        self._head = {"export": FORMAT, **head}

    def check(self) -> None:
        """Raise `ConfigurationValidationError` where the folder is none for this export."""
        path = self._at / _HEAD
        if not reads.is_there(path):
            if there := self._something():
                raise self._refused(f"{there}, and no manifest of an export")
            return
        found = reads.read_json(path)
        if found == self._head:
            return
        if not isinstance(found, dict) or found.get("export") != FORMAT:
            raise self._refused("an export of another version of spx-data")
        differing = [name for name in self._head if found.get(name) != self._head[name]]
        told = ", ".join(f"{name} {_told(found.get(name))}" for name in differing)
        raise self._refused(f"another export: {told}")

    def begin(self) -> None:
        """Write the head, before any other file: the folder is this export's from now on."""
        if not reads.is_there(self._at / _HEAD):
            files.write_json(self._at / _HEAD, self._head)

    def read(self, date: dt.date) -> Entry | None:
        """The entry of *date*; None where the day is not whole, or its entry cannot be read."""
        return _entry(self._at / f"{date}.json")

    def entries(self) -> Iterator[Entry]:
        """Every entry that can be read, the oldest first."""
        found = sorted(path for path in self._at.glob("[0-9]*.json") if _BEGUN not in path.name)
        return (entry for path in found if (entry := _entry(path)))

    def take(self, entry: Entry) -> None:
        """Note that the files of *entry* will be taken into their places, or away from there."""
        files.write_json(self._at / f"{entry.date}{_BEGUN}.json", asdict(entry))
        files.remove(self._at / f"{entry.date}.json")

    def done(self, entry: Entry) -> None:
        """Note that the day of *entry* is whole."""
        files.write_json(self._at / f"{entry.date}.json", asdict(entry))
        files.remove(self._at / f"{entry.date}{_BEGUN}.json")

    def interrupted(self) -> list[Entry]:
        """The days that were being taken in when their call ended."""
        return [entry for path in sorted(self._at.glob(f"*{_BEGUN}.json")) if (entry := _entry(path))]

    def forget(self, entry: Entry) -> None:
        """Note that nothing of an interrupted day is left."""
        files.remove(self._at / f"{entry.date}{_BEGUN}.json")

    def _something(self) -> str | None:
        with reads.explained(self.folder, "look into"):
            if not self.folder.exists():
                return None
            names = sorted(path.name for path in self.folder.iterdir())
        return next((name for name in names if name not in (LOCK, FOLDER)), None)

    def _refused(self, finding: str) -> ConfigurationValidationError:
        return ConfigurationValidationError(
            f"{self.folder} holds {finding}",
            cure="Name another folder, which may be a new one",
            what=str(self.folder),
        )


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return " and ".join(f"{name} {_told(each)}" for name, each in value.items()) or "everything"
    return str(value)


def _entry(path: Path) -> Entry | None:
    try:
        told = reads.read_json(path)
        made = Entry(**{**told, "notes": tuple(told["notes"])})
        dt.date.fromisoformat(made.date)
        # Whoever wrote this: what is removed by it lies in the folder.
        inside = all(_is_below(name) for name in made.files) and set(made.links) <= set(made.files)
    except (MissingFileError, SchemaValidationError, TypeError, KeyError, ValueError):
        return None
    return made if inside and isinstance(made.files, dict) and isinstance(made.links, dict) else None


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts
