"""One thing to tidy up: what, why, how, and what came of it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from spx_data.errors import SpxDataError
from spx_data.store import files

_log = logging.getLogger(__name__)


class Action(StrEnum):
    """What is done with a path."""

    REMOVE = "remove"
    QUARANTINE = "quarantine"
    COMPRESS = "compress"
    SHORTEN = "shorten"  # requests are left out of a compressed journal


@dataclass(frozen=True)
class Task:
    """What to do with *path*, a file or a folder that holds so many *files* and *bytes*.

    *do* does it and returns the bytes that are free now.
    """

    path: Path
    action: Action
    reason: str
    files: int
    bytes: int
    do: Callable[[], int] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Done:
    """A task and what came of it: bytes that it freed (None: it was only planned), or what got in the way."""

    task: Task
    freed: int | None = None
    error: str | None = None


def carry_out(task: Task) -> Done:
    """Do *task*; whatever gets in the way is reported, never raised."""
    try:
        return Done(task, task.do())
    except Exception as error:  # the other tasks are done all the same
        if not isinstance(error, SpxDataError):
            _log.debug("%s: %s", task.path, traceback.format_exc())
        return Done(task, 0, f"{type(error).__name__}: {error}")


def removal(path: Path, reason: str, *, top: Path) -> Task:
    """The task to remove *path*, and the folders below *top* that it leaves empty."""
    count, size = weight(path)

    def remove() -> int:
        files.remove(path)
        files.remove_empty(path.parent, top)
        return size

    return Task(path, Action.REMOVE, reason, count, size, remove)


def weight(path: Path) -> tuple[int, int]:
    """How many files *path* is or holds, and their bytes."""
    sizes = [inner.lstat().st_size for inner in walk(path)]
    return len(sizes), sum(sizes)


def walk(path: Path) -> Iterator[Path]:
    """Every file in *path*, or *path* itself; links are not followed."""
    if path.is_dir() and not path.is_symlink():
        for inner in sorted(path.iterdir()):
            yield from walk(inner)
    elif path.exists() or path.is_symlink():
        yield path
