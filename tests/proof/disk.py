"""A disk that fails when it is told to, at any operation: a stop, a power cut, an error.

It stands in `spx_data.store.disk`, through which every change of a fill passes. After a stop every further
operation stops as well, so that no cleaning up of a process that would be dead can help; a power cut also
takes back what was not flushed: the ends of files, and names in folders, each folder's last ones first.
"""

import contextlib
import os
import random
import shutil
import tempfile
import threading
from collections import defaultdict
from pathlib import Path

from spx_data.store import disk

OPERATIONS = (
    "create",
    "create_nameless",
    "open_to_append",
    "write",
    "flush",
    "rename",
    "unlink",
    "make_folder",
    "remove_folder",
)


class Stopped(BaseException):
    """The process is gone; nothing of ours may catch this."""


class Disk:
    """Counts the operations of a block; at one of them, something happens.

    Args:
        at: the number of the operation, from 1; None lets all pass.
        error: the errno that is raised there; None stops the process.
        lasting: the error stays from there on.
        power: a stop is a power cut: what was not flushed may be lost.
        seed: for what is left to chance.
    """

    def __init__(self, at=None, *, error=None, lasting=False, power=False, seed=0):
        self.at, self.error, self.lasting, self.power = at, error, lasting, power
        self.count = 0
        self.where = ""
        self.stopped = False
        self._random = random.Random(seed)
        self._lock = threading.RLock()
        self._real = {name: getattr(disk, name) for name in OPERATIONS}
        self._memory = Memory(Path(tempfile.mkdtemp(prefix="shadow-"))) if power else None

    def __enter__(self):
        for name in OPERATIONS:
            setattr(disk, name, self._standing_in(name))
        return self

    def __exit__(self, kind, error, traceback):
        for name, real in self._real.items():
            setattr(disk, name, real)
        if self._memory:
            if self.stopped:
                self._memory.lose_power(self._random)
            self._memory.close()
        return kind is Stopped

    def _standing_in(self, name):
        def operation(*arguments):
            with self._lock:
                if self.stopped:
                    raise Stopped
                self.count += 1
                happens = self.at is not None and (
                    self.count == self.at or (self.lasting and self.count > self.at)
                )
                if happens:
                    return self._happen(name, arguments)
                return self._do(name, arguments)

        return operation

    def _happen(self, name, arguments):
        self.where = self.where or name
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        self.stopped = True
        # Before it, after it, or in the middle of it: a write may have taken a part of its bytes.
        if name == "write":
            descriptor, data = arguments
            part = self._random.randrange(len(data) + 1)
            if part:
                self._do(name, (descriptor, bytes(data)[:part]))
        elif self._random.random() < 0.5:
            self._do(name, arguments)
        raise Stopped

    def _do(self, name, arguments):
        if self._memory:
            self._memory.before(name, arguments)
        result = self._real[name](*arguments)
        if self._memory:
            self._memory.after(name, arguments, result)
        return result


class Memory:
    """What the device does not have yet: ends of files, and names in folders."""

    def __init__(self, shadow):
        self._shadow = shadow
        self._flushed = {}  # inode → (a descriptor of ours, bytes on the device)
        self._names = defaultdict(list)  # folder's inode → what takes each change of a name back, in order
        self._number = 0

    def before(self, name, arguments):
        if name == "rename":
            source, target = arguments
            self._remember(target.parent, _back(source, target, self._keep(target)))
        elif name == "unlink":
            (path,) = arguments
            self._remember(path.parent, _restore(path, self._keep(path)))
        elif (name in ("create", "open_to_append") and not arguments[0].exists()) or name == "make_folder":
            self._remember(arguments[0].parent, _forget(arguments[0]))
        elif name == "remove_folder":
            # A folder that comes back comes back empty: what it held was taken out before.
            self._remember(arguments[0].parent, lambda: arguments[0].mkdir(exist_ok=True))

    def after(self, name, arguments, result):
        if name == "create":
            self._watch(arguments[0], 0)
        elif name == "open_to_append":
            self._watch(arguments[0], os.fstat(result).st_size)
        elif name == "flush":
            status = os.fstat(arguments[0])
            self._names.pop(status.st_ino, None)
            if status.st_ino in self._flushed:
                self._flushed[status.st_ino][1] = status.st_size

    def lose_power(self, chance):
        """Take back a part of what was not flushed: for each folder the last so many changes of names."""
        for descriptor, flushed in self._flushed.values():
            size = os.fstat(descriptor).st_size
            if size > flushed:
                os.ftruncate(descriptor, chance.randint(flushed, size))
        lost = [
            (number, undo)
            for changes in self._names.values()
            for number, undo in changes[chance.randint(0, len(changes)) :]
        ]
        for _, undo in sorted(lost, key=lambda change: -change[0]):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                undo()

    def close(self):
        for descriptor, _ in self._flushed.values():
            os.close(descriptor)
        shutil.rmtree(self._shadow)

    def _watch(self, path, flushed):
        # Held open, so that its inode's number goes to no other file; opened anew, because a copy of a
        # descriptor would hold its lock.
        descriptor = os.open(path, os.O_RDWR)
        kept = self._flushed.setdefault(os.fstat(descriptor).st_ino, [descriptor, flushed])
        if kept[0] != descriptor:
            os.close(descriptor)

    def _remember(self, folder, undo):
        self._number += 1
        self._names[folder.stat().st_ino].append((self._number, undo))

    def _keep(self, path):
        if not path.exists():
            return None
        self._number += 1
        kept = self._shadow / str(self._number)
        try:
            os.link(path, kept)
        except OSError:  # the shadow is on another disk
            shutil.copyfile(path, kept)
        return kept


def _back(source, target, kept):
    def undo():
        target.replace(source)
        if kept:
            shutil.copyfile(kept, target)

    return undo


def _restore(path, kept):
    return lambda: shutil.copyfile(kept, path)


def _forget(path):
    def undo():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    return undo
