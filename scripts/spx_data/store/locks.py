"""Locks that the system drops with the process that holds them, however that ends.

What is locked is a file, opened for writing: no server of files gives an exclusive lock on anything else. All
of these files stand in the data directory, so that the others may be on a volume that has no locks.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spx_data.errors import MissingFileError, SpxDataError, VolumeError
from spx_data.store import disk, faults, files, reads


@contextmanager
def locked(path: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock of *path* in the block; *waiting* is called if somebody else holds it now.

    Raises:
        VolumeError: its volume has no locks.
    """
    descriptor = _opened(path)
    try:
        # Held until the descriptor is closed, also by a process that dies.
        if not taken(descriptor, path):
            if waiting:
                waiting()
            wait(descriptor, path)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock of *path* in the block, as soon as nobody else does; afterwards the file is gone.

    For locks of which there would be thousands.

    Raises:
        VolumeError: its volume has no locks.
    """
    descriptor = _opened(path)
    try:
        wait(descriptor, path)
        while not reads.is_still(path, descriptor):  # its holder has removed it
            os.close(descriptor)
            descriptor = _opened(path)
            wait(descriptor, path)
        yield
        with suppress(SpxDataError):  # it is in nobody's way
            files.remove(path)
    finally:
        os.close(descriptor)


def hold(path: Path) -> int | None:
    """Lock *path* until the descriptor is closed or this process dies; None where somebody else has it."""
    descriptor = _opened(path)
    try:
        if taken(descriptor, path):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock of *path*; nobody does where nobody can."""
    try:
        with reads.explained(path, "read"):
            descriptor = disk.open_plain(path, os.O_RDONLY)
    except MissingFileError:
        return False
    try:
        return not taken(descriptor, path, shared=True)
    except VolumeError:
        return False
    finally:
        os.close(descriptor)


def taken(descriptor: int, path: Path, *, shared: bool = False) -> bool:
    """Take the lock of the file *path* for its *descriptor*, unless another descriptor has it."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        disk.lock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno == errno.EWOULDBLOCK:
            return False
        raise faults.explained(error, path, faults.LOCK) from error
    return True


def wait(descriptor: int, path: Path, *, shared: bool = False) -> None:
    """Take the lock of the file *path* for its *descriptor* once nobody has it, or *shared* with others."""
    with reads.explained(path, faults.LOCK):
        disk.lock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def give_back(descriptor: int, path: Path) -> None:
    """Give the lock of the file *path* back."""
    with reads.explained(path, faults.LOCK):
        disk.lock(descriptor, fcntl.LOCK_UN)


def claim_json(target: Path, document: Any, lock: Path) -> None:
    """Write *document* like `write_json`, where other jobs may do just that: one at a time, by *lock*."""
    with locked(lock):
        files.write_json(target, document)


def _opened(path: Path) -> int:
    files.make_directory(path.parent)
    with reads.explained(path, "open"):
        return disk.open_to_append(path)
