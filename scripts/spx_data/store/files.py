"""Write a file once, whole, and make it last: the only room that writes data.

A reader never sees half a file: bytes go to a `.part` sibling, are flushed to the device and renamed into
place, and the folder is flushed too. A sidecar comes after its file. A step is one operation of `disk`.
"""

from __future__ import annotations

import errno
import fcntl
import gzip
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from spx_data.errors import PermissionDeniedError
from spx_data.store import disk, faults, modes, names
from spx_data.store.reads import explained, is_still, nearest, reading
from spx_data.text.words import quoted

PART = ".part"


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
        else:
            modes.made(path)
        _sync(path.parent)
    return path


def make_private(path: Path) -> Path:
    """Create the folder *path* for this user alone, where it is missing; the one above it is there.

    Raises:
        PermissionDeniedError: what stands there is another user's, or others may use it, or it is no folder.
    """
    with explained(path, "create the folder"), suppress(FileExistsError):
        disk.make_folder(path, 0o700)
    with explained(path, "look at"):
        found = path.lstat()
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISDIR(found.st_mode):
        finding = "it is no folder"
    elif found.st_uid != os.geteuid():
        finding = f"it belongs to user {found.st_uid}"
    elif mode & 0o077:
        finding = f"others may use it (mode {mode:o})"
    else:
        return path
    raise PermissionDeniedError(
        f"{path} is not for user {os.geteuid()} alone: {finding}",
        cure=f"Move it away: `mv {quoted(path)} {quoted(f'{path}.old')}`",
        path=path,
        operation="use",
    )


def check_writable(directory: Path) -> None:
    """Raise `PermissionDeniedError` unless files can be made in *directory* (or where it would be made)."""
    with explained(directory, "write to"):
        # Asking the system beats reading mode bits: read-only mounts and root's powers included.
        tempfile.TemporaryFile(dir=nearest(directory)).close()


@contextmanager
def building(
    target: Path, *, check: Callable[[Path], None] | None = None, lasting: bool = True
) -> Iterator[Path]:
    """A `.part` path to build *target* at; it gets its name, whole and on the device, if the block ends well.

    *check* may look at the finished `.part` and refuse it by raising. What need not be *lasting* is not
    waited for: after a loss of power it may be torn.
    """
    make_directory(target.parent)
    part = part_of(target)
    try:
        with explained(target, "write"):
            _unlink(part)
            yield part
            if lasting:
                _sync(part)
            if check:
                check(part)
            disk.rename(part, target)
            if lasting:
                _sync(target.parent)
    except BaseException:
        with suppress(OSError):
            _unlink(part)
        raise


@contextmanager
def atomic(
    target: Path, *, check: Callable[[Path], None] | None = None, lasting: bool = True
) -> Iterator[BinaryIO]:
    """Open *target* for writing; it appears, whole and on the device, only if the block ends well."""
    with building(target, check=check, lasting=lasting) as part, disk.create(part) as stream:
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
    """Flush what *descriptor* is of; that its volume cannot is known beforehand (`limits`), and no error."""
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


def rewrite(target: Path, text: str, mode: int | None = None) -> None:
    """Write *text* to *target*, atomically; a link to it stays, and its mode but where one is given."""
    place = target.resolve()
    if mode is None:
        with reading(place) as held:
            mode = stat.S_IMODE(os.fstat(held.fileno()).st_mode)
    with building(place) as part:
        with disk.create(part) as stream:
            stream.write(text.encode())
        modes.set_mode(part, mode)


def json_text(document: Any) -> str:
    """*document* as JSON a person can read: what `write_json` writes."""
    return json.dumps(document, indent=1) + "\n"


def write_json(target: Path, document: Any) -> None:
    """Write *document* to *target* as JSON a person can read, atomically."""
    write_text(target, json_text(document))


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
        return disk.open_plain(path, os.O_RDWR)
    except PermissionError:
        return disk.open_plain(path, os.O_RDONLY)


def _locked(path: Path, open_: Callable[[Path], int]) -> int:
    """A descriptor that holds the lock of *path*: of the file of this name now, not of a removed one."""
    while True:
        with explained(path, "append to"):
            descriptor = open_(path)
        try:
            with explained(path, faults.LOCK):
                disk.lock(descriptor, fcntl.LOCK_EX)
            if is_still(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


@contextmanager
def spool(directory: Path) -> Iterator[BinaryIO]:
    """A nameless scratch file in *directory*: whatever happens, nothing of it is left behind."""
    make_directory(directory)
    with explained(directory, "write to"), disk.create_nameless(directory) as stream:
        yield stream


def move(source: Path, target: Path, *, lasting: bool = True) -> None:
    """Give *source* the place and name of *target*, on the device; not waited for unless *lasting*."""
    make_directory(target.parent)
    with explained(target, "move a file to"):
        try:
            disk.rename(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copy(source, target)
            disk.unlink(source)
        for folder in (target.parent, source.parent) if lasting else ():
            _sync(folder)


def link(path: Path, target: Path) -> None:
    """Make *path* a symbolic link to *target*."""
    make_directory(path.parent)
    with explained(path, "make a link"):
        _unlink(path)
        disk.make_link(path, target)


def copy(source: Path, target: Path) -> None:
    """Write the bytes of *source* to *target*, atomically."""
    with reading(source, follow=True) as bytes_, atomic(target) as stream:
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
    target = names.compressed_of(path)
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
