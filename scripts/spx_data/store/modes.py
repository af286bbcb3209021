"""Who may use what this process makes: the one place that says the modes of files and folders.

Files and folders are made with what the process's mask leaves (`restrict`), which its children inherit. In a
lake that a group reads, each new folder also hands its group on to what is made in it (setgid), so that
files are the group's whoever makes them.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Literal

from spx_data.store import disk

OwnerOnly = bool | Literal["group"]

_GROUP: Literal["group"] = "group"
# What is taken from everybody but the owner, or from those outside of the group.
_MASKS: dict[OwnerOnly, int] = {True: 0o077, _GROUP: 0o027}
_shared_with_group = False


def denied(owner_only: OwnerOnly) -> int:
    """The bits of a mode that nothing in a lake should have; none where the mask decides."""
    return _MASKS.get(owner_only, 0)


def restrict(*, owner_only: OwnerOnly) -> None:
    """Make what this process and its children create the owner's alone (0700, 0600), or the group's to read.

    In a lake of a group (0750, 0640) new folders have setgid as well. With False the mask stays as it is.
    """
    global _shared_with_group
    _shared_with_group = owner_only == _GROUP
    if mask := denied(owner_only):
        os.umask(mask)


def restrict_folder(path: Path, *, owner_only: OwnerOnly) -> None:
    """Close the folder *path*, which others made for this user before `restrict`, to whom it is not for."""
    if (mask := denied(owner_only)) and path.is_dir():
        with suppress(OSError):
            set_mode(path, stat.S_IMODE(path.stat().st_mode) & ~mask)


def made(folder: Path) -> None:
    """Let *folder*, which was made just now, hand its group on where a group shares the lake."""
    if not _shared_with_group:
        return
    with suppress(FileNotFoundError):  # another job was faster at removing it
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_ISGID:  # else the folder above it has handed it on
            set_mode(folder, mode | stat.S_ISGID)


def set_mode(path: Path, mode: int) -> None:
    """Say who may use *path*, where its volume knows modes."""
    try:
        disk.set_mode(path, mode)
    except OSError as error:
        if error.errno in disk.FAILED:
            raise
