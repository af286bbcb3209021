"""Locks that the system drops with the process that holds them, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spx_data import disk, files
from spx_data.errors import MissingFileError


@contextmanager
def locked(folder: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock of *folder* in the block; *waiting* is called if somebody else holds it now."""
    files.make_directory(folder)
    with files.explained(folder, "lock"):
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Held until the descriptor is closed, also by a process that dies.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def hold(path: Path) -> int | None:
    """Lock *path* until the descriptor is closed or this process dies; None where somebody else has it."""
    files.make_directory(path.parent)
    with files.explained(path, "lock"):
        descriptor = disk.open_to_append(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock of *path*."""
    try:
        with files.explained(path, "read"):
            descriptor = os.open(path, os.O_RDONLY)
    except MissingFileError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def claim_json(target: Path, document: Any) -> None:
    """Write *document* like `write_json`, where other jobs may be doing just that: one at a time."""
    with locked(target.parent):
        files.write_json(target, document)
