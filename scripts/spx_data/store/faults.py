"""What the system says when it fails, as errors of ours: which thing, what was found, and the cure.

The table names the numbers that are known; it is not closed. Whatever else the system says is an error of the
machine too (`MachineError`), and none of them counts against a date.
"""

from __future__ import annotations

import errno
import os
import pwd
import resource
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from spx_data.errors import (
    DeviceError,
    EvictedFileError,
    FileCorruptionError,
    InsufficientDiskSpaceError,
    MachineError,
    MissingFileError,
    PermissionDeniedError,
    SpxDataError,
    VolumeError,
)
from spx_data.text.words import quoted

LOCK = "lock"  # the one operation whose errors say what a volume lacks

_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_HANDLES = frozenset({errno.EMFILE, errno.ENFILE})
_MEMORY = frozenset({errno.ENOMEM, errno.ENOBUFS})
_MISPLACED = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR})
# What `disk.open_plain` says of what is no file; the date at hand is to blame, and no other one.
_NO_FILES = {errno.ELOOP: "a symbolic link", errno.ESPIPE: "a pipe or a device"}
_FAULTY = frozenset(
    number
    for name in (
        *("EIO", "ENXIO", "ENODEV", "ESTALE", "ETIMEDOUT", "EBADMSG", "EUCLEAN", "EREMOTEIO", "ENOMEDIUM"),
        *("EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ENOTCONN", "ECOMM", "ENOLINK", "EREMCHG"),
        *("EFTYPE", "EDEVERR", "EPWROFF", "EBADRPC"),
    )
    if (number := getattr(errno, name, None)) is not None
)
# They derive from OSError and speak of the network: the source's, or what lies on the way to it.
_OF_THE_NETWORK = frozenset({"requests", "urllib3", "http", "ssl", "socket"})
_NO_THREAD = "can't start new thread"
_LOOK = "Look at the system's log and at the health of that disk before you run the workflow again"
# Where an old macOS keeps the place of a file that it has moved to iCloud.
_EVICTED = ".{}.icloud"


def is_the_systems(error: BaseException) -> bool:
    """Whether *error* is the system's answer about a file, a process or the memory, not the network's."""
    if isinstance(error, SpxDataError | ConnectionError):
        return False
    if isinstance(error, OSError):
        if type(error).__module__.partition(".")[0] in _OF_THE_NETWORK:
            return False
        # A library that finds bytes damaged raises OSError too, and has no number to tell.
        return error.errno is not None or isinstance(error, FileNotFoundError | PermissionError)
    return isinstance(error, MemoryError | ImportError) or _NO_THREAD in str(error)


def of(error: Exception) -> Exception:
    """*error* in words of ours, where it is the system's; else itself."""
    if not is_the_systems(error):
        return error
    if isinstance(error, OSError):
        named = error.filename if isinstance(error.filename, str | bytes) else None
        path = None if named is None else Path(os.fsdecode(named))
        return explained(error, path, "use" if path else "go on")
    if isinstance(error, ImportError):
        return MachineError(
            f"the environment is broken: {error}", cure="Make it anew: make clean env", operation="import"
        )
    return _short_of_memory(f"cannot go on: {error or type(error).__name__}", None, "go on")


def behind(error: BaseException) -> Exception | None:
    """The lack of handles or of memory that lies behind an *error* of the network; None where none does."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _HANDLES | {errno.ENOMEM, errno.ENOBUFS}:
            return explained(seen, None, "open a connection")
        inner = [part for part in (*seen.args, getattr(seen, "reason", None)) if isinstance(part, Exception)]
        seen = seen.__cause__ or seen.__context__ or next(iter(inner), None)
    return None


def evicted(path: Path) -> bool:
    """Whether iCloud has taken *path* away and left a mark in its place, as it did before macOS 14."""
    return path.with_name(_EVICTED.format(path.name)).exists()


def explained(error: OSError, path: Path | None, operation: str) -> SpxDataError:
    """What *error* means that *operation* met at *path*."""
    if operation == LOCK and error.errno not in _FAULTY:
        return _without_locks(error, path)
    finding = f"cannot {operation} {path}: {_said(error)}" if path else f"cannot {operation}: {_said(error)}"
    return (path and _of_place(error, path, finding, operation)) or _of_machine(
        error, path, finding, operation
    )


def _said(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def _of_place(error: OSError, path: Path, finding: str, operation: str) -> SpxDataError | None:
    """What *error* says of what stands at *path*; None where it says nothing of that."""
    number = error.errno
    if isinstance(error, FileNotFoundError):
        return _missing(path, operation)
    if number in _NO_FILES:
        return _no_file(_NO_FILES[number], path, operation)
    if number in _MISPLACED:
        return _misplaced(number, path, operation)
    if number == errno.EDEADLK and sys.platform == "darwin":
        return _evicted(path, operation)
    if number == errno.ETIMEDOUT and sys.platform == "darwin":
        cure = f"Where it lies in iCloud, fetch it: `brctl download {_quoted(path)}`. {_LOOK}"
        return DeviceError(finding, cure=cure, path=path, operation=operation)
    return None


def _of_machine(error: OSError, path: Path | None, finding: str, operation: str) -> SpxDataError:
    number = error.errno
    if number in _REFUSED:
        finding, cure = _refusal(finding, path, operation, number)
        return PermissionDeniedError(finding, cure=cure, path=path, operation=operation)
    if number in _FULL:
        return _full(finding, path)
    if number in _FAULTY:
        return DeviceError(finding, cure=_LOOK, path=path, operation=operation)
    if number in _HANDLES:
        return _short_of_handles(finding, path, operation)
    if number in _MEMORY:
        return _short_of_memory(finding, path, operation)
    return MachineError(
        f"{finding} ({errno.errorcode.get(number or 0, f'error {number}')})",
        cure="That is this machine's, no date is to blame: mend it and run the workflow again",
        path=path,
        operation=operation,
    )


def _missing(path: Path, operation: str) -> SpxDataError:
    if evicted(path):
        return _evicted(path, operation)
    return MissingFileError(f"cannot {operation} {path}: it is not there", path=path, operation=operation)


def _evicted(path: Path | None, operation: str) -> SpxDataError:
    return EvictedFileError(
        f"cannot {operation} {path or 'a file'}: it lies in iCloud and not on this Mac",
        cure=f"Choose Download Now in the Finder, or: `brctl download {_quoted(path)}`; then keep it there",
        path=path,
        operation=operation,
    )


def _misplaced(number: int | None, path: Path, operation: str) -> SpxDataError:
    kinds = ("folder", "file") if number == errno.EISDIR else ("file", "folder")
    return PermissionDeniedError(
        f"cannot {operation} {path}: a {kinds[0]} stands where a {kinds[1]} is needed",
        cure=f"Move that {kinds[0]} away, or set another directory in the config",
        path=path,
        operation=operation,
    )


def _no_file(kind: str, path: Path, operation: str) -> SpxDataError:
    return FileCorruptionError(
        f"cannot {operation} {path}: {kind} stands where a file is needed, and is not followed",
        cure=f"Look at it (`ls -l {_quoted(path)}`), put the file itself in its place, or move it away. "
        "A folder of the lake may be a link",
        path=path,
        expected="a file",
        actual=kind,
    )


def _full(finding: str, path: Path | None) -> SpxDataError:
    available = None
    with suppress(OSError):  # a disk that is full may be gone as well
        available = shutil.disk_usage(_nearest(path or Path())).free
    room = "" if available is None else f" ({available / 1e6:,.1f} MB are free there)"
    return InsufficientDiskSpaceError(
        f"{finding}{room}",
        cure="Make room on that disk and run the workflow again: it goes on where it stopped",
        path=path,
        required=None,
        available=available,
    )


def _short_of_handles(finding: str, path: Path | None, operation: str) -> SpxDataError:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MachineError(
        f"{finding}; a process may have {soft:,} files open here",
        cure="Allow more in this shell and start again: `ulimit -n 4096`",
        path=path,
        operation=operation,
    )


def _short_of_memory(finding: str, path: Path | None, operation: str) -> SpxDataError:
    return MachineError(
        f"{finding}; this machine is out of memory or of processes",
        cure="Close other programs, or run with fewer cores: --cores 1",
        path=path,
        operation=operation,
    )


def _without_locks(error: OSError, path: Path | None) -> SpxDataError:
    return VolumeError(
        f"the volume of {path} has no file locks (flock: {_said(error)})",
        cure="Set processing.data_directory to a folder on a local disk",
        path=path,
        operation=LOCK,
    )


# Refusals -----------------------------------------------------------------------------------------------


def _refusal(finding: str, path: Path | None, operation: str, number: int | None) -> tuple[str, str]:
    """What to say of a refusal, and the cure."""
    if number == errno.EROFS:
        return finding, "Mount that volume for writing, or set another directory in the config"
    if number == errno.EPERM and sys.platform == "darwin":
        return f"{finding} (macOS keeps programs out of this folder until you let them in)", _PRIVACY
    obstacle = None if path is None else _obstacle(path)
    if obstacle is None or (owner := _owner(obstacle)) is None:
        action = "read" if operation == "read" else "write"
        return finding, f"Give yourself {action} permission there, or set another directory in the config"
    me = _name(os.geteuid())
    whose = f"{finding}; {obstacle} belongs to {owner}, and you are {me}"
    return whose, f"Work as {owner}, or take it over: `sudo chown -R {me} {_quoted(_all_of(obstacle))}`"


_PRIVACY = (
    "System Settings > Privacy & Security > Files and Folders (or Full Disk Access): switch your terminal "
    "program on, start it anew; or keep the lake outside of Desktop, Documents, Downloads and iCloud"
)


def _obstacle(path: Path) -> Path | None:
    """What keeps this process out of *path*: the first folder above it that it may not enter, or the last."""
    last = None
    for place in (*reversed(path.absolute().parents), path):
        try:
            place.stat()
        except OSError:
            return last
        last = place
        if place.is_dir() and not os.access(place, os.X_OK):
            return place
    return last


def _all_of(obstacle: Path) -> Path:
    """What to take over with *obstacle*, another user's: a user who left one file there left more.

    The folder that a file is in, where that is this user's; else the topmost of the same owner's, where that
    one is in a folder of this user's. Never what belongs to a third one.
    """
    with suppress(OSError):
        owner, top = obstacle.stat().st_uid, obstacle
        for folder in obstacle.parents:
            above = folder.stat().st_uid
            if above == os.geteuid():
                alone = top == obstacle and not obstacle.is_dir() and folder != Path()
                return folder if alone else top
            if above != owner:
                break
            top = folder
    return obstacle


def _owner(path: Path) -> str | None:
    """Who owns *path*, where that is somebody else; None where it is this user, or nobody knows."""
    with suppress(OSError):
        owner = path.stat().st_uid
        return None if owner == os.geteuid() else _name(owner)
    return None


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _quoted(path: Path | None) -> str:
    return quoted(path) if path else "FILE"


def _nearest(path: Path) -> Path:
    return next(folder for folder in _upwards(path) if folder.exists())


def _upwards(path: Path) -> Iterator[Path]:
    yield path
    yield from path.absolute().parents
