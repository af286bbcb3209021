"""Write a file once, whole, and make it last: the only room that writes data.

A reader never sees half a file: bytes go to a `.part` sibling, are flushed to the device and renamed into
place, and the folder is flushed too. A sidecar is written after the file it vouches for, so its presence
means that the file is done.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from spx_data import layout
from spx_data.errors import (
    FileCorruptionError,
    MissingFileError,
    PermissionDeniedError,
    SchemaValidationError,
    SpxDataError,
)

PART = ".part"
_READ_BYTES = 1 << 20


def restrict(*, owner_only: bool) -> None:
    """Make what this process and its children create readable by the owner alone (0700, 0600)."""
    if owner_only:
        os.umask(0o077)


@contextmanager
def _explained(path: Path, operation: str) -> Iterator[None]:
    """Turn a refusal of the system into an error that names the path and the cure."""
    try:
        yield
    except SpxDataError:
        raise  # said in its own words already, maybe about another file
    except FileNotFoundError as error:
        raise MissingFileError(
            f"cannot {operation} {path}: it is not there", path=path, operation=operation
        ) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise PermissionDeniedError(
            f"cannot {operation} {path}: a file stands where a folder is needed",
            cure="Move that file away, or set another directory in the config",
            path=path,
            operation=operation,
        ) from error
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise
        raise PermissionDeniedError(
            f"cannot {operation} {path}: {error.strerror}",
            cure="Give yourself write permission there, or set another directory in the config",
            path=path,
            operation=operation,
        ) from error


def make_directory(path: Path) -> Path:
    """Create *path* and its parents where they are missing."""
    with _explained(path, "create the folder"):
        path.mkdir(parents=True, exist_ok=True)
    return path


def check_writable(directory: Path) -> None:
    """Raise `PermissionDeniedError` unless files can be made in *directory* (or where it would be made)."""
    nearest = next(folder for folder in (directory, *directory.absolute().parents) if folder.exists())
    with _explained(directory, "write to"):
        # Asking the system beats reading mode bits: read-only mounts and root's powers included.
        tempfile.TemporaryFile(dir=nearest).close()


@contextmanager
def building(target: Path, *, check: Callable[[Path], None] | None = None) -> Iterator[Path]:
    """A `.part` path to build *target* at; it gets its name, whole and on the device, if the block ends well.

    *check* may look at the finished `.part` and refuse it by raising.
    """
    make_directory(target.parent)
    part = part_of(target)
    try:
        with _explained(target, "write"):
            part.unlink(missing_ok=True)
            yield part
            _sync(part)
        if check:
            check(part)
        part.replace(target)
        _sync(target.parent)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


@contextmanager
def atomic(target: Path, *, check: Callable[[Path], None] | None = None) -> Iterator[BinaryIO]:
    """Open *target* for writing; it appears, whole and on the device, only if the block ends well."""
    with building(target, check=check) as part, part.open("wb") as stream:
        yield stream


def part_of(target: Path) -> Path:
    """The sibling under which *target* is written."""
    return target.with_name(target.name + PART)


def _sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the device."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _flush(descriptor)
    finally:
        os.close(descriptor)


def _flush(descriptor: int) -> None:
    """Wait until the device has it: on a Mac fsync only hands the bytes to the drive's cache."""
    if full := getattr(fcntl, "F_FULLFSYNC", None):
        with suppress(OSError):  # file systems that do not know it still know fsync
            fcntl.fcntl(descriptor, full)
            return
    os.fsync(descriptor)


def write_text(target: Path, text: str) -> None:
    """Write *text* to *target*, atomically."""
    with atomic(target) as stream:
        stream.write(text.encode())


def write_json(target: Path, document: Any) -> None:
    """Write *document* to *target* as JSON a person can read, atomically."""
    write_text(target, json.dumps(document, indent=1) + "\n")


def claim_json(target: Path, document: Any) -> None:
    """Write *document* like `write_json`, where other processes may be doing just that.

    Each writes under a name of its own; whoever renames last wins, and a reader sees a whole file always.
    """
    own = target.with_name(f"{target.name}.{os.getpid()}")
    write_json(own, document)
    own.replace(target)
    _sync(target.parent)


def read_json(path: Path) -> Any:
    """The JSON document at *path*.

    Raises:
        MissingFileError: there is no such file.
        SchemaValidationError: it is not JSON.
    """
    with reading(path) as stream:
        text = stream.read()
    try:
        return json.loads(text)
    except ValueError as error:
        raise SchemaValidationError(f"{path} is not JSON: {error}", what=path, reason=str(error)) from error


def append_line(path: Path, line: str) -> None:
    """Append one line to *path*, one writer at a time, so that lines never mix.

    A last line that a crash tore is ended first, so it spoils itself alone.
    """
    make_directory(path.parent)
    with _explained(path, "append to"):
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        # Held until the descriptor is closed: nobody looks at another writer's half line.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (b"\n" if torn else b"") + line.encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def spool(directory: Path) -> Iterator[BinaryIO]:
    """A nameless scratch file in *directory*: whatever happens, nothing of it is left behind."""
    make_directory(directory)
    with _explained(directory, "write to"), tempfile.TemporaryFile(dir=directory) as stream:
        yield stream


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open *path* for reading; raises MissingFileError or PermissionDeniedError with the path."""
    with _explained(path, "read"), path.open("rb") as stream:
        yield stream


def blocks_of_lines(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """The bytes of *stream*, whole lines at a time, about *size* bytes each; the last may lack its end."""
    rest = b""
    while block := stream.read(size):
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield whole + newline
    if rest:
        yield rest


def digest(path: Path) -> str:
    """The SHA-256 of the bytes of *path*, as hexadecimal digits."""
    found = hashlib.sha256()
    with reading(path) as stream:
        while block := stream.read(_READ_BYTES):
            found.update(block)
    return found.hexdigest()


def seal(target: Path, checksum: str) -> None:
    """Write the sidecar of *target*, in the form that `sha256sum -c` and `shasum -c` read."""
    write_text(layout.sidecar_of(target), f"{checksum}  {target.name}\n")


def sealed_checksum(target: Path) -> str:
    """The SHA-256 that the sidecar of *target* vouches for.

    Raises:
        MissingFileError: there is no sidecar.
        FileCorruptionError: the sidecar is not one line that names *target*.
    """
    sidecar = layout.sidecar_of(target)
    with _explained(sidecar, "read"):
        words = sidecar.read_text(errors="replace").split()
    if len(words) != 2 or len(words[0]) != 64 or words[1] != target.name:
        raise FileCorruptionError(
            f"{sidecar} is not a sidecar of {target.name}",
            cure="Run the workflow again: the date counts as not done and is fetched anew",
            path=sidecar,
            expected=f"<64 hexadecimal digits>  {target.name}",
            actual=" ".join(words)[:100],
        )
    return words[0]


def is_sealed(target: Path) -> bool:
    """Whether *target* and its sidecar are both there and agree on the name.

    The cheap half of `verify`: it does not read the file's bytes.
    """
    try:
        sealed_checksum(target)
    except (MissingFileError, FileCorruptionError):
        return False
    return target.is_file()


def verify(target: Path) -> None:
    """Raise `FileCorruptionError` unless the bytes of *target* are those its sidecar vouches for."""
    expected = sealed_checksum(target)
    if (found := digest(target)) != expected:
        raise FileCorruptionError(
            f"{target}: the sidecar says {expected[:12]}…, the file is {found[:12]}…",
            cure="Move the date's files away and run the workflow again",
            path=target,
            expected=expected,
            actual=found,
        )


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds; nothing happens where there is none."""
    with _explained(path, "remove"), suppress(FileNotFoundError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
