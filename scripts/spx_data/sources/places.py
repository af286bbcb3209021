"""Where all processes of a user meet that ask one terminal, whichever lake they fill.

The limit of requests is the terminal's, so its slots stand outside of every lake: in a folder of the user's,
one for each terminal. Which folder is the same in a shell, in cron, over ssh and under sudo: it follows from
the user's number and this machine's list of users alone, and from no variable that a session sets (HOME,
XDG_STATE_HOME, TMPDIR). Where the home folder cannot be used, there are other places; the last is the lake.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from spx_data.errors import (
    ConfigurationValidationError,
    MissingFileError,
    PermissionDeniedError,
    SpxDataError,
    VolumeError,
)
from spx_data.store import disk, files, locks, reads

VARIABLE = "SPX_DATA_SLOTS"  # names another folder: for a container, or for tests

_OF_THE_SYSTEM = (Path("/var/tmp"), Path("/tmp"))  # what is made there is looked at before it is used
_PORTS = {"http": 80, "https": 443}
_THIS_MACHINE = "127.0.0.1"
_ITS_NAMES = frozenset({"localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback"})
_LONGEST_NAME = 200  # characters


class Place(NamedTuple):
    """The files of one terminal's slots; *instead_of* says why they are not in the usual folder."""

    folder: Path
    instead_of: str | None = None

    def slot(self, number: int) -> Path:
        """Locked during one request, as one of those that may be in flight; from 1 on."""
        return self.folder / f"request-{number}.lock"

    def turn(self, queue: str, limit: int) -> Path:
        """Locked by whoever gets the next slot, of those in the *queue* under a *limit* of requests."""
        return self.folder / f"turn-{queue}-{limit}.lock"

    def following(self, queue: str, limit: int) -> Path:
        """Locked by whoever has the turn after that."""
        return self.folder / f"next-{queue}-{limit}.lock"


def of_terminal(base_url: str, lake: Path) -> Place:
    """Where the slots of the terminal at *base_url* are; in the folder *lake* if nowhere else.

    Raises:
        ConfigurationValidationError: the folder that the environment names is not a whole path.
        SpxDataError: that folder cannot be used; or a disk is full or fails, which is no reason to meet at
            another place than those who came before.
    """
    name = terminal_name(base_url)
    if chosen := os.environ.get(VARIABLE):
        return Place(_chosen(chosen) / name)
    refused: list[SpxDataError] = []
    for top, folder in _candidates():
        try:
            slots = _lockable(_private(top, folder) / "slots")
        except (MissingFileError, PermissionDeniedError, VolumeError) as error:
            refused.append(error)
            continue
        return Place(slots / name, refused[0].cause if refused else None)
    return Place(lake / name, "; ".join(error.cause for error in refused))


def terminal_name(base_url: str) -> str:
    """The name of the folder for the terminal at *base_url*: equal for all ways to write its address.

    It consists of the host and the port, for one port has one server. All names of this machine itself are
    one; other names are not resolved.
    """
    parts = urlsplit(base_url.strip())
    host = (parts.hostname or "").rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if host in _ITS_NAMES or host.endswith(".localhost"):
            host = _THIS_MACHINE
    else:
        address = getattr(address, "ipv4_mapped", None) or address
        # Who asks for the address that stands for all of a machine's gets this one.
        own = address.is_loopback or address.is_unspecified
        host = _THIS_MACHINE if own else str(address)
    name = quote(f"{host}-{parts.port or _PORTS.get(parts.scheme, 0)}", safe="")
    return name if len(name) <= _LONGEST_NAME else sha256(name.encode()).hexdigest()


def _candidates() -> Iterator[tuple[Path, Path]]:
    """Folders that could hold the slots, the usual one first; each with one above it that is there before."""
    user = os.geteuid()
    with suppress(KeyError):  # a container may be run under any number
        home = Path(pwd.getpwuid(user).pw_dir)
        if home.is_absolute():
            own = "Library/Application Support" if sys.platform == "darwin" else ".local/state"
            yield home, home / own / "spx-data"
    for top in _OF_THE_SYSTEM:
        yield top, top / f"spx-data-{user}"


def _private(top: Path, folder: Path) -> Path:
    if not reads.is_folder(top):
        raise MissingFileError(f"there is no folder {top}", path=top, operation="use")
    files.make_directory(folder.parent)
    return files.make_private(folder)


def _chosen(text: str) -> Path:
    folder = Path(text)
    if not folder.is_absolute():
        raise ConfigurationValidationError(
            f"{VARIABLE} is {text!r}, which counts from wherever a command is called",
            cure=f"Write the whole path, beginning with /, or: unset {VARIABLE}",
            what=VARIABLE,
            reason="not a whole path",
        )
    try:
        return _lockable(folder)
    except VolumeError as error:
        cure = f"Name a folder on a local disk: export {VARIABLE}=/path/to/folder"
        raise VolumeError(error.cause, cure=cure, **error.fields) from error


def _lockable(folder: Path) -> Path:
    """*folder*, made where it is missing; raises VolumeError where a lock keeps nobody out."""
    path = files.make_directory(folder) / "any.lock"
    with ExitStack() as opened:
        descriptors = []
        for _ in range(2):
            with reads.explained(path, "open"):
                descriptors.append(disk.open_to_append(path))
            opened.callback(os.close, descriptors[-1])
        if not all(locks.taken(descriptor, path) for descriptor in descriptors):
            return folder  # by the first of them, or by a process that looks at the same time
    raise VolumeError(f"two had the same file lock in {folder}", path=folder, operation="lock")
