"""Look at files and read them, without changing any: what the system says is told in our own errors."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from spx_data.errors import FileCorruptionError, SchemaValidationError, SpxDataError
from spx_data.store import disk, faults, foreign

_SMALL = 1 << 18  # bytes: most files are read at one go


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


def is_folder(path: Path) -> bool:
    """Whether there is a folder at *path*; raises as `is_there` does."""
    with explained(path, "look at"):
        return path.is_dir()


def size(path: Path) -> int:
    """The bytes that *path* has."""
    with explained(path, "look at"):
        return path.stat().st_size


def is_still(path: Path, descriptor: int) -> bool:
    """Whether *path* names the file that *descriptor* is of."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def reading(path: Path, *, follow: bool = False) -> Iterator[io.BufferedReader]:
    """Open the file *path* for reading; only where it is to *follow* may it be a link to one.

    Raises:
        MissingFileError, PermissionDeniedError: it cannot be opened.
        FileCorruptionError: it is no file.
    """
    with (
        explained(path, "read"),
        os.fdopen(disk.open_plain(path, os.O_RDONLY, follow=follow), "rb") as stream,
    ):
        yield stream


def content(path: str | Path, most: int = foreign.MOST_BYTES) -> bytes:
    """The bytes of *path*, for readers of thousands of files: at a third of the cost of `reading`.

    Raises as that does, and FileCorruptionError where there are more than *most*.
    """
    found = beginning(path, most)
    if len(found) > most:
        raise FileCorruptionError(
            f"{path} has more than {most:,} bytes, which nothing of ours has",
            cure="Look at it, and move it away",
            path=Path(path),
            expected=f"at most {most:,} bytes",
            actual="more",
        )
    return found


def beginning(path: str | Path, most: int) -> bytes:
    """The first bytes of *path*, one more than *most* where there are more; raises as `reading`."""
    try:
        descriptor = disk.open_plain(path, os.O_RDONLY)
        try:
            blocks, size = [os.read(descriptor, _SMALL)], 0
            while blocks[-1] and size <= most:
                size += len(blocks[-1])
                blocks.append(os.read(descriptor, _SMALL))
            return b"".join(blocks)[: most + 1]
        finally:
            os.close(descriptor)
    except OSError:
        with explained(Path(path), "read"):
            raise


def end(path: Path, most: int) -> bytes:
    """The last bytes of *path*, as many as *most*; raises as `reading`."""
    with reading(path) as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - most))
        return stream.read(most)


def blocks_of_lines(stream: BinaryIO, size: int, longest: int = foreign.MOST_LINE_BYTES) -> Iterator[bytes]:
    """The bytes of *stream*, whole lines at a time, about *size* bytes each; the last may lack its end.

    Raises ValueError where a line goes on for more than *longest* bytes beyond its block.
    """
    while block := stream.read(size):
        rest = b"" if block.endswith(b"\n") else stream.readline(longest)
        if len(rest) == longest and not rest.endswith(b"\n"):
            raise ValueError(f"a line has more than {longest:,} bytes")
        yield block + rest


def digest(path: Path) -> str:
    """The SHA-256 of the bytes of *path*, as hexadecimal digits."""
    with reading(path, follow=True) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """The JSON document at *path*.

    Raises:
        MissingFileError: there is no such file.
        SchemaValidationError: it is not JSON, no file, or beyond the ceilings of `foreign`.
    """
    try:
        return foreign.exactly(content(path))
    except (ValueError, FileCorruptionError) as error:
        reason = error.cause if isinstance(error, FileCorruptionError) else str(error)
        raise SchemaValidationError(f"{path} is not JSON: {reason}", what=path) from error
