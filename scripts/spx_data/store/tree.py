"""What stands in a lake's output tree: the dates it holds, and strangers, which are no part of the lake.

One walk tells both. A date's files count only in the date's own folder; whatever else lies about (copies that
a cloud's synchronisation made, a Finder's notes, folders with a blank and a number, links) is a stranger:
nothing reads it, nothing moves or deletes it, and every look at the lake says that it is there. Plain
globs for `*.parquet` do read such files, so those are counted apart.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from spx_data.store import files, reads
from spx_data.store.layout import Layout
from spx_data.store.names import contracts_name, is_staged, iso_date
from spx_data.text.words import counted, quoted

# A user who keeps a whole disk beside the days need not wait until all of it is counted.
_MOST = 1_000
_NAMED = 3
_PARQUET = ".parquet"


class Stranger(NamedTuple):
    """A file or folder that is no part of the lake: how many *files* it is or holds.

    *caught* are those of them that a glob for `*.parquet` finds, at any depth.
    """

    path: Path
    files: int = 1
    caught: int = 0


@dataclass(frozen=True)
class Tree:
    """One look at the output tree; *dates* are those of which a Parquet, sidecar or passport is there.

    *unsealed* are those of them whose Parquet has no sidecar: globs find it, and it is no sealed day.
    """

    dates: tuple[dt.date, ...] = ()  # oldest first
    unsealed: tuple[dt.date, ...] = ()
    strangers: tuple[Stranger, ...] = ()  # those that globs catch first, then by path
    more: bool = False  # there are more strangers than were counted

    @property
    def files(self) -> int:
        """Files that are no part of the lake."""
        return sum(stranger.files for stranger in self.strangers)

    @property
    def caught(self) -> int:
        """Those of them that a glob for `*.parquet` finds."""
        return sum(stranger.caught for stranger in self.strangers)

    @property
    def words(self) -> str:
        """What else is there, in one line; empty where nothing is."""
        if not self.strangers:
            return ""
        are = "1 file is" if self.files == 1 else f"{self.files:,} files are"
        over = "more than " if self.more else ""
        found = f"{over}{are} no part of this lake ({named(self.strangers)})"
        if not self.caught:
            return f"{found}; globs for *.parquet read none of them"
        of = "it" if self.files == 1 else f"{over}{self.caught:,} of them"
        return f"{found}; globs for *.parquet, in DuckDB or Polars, would read {of}"


def named(strangers: Sequence[Stranger]) -> str:
    """The first few of *strangers* by name, as a shell takes them; the others as a number."""
    shown = [quoted(stranger.path) for stranger in strangers[:_NAMED]]
    left = len(strangers) - len(shown)
    return ", ".join(shown) + (f" and {counted(left, 'more')[: -1 if left > 1 else None]}" if left else "")


def dates(layout: Layout) -> tuple[dt.date, ...]:
    """Every date of which the output tree holds a Parquet, a sidecar or a passport, oldest first."""
    return walk(layout).dates


def walk(layout: Layout) -> Tree:
    """Look at every name in the output tree of *layout* once; no file is opened.

    Raises:
        DeviceError: the disk has a fault of its own.
    """
    seen = _Walk(str(layout.output), layout.stem, _rooms_inside(layout))
    with reads.explained(layout.output, "read"):
        seen.root()
    strangers = sorted(seen.strangers, key=lambda stranger: (not stranger.caught, stranger.path))
    dates, unsealed = sorted(seen.dates), sorted(seen.unsealed)
    return Tree(tuple(dates), tuple(unsealed), tuple(strangers), seen.left < 0)


def beside(folder: Path) -> list[Stranger]:
    """What stands in a date's folder of the temp directory and is nothing that a fill put there, by name."""
    walked = _Walk(str(folder), "", frozenset())
    for name in sorted(_listed(str(folder)) or ()):
        if not is_staged(name) or (folder / name).is_dir():
            walked.stranger(f"{folder}/{name}")
    return walked.strangers


def _rooms_inside(layout: Layout) -> frozenset[str] | None:
    """The lake's names in the output directory; None where other rooms of it are the same folder.

    Then only Parquet files and years are told apart from whatever those rooms hold.
    """
    names = {layout.dataset.name, files.part_of(layout.dataset).name}
    top = Path(os.path.realpath(layout.output))
    for room in (layout.temp, layout.data, layout.database):
        place = Path(os.path.realpath(room))
        if place == top:
            return None
        if top in place.parents:
            first = place.relative_to(top).parts[0]
            # A database at work has files of its own beside it.
            names |= {f"{first}{end}" for end in ("", "-journal", "-wal", "-shm", files.PART)}
    return frozenset(names)


@dataclass
class _Walk:
    """The walk, folder by folder: text and no paths, for thousands of them would take five times as long."""

    top: str
    stem: str  # of the names of sealed files
    ours: frozenset[str] | None
    dates: list[dt.date] = field(default_factory=list)
    unsealed: list[dt.date] = field(default_factory=list)
    strangers: list[Stranger] = field(default_factory=list)
    left: int = _MOST

    def root(self) -> None:
        """Look at the whole tree; where there is none, there is nothing in it."""
        for name in _listed(self.top) or ():
            if _is_number(name, 4):
                self._year(f"{self.top}/{name}")
            elif name.endswith(_PARQUET) if self.ours is None else name not in self.ours:
                self.stranger(f"{self.top}/{name}")

    def _year(self, folder: str) -> None:
        for month in self._numbers(folder):
            for day in self._numbers(month):
                date = iso_date(day[-10:].replace("/", "-"))
                found = _listed(day) if date else None
                if date is None or found is None:
                    self.stranger(day)
                else:
                    self._day(date, day, found)

    def _numbers(self, folder: str) -> Iterator[str]:
        """The paths in *folder* that are named by two digits; whatever else is in it is a stranger.

        So is itself, if it is no folder, or none that can be read.
        """
        names = _listed(folder)
        if names is None:
            self.stranger(folder)
        for name in names or ():
            if _is_number(name, 2):
                yield f"{folder}/{name}"
            else:
                self.stranger(f"{folder}/{name}")

    def _day(self, date: dt.date, folder: str, names: list[str]) -> None:
        parquet = f"{self.stem}-{date}.parquet"
        own = {parquet, f"{parquet}.sha256", f"{self.stem}-{date}.json", contracts_name(parquet)}
        found = own.intersection(names)
        if len(found) < len(names):  # a sealed day has its own files and no others
            for name in set(names) - own:
                if _evicted(name) in own:
                    found.add(_evicted(name))
                elif name.removesuffix(files.PART) not in own:
                    self.stranger(f"{folder}/{name}")
        if found:
            self.dates.append(date)
        if parquet in found and f"{parquet}.sha256" not in found:
            self.unsealed.append(date)

    def stranger(self, path: str) -> None:
        """Note the file or folder at *path*; an empty folder is nothing."""
        if self.left < 0:
            return
        count = caught = 0
        for name in _files(path):
            self.left -= 1
            if self.left < 0:
                break
            count += 1
            caught += name.endswith(_PARQUET)
        if count:
            self.strangers.append(Stranger(Path(path), count, caught))


def _is_number(name: str, digits: int) -> bool:
    return len(name) == digits and name.isascii() and name.isdigit()


def _evicted(name: str) -> str:
    """The name of the file that iCloud has taken away and left *name* in place of; else nothing."""
    return name[1:-7] if name.startswith(".") and name.endswith(".icloud") else ""


# What a folder is not, or does not allow: it is one that we cannot look into, and no fault of the disk.
_CLOSED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP})


def _listed(folder: str) -> list[str] | None:
    """The names in *folder*; None where there is none, or none that can be read."""
    try:
        return os.listdir(folder)  # noqa: PTH208  # names, for thousands of folders
    except OSError as error:
        if error.errno not in _CLOSED:
            raise
        return None


def _files(path: str) -> Iterator[str]:
    """The names of *path* or of every file in it; links in it are not followed."""
    if not os.path.isdir(path):  # noqa: PTH112  # no Path for each of many
        yield path
        return
    folders = [path]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        yield entry.name
        except OSError as error:
            if error.errno not in _CLOSED:
                raise
            yield path
