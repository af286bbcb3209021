"""The SQLite file of the status log: opened as it is, or changed as a copy that takes its place.

It is never changed where it stands, so a reader sees one log or the next, nobody waits for a lock of
SQLite's, and an open one is in nobody's way. Every value comes from the tree and not from the clock: the file
may be deleted, and has the same rows when it is made anew. It counts only as this release wrote it, to the
byte: a checksum stands in its header, and what does not fit is made anew without a word.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import operator
import os
import shutil
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any

from spx_data import config
from spx_data._version import __version__
from spx_data.config import editing, rulebook, table
from spx_data.errors import (
    DatabaseConnectionError,
    DatabaseSchemaError,
    DatabaseTransactionError,
    MissingFileError,
    VolumeError,
)
from spx_data.settings import Settings
from spx_data.status import tables
from spx_data.status.summary import Facts, Trouble
from spx_data.status.tables import DATED, INDEXES, SCHEMA, Logged, Row
from spx_data.store import files, locks, reads
from spx_data.store.journal import Event

# A log of another release, or of other columns and facts, is not ours to read.
_FORM = json.dumps(
    [1, __version__, SCHEMA, INDEXES, [[field.name for field in fields(kind)] for kind in (Facts, Trouble)]]
)

# It marks a SQLite file as ours ("SPXD"), so that nobody else's is ever replaced. Where both numbers stand is
# part of SQLite's format: `user_version` is anybody's, and ours is the CRC-32 of all that follows the header.
_APPLICATION = 0x53505844
_HEAD = struct.Struct(">16s 44x I 4x I")
_HEADER, _CHECKSUM_AT = 100, 60
_BLOCK = 1 << 20
# A file that is published whole needs no journal of its own.
_WRITING = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
_MAKING = f"""
PRAGMA page_size = 16384; PRAGMA application_id = {_APPLICATION}; {_WRITING}
{SCHEMA}
INSERT INTO form VALUES ('form', '{_FORM.replace("'", "''")}');
"""
# It is replaced and never changed: nobody needs its lock, and it can be read where nothing can be written.
_READING = "mode=ro&immutable=1"
_TOGETHER = 10  # rows in one statement
_CURE = "Delete it, or set database.path elsewhere: it is rebuilt from the tree"


@dataclass(frozen=True)
class Log:
    """What a log has of each date, and which file it is."""

    dates: Mapping[dt.date, Logged]
    file: tuple[int, ...] | None  # None where there is none that this release wrote, to the byte
    looked_ns: int  # when the tree was looked at for it (Unix)


NO_LOG = Log({}, None, 0)


def read(path: Path) -> Log:
    """The log at *path*; `NO_LOG` where there is none, or none that this release wrote."""
    with suppress(sqlite3.Error, OSError, DatabaseSchemaError, ValueError, TypeError):
        file = _file(path)
        if file and _damage(path) is None:
            uri = f"{path.absolute().as_uri()}?{_READING}"
            with closing(sqlite3.connect(uri, uri=True)) as connection:
                if _told(connection, "form") == _FORM:
                    return Log(tables.logged(connection), file, path.stat().st_mtime_ns)
    return NO_LOG


@contextmanager
def rows(path: Path) -> Iterator[Callable[[str], Iterator[Row]]]:
    """What gives all rows of a table of the log at *path*: of one log, whatever takes its place meanwhile.

    Raises:
        DatabaseConnectionError: there is none that this release wrote, or it cannot be read.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{_READING}", uri=True)) as connection:
            if _damage(path) is not None or _told(connection, "form") != _FORM:
                raise sqlite3.DatabaseError("it is not as this release wrote it")
            yield lambda table: connection.execute(f"SELECT * FROM {table}")
    except sqlite3.Error as error:
        raise DatabaseConnectionError(
            f"the status log {path} cannot be read: {error}", cure=_CURE, path=path, operation="read"
        ) from error


def _file(path: Path) -> tuple[int, ...] | None:
    """What tells one file at *path* from the next; None where there is none."""
    with suppress(OSError):
        there = path.stat()
        return there.st_ino, there.st_ctime_ns, there.st_size
    return None


def _told(connection: sqlite3.Connection, name: str) -> str | None:
    found = connection.execute("SELECT value FROM form WHERE name = ?", (name,)).fetchone()
    return found and str(found[0])


@contextmanager
def changing(settings: Settings, log: Log, looked_ns: int) -> Iterator[Change]:
    """The log to be changed in the block: it takes the old one's place if the block ends well.

    It begins as a copy of the one at its place, of which *log* is what was read before; with `NO_LOG` it
    begins with nothing in it. *looked_ns* is when the tree was looked at, which becomes the file's time.

    Raises:
        DatabaseSchemaError: what stands there was not written by this project.
        DatabaseConnectionError: it cannot be opened.
        DatabaseTransactionError: it cannot be written.
        SpxDataError: its folder cannot be written.
    """
    target = settings.layout.database
    _check_ours(target)
    with ExitStack() as held:
        with suppress(VolumeError):  # without locks there is one run at a time all the same
            held.enter_context(locks.locked(settings.layout.lock("status")))
        if log.file and log.file != _file(target):  # somebody else has written it meanwhile
            log = read(target)
        part = held.enter_context(files.building(target, lasting=False))
        try:
            if log.file:
                shutil.copyfile(target, part)
            with closing(_connect(part, target)) as connection:
                connection.executescript(_WRITING if log.file else _MAKING)
                with connection:
                    yield Change(connection, log)
                connection.executescript("" if log.file else INDEXES)
            _seal(part)
            os.utime(part, ns=(looked_ns, looked_ns))
        except sqlite3.Error as error:
            raise DatabaseTransactionError(
                f"the status log {target} cannot be written: {error}",
                cure=_CURE,
                path=target,
                operation="rebuild",
            ) from error


@dataclass(frozen=True)
class Change:
    """A log that is being changed, and what it had before."""

    connection: sqlite3.Connection
    log: Log

    def forget(self, date: dt.date) -> None:
        """Take the rows of *date* out."""
        for name in DATED if self.log.file else ():
            self.connection.execute(f"DELETE FROM {name} WHERE date = ?", (date.isoformat(),))

    def put(self, tables: Iterable[tuple[str, list[Row]]]) -> None:
        """Add rows to *tables*."""
        for name, its_rows in tables:
            _insert(self.connection, name, its_rows)

    def rests_on(self, value: str) -> bool:
        """Say what scores hang on now; whether that is news, and all of them were taken out for it."""
        if _told(self.connection, "scores") == value:
            return False
        self.connection.execute("INSERT OR REPLACE INTO form VALUES ('scores', ?)", (value,))
        self.connection.execute("DELETE FROM quality")
        self.connection.execute("DELETE FROM performance_metrics WHERE metric_name = 'quality_score'")
        return True

    def configure(self, settings: Settings) -> None:
        """Write the settings and their history as they are now."""
        changes = editing.history(settings.layout)
        self.connection.execute("DELETE FROM configuration")
        self.connection.execute("DELETE FROM configuration_history")
        numbered = [(number, *_change(change)) for number, change in enumerate(changes, start=1)]
        self.put([("configuration", list(_configuration(settings, changes)))])
        self.put([("configuration_history", numbered)])


def _connect(part: Path, target: Path) -> sqlite3.Connection:
    try:
        # Nobody else knows the file yet, so it needs no locks, and its volume need not have any.
        return sqlite3.connect(f"{part.absolute().as_uri()}?vfs=unix-none", uri=True)
    except sqlite3.Error as error:
        raise DatabaseConnectionError(
            f"the status log {target} cannot be opened: {error}", cure=_CURE, path=target, operation="open"
        ) from error


def _seal(part: Path) -> None:
    """Write the checksum of *part* into its header."""
    checksum = _checksum(part)
    with part.open("r+b") as stream:
        stream.seek(_CHECKSUM_AT)
        stream.write(struct.pack(">I", checksum))


def _checksum(path: Path) -> int:
    found = 0
    with reads.reading(path) as stream:
        stream.seek(_HEADER)
        while block := stream.read(_BLOCK):
            found = zlib.crc32(block, found)
    return found


def _damage(path: Path) -> str | None:
    """What is wrong with the bytes of the log at *path*; it must be ours."""
    told = _check_ours(path)
    return None if told == _checksum(path) else "its bytes are not those that were written"


def _check_ours(path: Path) -> int | None:
    """Raise unless *path* may be replaced: it is a status log of ours, or there is nothing.

    Returns the checksum in its header; None where there is nothing.
    """
    try:
        with reads.reading(path) as stream:
            head = stream.read(_HEAD.size)
    except MissingFileError:
        return None
    magic, checksum, application = _HEAD.unpack(head) if len(head) == _HEAD.size else (b"", 0, 0)
    if head and (magic != b"SQLite format 3\0" or application != _APPLICATION):
        raise DatabaseSchemaError(
            f"{path} is no status log of spx-data and is left alone",
            cure="Move that file away, or set database.path elsewhere",
            path=path,
            expected=f"a SQLite database with application_id {_APPLICATION}",
            actual=f"{magic!r} with application_id {application}",
        )
    return int(checksum) if head else None


@dataclass(frozen=True)
class Look:
    """How a status log is: when it was written, its bytes, its dates, and what is wrong with it."""

    written_at: dt.datetime
    bytes: int
    dates: frozenset[dt.date]
    damage: str | None


def written_at(path: Path) -> dt.datetime | None:
    """When the status log at *path* was written; None where there is none."""
    with suppress(FileNotFoundError):
        return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    return None


def look(path: Path) -> Look | None:
    """How the status log at *path* is, for those who watch over it; None where there is none.

    Raises:
        DatabaseSchemaError: what stands there was not written by this project.
        DatabaseConnectionError: the system does not let it be read, which is no damage.
    """
    at = written_at(path)
    if at is None:
        return None
    _check_ours(path)
    dates, damage = frozenset[dt.date](), _damage(path)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{_READING}", uri=True)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            damage = damage if verdict == "ok" else str(verdict)
            found = connection.execute("SELECT date FROM processing_log")
            dates = frozenset(dt.date.fromisoformat(date) for (date,) in found)
    except sqlite3.OperationalError as error:
        raise DatabaseConnectionError(
            f"the status log {path} cannot be read: {error}",
            cure="Check its disk and permissions; the next run writes it again",
            path=path,
            operation="read",
        ) from error
    except sqlite3.Error as error:
        damage = damage or str(error)
    return Look(at, path.stat().st_size, dates, damage)


def _insert(connection: sqlite3.Connection, table: str, its_rows: list[Row]) -> None:
    if not its_rows:
        return
    try:
        _insert_as_they_are(connection, table, its_rows)
    except (UnicodeEncodeError, OverflowError):  # what SQLite cannot hold and files from outside may
        _insert_as_they_are(connection, table, [tuple(map(_storable, row)) for row in its_rows])


def _storable(value: Any) -> Any:
    """*value* without half characters, and as a float where it is an integer beyond 64 bits."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    return float(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def _insert_as_they_are(connection: sqlite3.Connection, table: str, its_rows: list[Row]) -> None:
    places = f"({', '.join('?' * len(its_rows[0]))})"
    # So many rows in one statement take a third less time than a statement for each.
    whole = len(its_rows) // _TOGETHER * _TOGETHER
    for start in range(0, whole, _TOGETHER):
        values = list(chain.from_iterable(its_rows[start : start + _TOGETHER]))
        connection.execute(f"INSERT INTO {table} VALUES {', '.join([places] * _TOGETHER)}", values)
    connection.executemany(f"INSERT INTO {table} VALUES {places}", its_rows[whole:])


def _configuration(settings: Settings, changes: Sequence[Event]) -> Iterator[Row]:
    last = {change["key"]: change for change in changes}
    at = config.changed_at()
    for key, rule in rulebook.rules():
        *section, name = key.split(".")
        found = functools.reduce(operator.getitem, section, settings.document).get(name)
        value = json.dumps(rulebook.disclosed(key, found))
        source, change = config.overriding(key), last.get(key)
        # A value that came from elsewhere since was not set by the last recorded change.
        known = change and not source and json.dumps(change.get("new")) == value
        yield (
            key,
            value,
            rule["description"],
            table.type_of(rule),
            int("default" not in rule),
            *((change["at"], change["by"]) if change and known else (at, source or "config")),
        )


def _change(change: Event) -> Row:
    old, new = (json.dumps(change.get(name)) for name in ("old", "new"))
    return change["key"], old, new, change["at"], change["by"], change["file"]
