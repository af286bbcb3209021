"""How many requests are in flight at a terminal, over all processes of a user, whichever lake they fill.

The limit is so many files; the lock of one is a slot, held during one request and no longer. The
system drops a lock with the process that dies, so no slot is ever lost, and no process keeps books about
another. As soon as a slot is free somebody has it, as long as anybody wants one.

Who is next is a lock as well, so all others who wait sleep in the kernel. There are two queues, and the one
at the back waits while anybody stands in the one at the front. At the front are listings, the later pages of
an answer, and one job of each lake, which leads: so a lake's dates end one after the other and not all at
once, which would leave the terminal idle while all of the next ones start, and the disk with many dates half
staged. Lakes take turns.

Who is at work shares the lock of a file that is named for its limit, so everybody sees the smallest one, L,
of all lakes, checkouts and rechecks. Slots 1 to L are taken, and none while one above L is held: so all
together never have more in flight than anybody's limit allows. All stand in the same two queues: nobody
starves.

The limit is the terminal's, so its slots stand outside of every lake: in a folder of the user's, one for each
terminal. Which folder is the same in a shell, in cron, over ssh and under sudo: it follows from the user's
number and this machine's list of users alone, and from no variable that a session sets (HOME, XDG_STATE_HOME,
TMPDIR). Where the home folder cannot be used, there are other places; the last is the lake.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlsplit

from spx_data.errors import (
    ConfigurationValidationError,
    MissingFileError,
    PermissionDeniedError,
    SpxDataError,
    VolumeError,
)
from spx_data.sources.pacing import Pacing
from spx_data.sources.slot_locks import Lock, Others, Place, Queue
from spx_data.sources.source import Passage
from spx_data.store import disk, files, locks, reads
from spx_data.store.layout import Layout

VARIABLE = "SPX_DATA_SLOTS"  # names another folder: for a container, or for tests

_OF_THE_SYSTEM = (Path("/var/tmp"), Path("/tmp"))  # what is made there is looked at before it is used
_PORTS = {"http": 80, "https": 443}
_THIS_MACHINE = "127.0.0.1"
_ITS_NAMES = frozenset({"localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback"})
_LONGEST_NAME = 200  # characters


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


# How long a slot that another process gives back may go unnoticed: little beside what a request takes.
# Looking oftener costs: 3 % of a core at 4 ms, 1 % at 10 ms.
_BEAT_SECONDS = 0.01
_FRONT, _BACK = "front", "back"


@contextmanager
def shared(
    layout: Layout, base_url: str, limit: int, *, brief: bool = False, steady: bool = False
) -> Iterator[Slots]:
    """The *limit* slots of the terminal at *base_url*, for one job of a lake while the block lasts.

    A *brief* caller, with a few requests in all, waits at the front and never leads. A *steady* one, which
    looks how much the terminal bears, neither goes by what was learned of it nor teaches others.

    Raises:
        PermissionDeniedError, InsufficientDiskSpaceError, DeviceError: a lock cannot be opened.
        VolumeError: nothing can be locked there.
        ConfigurationValidationError: see `of_terminal`.
    """
    place = of_terminal(base_url, layout.slots)
    with ExitStack() as opened:

        def lock(path: Path) -> Lock:
            files.make_directory(path.parent)
            with reads.explained(path, "open"):
                descriptor = disk.open_to_append(path)
                opened.callback(os.close, descriptor)
                disk.touch(descriptor)  # else a clean-up takes it for an old file
            return Lock(path, descriptor)

        own = lock(place.limit(limit))
        own.share()
        pacing = None if steady else Pacing(place, lock(place.learning))
        yield Slots(place, limit, lock, None if brief else lock(layout.lead), pacing)


class Slots:
    """One job's way to the slots of its terminal, for all of its threads; without a *lead* it is brief."""

    def __init__(
        self,
        place: Place,
        limit: int,
        lock: Callable[[Path], Lock],
        lead: Lock | None,
        pacing: Pacing | None = None,
    ) -> None:
        self.place, self._limit, self._pacing = place, limit, pacing
        # A lock belongs to the descriptor, so those that this job holds are not among the free.
        self._free = {number: lock(place.slot(number)) for number in range(1, limit + 1)}
        self._others = Others(place, limit, lock)
        self._books, self._given_back = threading.Lock(), threading.Event()
        self._front, self._back = (
            Queue(lock(place.following(queue)), lock(place.turn(queue))) for queue in (_FRONT, _BACK)
        )
        self._look = lock(place.turn(_FRONT))  # whether somebody waits at the front
        self._lead, self._leads = lead, False

    @contextmanager
    def slot(self, urgent: bool = False) -> Iterator[Passage]:
        """Hold a slot while the block lasts, once there is one; an *urgent* request waits at the front."""
        number, held = self._from_the_front() if urgent or self._goes_first() else self._from_the_back()
        try:
            with self._pacing.watched(self._count) if self._pacing else nullcontext(Passage()) as passage:
                yield passage
        finally:
            # Told to the system now: a child process that was forked meanwhile has the descriptor as well.
            held.give_back()
            self._free[number] = held
            self._given_back.set()

    def _goes_first(self) -> bool:
        """Whether this job is brief or leads: one of a lake does, from its first request to its end."""
        self._leads = self._leads or self._lead is None or self._lead.taken()
        return self._leads

    def _from_the_front(self) -> tuple[int, Lock]:
        with self._front.turn():
            while (taken := self._taken()) is None:
                self._pause()
        return taken

    def _from_the_back(self) -> tuple[int, Lock]:
        with self._back.turn():
            while self._look.is_held_alone() or (taken := self._taken()) is None:
                self._pause()
        return taken

    def _taken(self) -> tuple[int, Lock] | None:
        """The number of a slot that was free and now is ours, and its lock."""
        with self._books:
            least = self._least()
            if self._is_held_above(least):
                return None
            for number in range(least, 0, -1):
                lock = self._free.get(number)
                if lock and lock.taken():
                    # Whoever came to work meanwhile has looked for this slot before, or is seen now.
                    if self._others.least() >= number:
                        return number, self._free.pop(number)
                    lock.give_back()
                    return None
        return None

    def _least(self) -> int:
        """How many may be in flight: the smallest limit, or less where the terminal bears less."""
        limit = self._others.least()
        return self._pacing.allowed(limit) if self._pacing else limit

    def _count(self) -> tuple[int, int]:
        """How many slots are held, by anybody, and the smallest limit."""
        with self._books:
            limit = self._others.least()
            slots = (self._free.get(number) for number in range(1, self._limit + 1))
            return sum(lock is None or lock.is_held() for lock in slots), limit

    def _is_held_above(self, least: int) -> bool:
        """Whether a slot is held, by anybody, that no more may be taken of: its request must end first."""
        own = (self._free.get(number) for number in range(least + 1, self._limit + 1))
        return any(lock is None or lock.is_held() for lock in own) or self._others.hold_more()

    def _pause(self) -> None:
        """Wait a beat, or until this job gives a slot back."""
        self._given_back.wait(_BEAT_SECONDS)
        self._given_back.clear()
