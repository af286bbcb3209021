"""Write a file once, whole, and make it last: the only room that writes data.

A reader never sees half a file: bytes go to a `.part` sibling, are flushed to the device and renamed into
place, and the folder is flushed too. A sidecar is written after the file it vouches for, so its presence
means that the file is done. Each step is one operation of `spx_data.disk`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from spx_data import disk, faults, layout
from spx_data.errors import SchemaValidationError, SpxDataError

PART = ".part"

_SMALL = 1 << 18  # bytes: most files are read at one go


def restrict_folder(path: Path, *, owner_only: bool) -> None:
    """Close the folder *path*, which others made for this user before `restrict`, to everybody else."""
    if owner_only and path.is_dir():
        with suppress(OSError):
            _set_mode(path, stat.S_IMODE(path.stat().st_mode) & ~0o077)


def _set_mode(path: Path, mode: int) -> None:
    """Say who may use *path*, where its volume knows modes."""
    try:
        disk.set_mode(path, mode)
    except OSError as error:
        if error.errno in disk.FAILED:
            raise


def restrict(*, owner_only: bool) -> None:
    """Make what this process and its children create readable by the owner alone (0700, 0600)."""
    if owner_only:
        os.umask(0o077)


@contextmanager
def explained(path: Path, operation: str) -> Iterator[None]:
    """Turn trouble of the system into an error of ours that names the path and the cure."""
    try:
        yield
    except SpxDataError:
        raise  # said in its own words already, maybe about another file
    except OSError as error:
        # A server of files may reset a connection too; what asks the network words its own errors.
        if not (faults.is_the_systems(error) or (isinstance(error, ConnectionError) and error.errno)):
            raise
        raise faults.explained(error, path, operation) from error


def free_bytes(path: Path) -> int:
    """Bytes that are free for you on the disk where *path* is, or would be made."""
    return shutil.disk_usage(nearest(path)).free


def total_bytes(path: Path) -> int:
    """Bytes that the disk where *path* is, or would be made, has in all."""
    return shutil.disk_usage(nearest(path)).total


def device(path: Path) -> int:
    """Which disk *path* is on, or would be made on: equal numbers mean the same disk."""
    return nearest(path).stat().st_dev


def nearest(path: Path) -> Path:
    """*path*, or the nearest folder above it that is there."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


def make_directory(path: Path) -> Path:
    """Create *path* and its parents where they are missing, each with its name on the device."""
    with explained(path, "look at"):
        if path.is_dir():
            return path
    make_directory(path.parent)
    with explained(path, "create the folder"):
        try:
            disk.make_folder(path)
        except FileExistsError:
            if not path.is_dir():
                raise  # else another job made it at the same time
        _sync(path.parent)
    return path


def check_writable(directory: Path) -> None:
    """Raise `PermissionDeniedError` unless files can be made in *directory* (or where it would be made)."""
    with explained(directory, "write to"):
        # Asking the system beats reading mode bits: read-only mounts and root's powers included.
        tempfile.TemporaryFile(dir=nearest(directory)).close()


@contextmanager
def building(target: Path, *, check: Callable[[Path], None] | None = None) -> Iterator[Path]:
    """A `.part` path to build *target* at; it gets its name, whole and on the device, if the block ends well.

    *check* may look at the finished `.part` and refuse it by raising.
    """
    make_directory(target.parent)
    part = part_of(target)
    try:
        with explained(target, "write"):
            _unlink(part)
            yield part
            _sync(part)
            if check:
                check(part)
            disk.rename(part, target)
            _sync(target.parent)
    except BaseException:
        with suppress(OSError):
            _unlink(part)
        raise


@contextmanager
def atomic(target: Path, *, check: Callable[[Path], None] | None = None) -> Iterator[BinaryIO]:
    """Open *target* for writing; it appears, whole and on the device, only if the block ends well."""
    with building(target, check=check) as part, disk.create(part) as stream:
        yield stream


def part_of(target: Path) -> Path:
    """The sibling under which *target* is written."""
    return target.with_name(target.name + PART)


def _sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the device, as well as the volume can."""
    folder = path.is_dir()
    try:
        descriptor = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    except OSError as error:
        if folder and error.errno not in disk.FAILED:
            return  # its names are the volume's business
        raise
    try:
        _flush(descriptor, folder=folder)
    finally:
        os.close(descriptor)


def _flush(descriptor: int, *, folder: bool = False) -> None:
    """Flush what *descriptor* is of; that its volume cannot is known beforehand (`volumes`), and no error."""
    try:
        disk.flush(descriptor)
    except OSError as error:
        if error.errno in disk.FAILED if folder else error.errno not in disk.NOT_SUPPORTED:
            raise


def _unlink(path: Path) -> None:
    """Remove a file's name where there is one."""
    if path.exists() or path.is_symlink():
        with suppress(FileNotFoundError):  # another job was faster
            disk.unlink(path)


def write_text(target: Path, text: str) -> None:
    """Write *text* to *target*, atomically."""
    with atomic(target) as stream:
        stream.write(text.encode())


def rewrite(target: Path, text: str) -> None:
    """Write *text* in place of what the file *target* holds, atomically; its mode stays, and a link to it."""
    place = target.resolve()
    with reading(place) as held:
        mode = stat.S_IMODE(os.fstat(held.fileno()).st_mode)
    with building(place) as part:
        with disk.create(part) as stream:
            stream.write(text.encode())
        _set_mode(part, mode)


def json_text(document: Any) -> str:
    """*document* as JSON a person can read: what `write_json` writes."""
    return json.dumps(document, indent=1) + "\n"


def write_json(target: Path, document: Any) -> None:
    """Write *document* to *target* as JSON a person can read, atomically."""
    write_text(target, json_text(document))


def read_json(path: Path) -> Any:
    """The JSON document at *path*.

    Raises:
        MissingFileError: there is no such file.
        SchemaValidationError: it is not JSON.
    """
    text = content(path)
    try:
        return json.loads(text)
    except ValueError as error:
        raise SchemaValidationError(f"{path} is not JSON: {error}", what=path, reason=str(error)) from error


def parsed(text: bytes | str) -> Any:
    """The JSON value in *text*, as the standard library has it but sooner; raises ValueError."""
    import orjson  # here, because most jobs read little

    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # It refuses what JSON as Python writes it may hold: NaN, half characters, bytes that are no text.
        return json.loads(text if isinstance(text, str) else text.decode(errors="replace"))


def append_line(path: Path, line: str) -> None:
    """Append one line to *path*, one writer at a time, so that lines never mix.

    A last line that a crash tore is ended first, so it spoils itself alone.
    """
    make_directory(path.parent)
    with explained(path, "append to"):
        # Locked until the descriptor is closed: nobody looks at another writer's half line.
        descriptor = _locked(path, disk.open_to_append)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            rest = (b"\n" if torn else b"") + line.encode() + b"\n"
            while rest:
                rest = rest[disk.write(descriptor, rest) :]
            _flush(descriptor)
            if size == 0:
                _sync(path.parent)  # its name is new as well
        finally:
            os.close(descriptor)


@contextmanager
def output(path: Path) -> Iterator[int]:
    """A descriptor to which another process may write what it says; appended to *path*."""
    make_directory(path.parent)
    with explained(path, "write"):
        descriptor = disk.open_to_append(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def at_rest(path: Path) -> Iterator[None]:
    """Let nobody else do this, or append a line to *path*, in the block, which may remove or replace it.

    Raises:
        MissingFileError: there is none.
        VolumeError: nothing can be locked there.
    """
    descriptor = _locked(path, _open_to_lock)
    try:
        yield
    finally:
        os.close(descriptor)


def _open_to_lock(path: Path) -> int:
    """A descriptor of *path*: for writing, or servers of files give no exclusive lock; else for reading."""
    try:
        return os.open(path, os.O_RDWR)
    except PermissionError:
        return os.open(path, os.O_RDONLY)


def _locked(path: Path, open_: Callable[[Path], int]) -> int:
    """A descriptor that holds the lock of *path*: of the file of this name now, not of a removed one."""
    while True:
        with explained(path, "append to"):
            descriptor = open_(path)
        try:
            with explained(path, faults.LOCK):
                disk.lock(descriptor, fcntl.LOCK_EX)
            if _is_still(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def is_there(path: Path) -> bool:
    """Whether there is a file at *path*.

    Asked of the system itself: what pathlib cannot look at counts as not there for it, from Python 3.14 on.

    Raises:
        SpxDataError: the system does not tell (EIO, EACCES and their like), or iCloud has taken it away.
    """
    with explained(path, "look at"):
        try:
            return stat.S_ISREG(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            if faults.evicted(path):
                raise
            return False


def size(path: Path) -> int:
    """The bytes that *path* has."""
    with explained(path, "look at"):
        return path.stat().st_size


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether *path* names the file that *descriptor* is of."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def spool(directory: Path) -> Iterator[BinaryIO]:
    """A nameless scratch file in *directory*: whatever happens, nothing of it is left behind."""
    make_directory(directory)
    with explained(directory, "write to"), disk.create_nameless(directory) as stream:
        yield stream


@contextmanager
def reading(path: Path) -> Iterator[io.BufferedReader]:
    """Open *path* for reading; raises MissingFileError or PermissionDeniedError with the path."""
    with explained(path, "read"), path.open("rb") as stream:
        yield stream


def content(path: str | Path) -> bytes:
    """The bytes of *path*, for who reads thousands of files: at a third of the cost of `reading`.

    Raises as that does.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            found = block = os.read(descriptor, _SMALL)
            while block:
                block = os.read(descriptor, _SMALL)
                found += block
            return found
        finally:
            os.close(descriptor)
    except OSError:
        with explained(Path(path), "read"):
            raise


def blocks_of_lines(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """The bytes of *stream*, whole lines at a time, about *size* bytes each; the last may lack its end."""
    while block := stream.read(size):
        yield block if block.endswith(b"\n") else block + stream.readline()


def digest(path: Path) -> str:
    """The SHA-256 of the bytes of *path*, as hexadecimal digits."""
    with reading(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def move(source: Path, target: Path) -> None:
    """Give *source* the place and name of *target*, on the device."""
    make_directory(target.parent)
    with explained(target, "move a file to"):
        try:
            disk.rename(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copy(source, target)
            disk.unlink(source)
        _sync(target.parent)
        _sync(source.parent)


def copy(source: Path, target: Path) -> None:
    """Write the bytes of *source* to *target*, atomically."""
    with reading(source) as bytes_, atomic(target) as stream:
        shutil.copyfileobj(bytes_, stream)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds; nothing happens where there is none."""
    with explained(path, "remove"):
        if not path.is_dir() or path.is_symlink():
            _unlink(path)
            return
        for inner in path.iterdir():
            remove(inner)
        disk.remove_folder(path)


def remove_empty(folder: Path, top: Path) -> None:
    """Remove *folder* and those above it, as long as they are empty and below *top*."""
    while top in folder.parents and folder.is_dir() and not any(folder.iterdir()):
        with explained(folder, "remove"):
            disk.remove_folder(folder)
        folder = folder.parent


def compress(path: Path) -> Path:
    """Add the bytes of *path* to its compressed sibling, which keeps the time of the change, and remove it.

    What a crash left in both is not added a second time. Returns the sibling.
    """
    import gzip

    target = layout.compressed_of(path)
    with reading(path) as content:
        member, changed = gzip.compress(content.read(), mtime=0), os.fstat(content.fileno())
    before = b""
    if target.exists():
        with reading(target) as content:
            before = content.read()
    if not before.endswith(member):
        with building(target) as part:
            with disk.create(part) as stream:
                stream.write(before + member)
            os.utime(part, ns=(changed.st_atime_ns, changed.st_mtime_ns))
    remove(path)
    return target
