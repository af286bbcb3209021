"""Every operation by which anything reaches the disk, one small function each.

`store.files` changes the disk through these alone, looked up here at every call: a test that replaces them
stands at each write, flush, rename and unlink of a whole fill. Nothing else happens here.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# What a system says of an operation that a volume does not know.
NOT_SUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY})
# What it says of one that failed: where an operation can be done without, anything else will do as a refusal.
FAILED = frozenset(
    {
        *(errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.ETIMEDOUT, errno.EROFS, errno.ENOENT),
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    }
)

_BUFFER = 1 << 18
# A link in a file's place leads to whatever its maker chose; a pipe there would be waited for without end.
_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _Raw(io.FileIO):
    """A file whose bytes go through `write`."""

    def write(self, data: ReadableBuffer, /) -> int:
        return write(self.fileno(), data)


def create(path: Path) -> BinaryIO:
    """A new, empty file at *path*, open for writing."""
    return io.BufferedWriter(_Raw(path, "wb", opener=_opened), _BUFFER)


def create_nameless(directory: Path) -> BinaryIO:
    """A file without a name in *directory*, open for writing and reading: closed, it is gone."""
    with tempfile.TemporaryFile(dir=directory, buffering=0) as nameless:
        return io.BufferedRandom(_Raw(os.dup(nameless.fileno()), "r+b"), _BUFFER)


def open_to_append(path: Path) -> int:
    """A descriptor of *path*, made where it is missing, written at its end; raises as `open_plain`."""
    return open_plain(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)


def open_plain(path: str | Path, flags: int, *, follow: bool = False) -> int:
    """A descriptor of the file *path*; folders above it may be links, itself only if it is to *follow*.

    Raises:
        OSError: it cannot be opened; ELOOP where it is a link, EISDIR a folder, ESPIPE a pipe or a device.
    """
    try:
        descriptor = os.open(path, flags | (_PLAIN & ~os.O_NOFOLLOW if follow else _PLAIN), 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO and stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116  # also of text
            raise OSError(errno.ESPIPE, os.strerror(errno.ESPIPE), str(path)) from error
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.ESPIPE
        raise OSError(number, os.strerror(number), str(path))
    return descriptor


def _opened(path: str, flags: int) -> int:
    return open_plain(path, flags)


def write(descriptor: int, data: ReadableBuffer) -> int:
    """Write *data*; returns how many bytes of it were taken."""
    return os.write(descriptor, data)


def flush(descriptor: int) -> None:
    """Wait until the device has it: on a Mac fsync only hands the bytes to the drive's cache."""
    if full := getattr(fcntl, "F_FULLFSYNC", None):
        try:
            fcntl.fcntl(descriptor, full)
        except OSError as error:  # file systems that do not know it still know fsync
            if error.errno in FAILED:  # after that a second try would say that all is well
                raise
        else:
            return
    os.fsync(descriptor)


def lock(descriptor: int, operation: int) -> None:
    """Lock or unlock a file, as `fcntl.flock` does."""
    fcntl.flock(descriptor, operation)


def rename(source: Path, target: Path) -> None:
    """Give *source* the name *target*, whatever had that name before."""
    source.replace(target)


def make_link(path: Path, target: Path) -> None:
    """Make *path*, of which there is none, a symbolic link to *target*."""
    path.symlink_to(target)


def set_mode(path: Path, mode: int) -> None:
    """Say who may read and write a file."""
    path.chmod(mode)


def unlink(path: Path) -> None:
    """Remove a file's name."""
    path.unlink()


def touch(descriptor: int) -> None:
    """Say that a file is in use as of now."""
    os.utime(descriptor)


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Create one folder, with no more rights than *mode* has; its parent is there."""
    path.mkdir(mode)


def remove_folder(path: Path) -> None:
    """Remove an empty folder."""
    path.rmdir()
