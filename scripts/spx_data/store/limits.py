"""What stands in a fill's way on a machine: volumes that cannot do what it needs, and too few open files.

What a volume cannot do is found out by doing it in a folder that is made for that. A fill makes files,
flushes them and their folders, renames one over another, and, in the data directory, locks. Local disks can
all of it; a network drive, a memory stick or a folder in the cloud may not. Asking beats reading a table of
file systems, which says nothing of the options that one was mounted with.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from spx_data.errors import MachineError, VolumeError
from spx_data.store import disk, files, reads
from spx_data.store.layout import Layout

_OTHERS = 0o077
PROBE = ".spx-data-probe-"


class Lack(StrEnum):
    """What a volume cannot do, the worst first; the words go on after "has no"."""

    LOCKS = "file locks"
    EXCLUSION = "file locks that keep anybody out"
    RENAMING = "renaming of one file over another"
    SCRATCH = "scratch files without a name"
    FLUSH = "flush of a file to the device"
    FOLDER_FLUSH = "flush of a folder to the device"
    MODES = "permissions for the owner alone"


_DATA, _TEMP = "processing.data_directory", "processing.temp_directory"
_NEEDED_EVERYWHERE = frozenset({Lack.RENAMING})
# What nothing can be filled without, by the setting that names the folder.
_NEEDED = {_DATA: frozenset({Lack.LOCKS, Lack.EXCLUSION}), _TEMP: frozenset({Lack.SCRATCH})}


@dataclass(frozen=True)
class Volume:
    """A volume under the lake: the folders there by the settings that name them, and what it lacks."""

    folders: dict[str, Path]
    lacks: dict[Lack, str]  # with what the system said

    @property
    def fatal(self) -> list[Lack]:
        """What it lacks that no fill can do without."""
        return [lack for lack in self.lacks if any(lack in _needed(key) for key in self.folders)]

    def words(self, lacks: Sequence[Lack]) -> str:
        """What it lacks, in one sentence that names the volume."""
        named = ", ".join(f"{folder} ({key})" for key, folder in self.folders.items())
        found = " and ".join(f"no {lack} ({self.lacks[lack]})" for lack in lacks)
        return f"the volume of {named} has {found}"

    @property
    def cure(self) -> str:
        """What to do about what is fatal."""
        keys = [key for key in self.folders if not _needed(key).isdisjoint(self.lacks)]
        return f"Set {' and '.join(keys)} to a folder on a local disk"


def _needed(key: str) -> frozenset[Lack]:
    return _NEEDED_EVERYWHERE | _NEEDED.get(key, frozenset())


def of_lake(layout: Layout) -> list[Volume]:
    """The volumes under a lake, the data directory's first.

    Each directory is probed: one device may let a program into one folder and keep it out of another.

    Raises:
        SpxDataError: a folder cannot be written to at all.
    """
    folders = {
        _DATA: layout.data,
        "processing.output_directory": layout.output,
        _TEMP: layout.temp,
        "database.path": layout.database.parent,
    }
    found: list[Volume] = []
    devices: list[int] = []
    for key, folder in folders.items():
        device, lacking = reads.device(folder), lacks(folder)
        for known, volume in zip(devices, found, strict=True):
            if known == device and volume.lacks == lacking:
                volume.folders[key] = folder
                break
        else:
            devices.append(device)
            found.append(Volume({key: folder}, lacking))
    return found


def check(layout: Layout) -> list[str]:
    """Raise unless a fill can be done on the volumes of a lake; returns what it will have to go without.

    Raises:
        VolumeError: one lacks what is needed there.
        SpxDataError: a folder cannot be written to at all.
    """
    volumes = of_lake(layout)
    for volume in volumes:
        if volume.fatal:
            folder = next(iter(volume.folders.values()))
            raise VolumeError(volume.words(volume.fatal), cure=volume.cure, path=folder, operation="use")
    return [volume.words([Lack.FLUSH]) for volume in volumes if Lack.FLUSH in volume.lacks]


def lacks(folder: Path) -> dict[Lack, str]:
    """What the volume of *folder* cannot do, with the system's words; a missing one is made for that.

    Raises:
        SpxDataError: it cannot be written to at all, or fails at what it can do.
    """
    found: dict[Lack, str] = {}
    with reads.explained(folder, "write to"), _scratch(folder) as scratch:
        first, second = scratch / "first", scratch / "second"
        for path in (first, second):
            with disk.create(path) as stream:
                stream.write(b"spx-data\n")
        with _noting(found, Lack.FLUSH, disk.NOT_SUPPORTED):
            _flushed(first, os.O_RDWR)
        with _noting(found, Lack.RENAMING, disk.NOT_SUPPORTED | {errno.EEXIST, errno.EACCES, errno.EPERM}):
            disk.rename(first, second)
        with _noting(found, Lack.SCRATCH):
            disk.create_nameless(scratch).close()
        with _noting(found, Lack.FOLDER_FLUSH):
            _flushed(scratch, os.O_RDONLY)
        if refused := _without_locks(second):
            found.update(refused)
        with _noting(found, Lack.MODES):
            disk.set_mode(second, 0o600)
        if Lack.MODES not in found and stat.S_IMODE(second.stat().st_mode) & _OTHERS:
            found[Lack.MODES] = f"asked for 600, it has {stat.S_IMODE(second.stat().st_mode):o}"
    return {lack: found[lack] for lack in Lack if lack in found}


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A new folder in *folder*; afterwards it is gone, and so are those above it that were not there."""
    there = reads.nearest(folder)
    scratch = files.make_directory(folder) / f"{PROBE}{secrets.token_hex(6)}"
    disk.make_folder(scratch)
    try:
        yield scratch
    finally:
        with suppress(OSError):
            files.remove(scratch)
            files.remove_empty(folder, there)


@contextmanager
def _noting(found: dict[Lack, str], lack: Lack, numbers: frozenset[int] | None = None) -> Iterator[None]:
    """Note in *found* that the operation in the block is not supported; that it failed goes on.

    It is not supported where the system says one of *numbers*, or, without them, anything but that it failed.
    """
    try:
        yield
    except OSError as error:
        if error.errno in disk.FAILED if numbers is None else error.errno not in numbers:
            raise
        found[lack] = error.strerror or str(error)


def _flushed(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        disk.flush(descriptor)
    finally:
        os.close(descriptor)


def _without_locks(path: Path) -> dict[Lack, str]:
    """What is wrong with the locks of *path*: a second opener must not get the same one."""
    first, second = disk.open_to_append(path), disk.open_to_append(path)
    try:
        disk.lock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            disk.lock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return {}
        return {Lack.EXCLUSION: "two had the same one"}
    except OSError as error:
        if error.errno in disk.FAILED:
            raise
        return {Lack.LOCKS: f"flock: {error.strerror or error}"}
    finally:
        os.close(first)
        os.close(second)


# Open files: macOS allows a process 256 where nobody asks for more -----------------------------------------

# What Python, its libraries and Snakemake have open, with as much again.
_FOUNDATION = 96
_BESIDE_THE_SLOTS = 10  # the queues' locks, the journal, the log
# For each thread that asks: its connection, its scratch file, its checkpoint, and a folder to be flushed.
_OF_A_THREAD = 4
_MORE_THREADS = 2
# More than this macOS refuses, whatever the hard limit says (OPEN_MAX).
_MOST = 10_240
_COMFORTABLE = 4096


def files_needed(requests: int) -> int:
    """The files that one process of a run has open at most, with so many *requests* in flight."""
    return _FOUNDATION + _BESIDE_THE_SLOTS + requests + _OF_A_THREAD * (requests + _MORE_THREADS)


def files_allowed() -> int:
    """The files that this process may have open, if it asks for as many as it can get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(soft, _bounded(hard))


def files_allowed_now() -> int:
    """The files that this process may have open as it is."""
    return _bounded(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def ensure_files(requests: int) -> None:
    """Let this process and its children open what a run needs.

    Raises:
        MachineError: the system does not allow as many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = files_needed(requests)
    for wanted in (min(_COMFORTABLE, _bounded(hard)), need):
        if _bounded(soft) < wanted <= _bounded(hard):
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                soft = wanted
    if _bounded(soft) < need:
        raise MachineError(
            lack_of_files(need, _bounded(soft)), cure=cure_of_files(need), operation="open files"
        )


def lack_of_files(need: int, limit: int) -> str:
    """What to say of a *limit* that is too low."""
    return (
        f"a process may have {limit:,} files open here, and a run needs {need:,} for its requests in flight"
    )


def cure_of_files(need: int) -> str:
    """What to do about a limit that is too low."""
    return f"Allow more and start again: `ulimit -n {need}`; or lower thetadata.max_concurrent_requests"


def _bounded(limit: int) -> int:
    """*limit* as a number that can be had: none at all counts as the most that every system grants."""
    return _MOST if limit == resource.RLIM_INFINITY else min(limit, _MOST)
