"""The SQLite log's tables and their rows, from the dates' histories.

Written new beside the old one and renamed, so a reader sees one or the other. Every value comes from the
tree and not from the clock: deleting the file and rebuilding it gives the same rows.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import operator
import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from spx_data import config
from spx_data.config import editing, rulebook, table
from spx_data.errors import (
    DatabaseConnectionError,
    DatabaseSchemaError,
    DatabaseTransactionError,
    MissingFileError,
)
from spx_data.settings import Settings
from spx_data.sources.retry import retrying
from spx_data.status import rows
from spx_data.status.history import History
from spx_data.status.rows import Row
from spx_data.store import files, reads
from spx_data.store.journal import Event

_SCHEMA = """
CREATE TABLE processing_log (
    date TEXT PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('queued', 'processing', 'success', 'failed')),
    kind TEXT NOT NULL,
    started_at TEXT, completed_at TEXT,
    record_count INTEGER, expiration_count INTEGER, file_size_bytes INTEGER, checksum TEXT,
    error_message TEXT, error_type TEXT, retry_count INTEGER,
    processing_duration_ms INTEGER, api_requests_made INTEGER, temp_file_size_bytes INTEGER,
    memory_peak_mb REAL, created_at TEXT, updated_at TEXT
);
CREATE TABLE expiration_log (
    date TEXT NOT NULL, root TEXT NOT NULL, expiration TEXT NOT NULL, status TEXT NOT NULL,
    record_count INTEGER, bytes INTEGER, attempts INTEGER, error TEXT,
    PRIMARY KEY (date, root, expiration)
) WITHOUT ROWID;
CREATE TABLE error_log (
    id INTEGER PRIMARY KEY, date TEXT NOT NULL, error_type TEXT NOT NULL, error_message TEXT,
    stack_trace TEXT, retry_attempt INTEGER, context_data TEXT, occurred_at TEXT NOT NULL,
    resolved_at TEXT, resolution_method TEXT
);
CREATE TABLE performance_metrics (
    id INTEGER PRIMARY KEY, date TEXT NOT NULL, metric_name TEXT NOT NULL, metric_value REAL NOT NULL,
    unit TEXT NOT NULL, context TEXT, recorded_at TEXT
);
CREATE TABLE quality (
    date TEXT PRIMARY KEY, score REAL, verdict TEXT CHECK (verdict IN ('good', 'warn', 'fail')),
    completeness REAL, quotes REAL, underlying REAL, arbitrage REAL, parity REAL, smile REAL, greeks REAL,
    complete INTEGER,
    contracts_expected INTEGER, contracts_received INTEGER, contracts_explained INTEGER,
    contracts_missing INTEGER,
    stamps_expected INTEGER, stamps_received INTEGER, stamps_explained INTEGER, stamps_missing INTEGER,
    rejected INTEGER, duplicates_dropped INTEGER, conflicts INTEGER,
    row_count INTEGER, rows_per_minute REAL, spread_median REAL, iv_level REAL,
    findings TEXT, session_findings TEXT
) WITHOUT ROWID;
CREATE TABLE quality_checks (
    date TEXT NOT NULL, code TEXT NOT NULL, part TEXT NOT NULL, unit TEXT NOT NULL,
    hits INTEGER NOT NULL, looked_at INTEGER NOT NULL, share REAL, score REAL, first_hit TEXT,
    PRIMARY KEY (date, code)
) WITHOUT ROWID;
CREATE TABLE configuration (
    key TEXT PRIMARY KEY, value TEXT, description TEXT, value_type TEXT, is_required INTEGER NOT NULL,
    updated_at TEXT, updated_by TEXT
);
CREATE TABLE configuration_history (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, old_value TEXT, new_value TEXT, changed_at TEXT NOT NULL,
    changed_by TEXT, file TEXT
);
CREATE TABLE inventory (
    path TEXT PRIMARY KEY, date TEXT NOT NULL, size INTEGER, checksum TEXT, rows INTEGER, created TEXT
);
"""

# After the rows are in: one sorting instead of an insertion for each of them.
_INDEXES = """
CREATE INDEX processing_log_status ON processing_log (status);
CREATE INDEX processing_log_updated_at ON processing_log (updated_at);
CREATE INDEX processing_log_error_type ON processing_log (error_type);
CREATE INDEX expiration_log_status ON expiration_log (status);
CREATE INDEX error_log_date ON error_log (date);
CREATE INDEX error_log_error_type ON error_log (error_type);
CREATE INDEX performance_metrics_date ON performance_metrics (date);
CREATE INDEX quality_score ON quality (score);
CREATE INDEX quality_checks_code ON quality_checks (code);
CREATE INDEX inventory_date ON inventory (date);
"""

# It marks a SQLite file as ours ("SPXD"), so that nobody else's is ever replaced; where it stands in the
# file's header is part of SQLite's format.
_APPLICATION = 0x53505844
_HEAD = struct.Struct(">16s 52x I")
_PRAGMAS = f"""
PRAGMA page_size = 16384; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = 1;
"""
# It is replaced and never changed: nobody needs its lock, and it can be read where nothing can be written.
_READING = "mode=ro&immutable=1"
_TOGETHER = 10  # rows in one statement
_CURE = "Delete it, or set database.path elsewhere: it is rebuilt from the tree"


def write(settings: Settings, histories: Callable[[], Iterable[History]]) -> None:
    """Write the database of *histories*, which are asked for at each try, in place of the one there is.

    Raises:
        DatabaseSchemaError: what stands there was not written by this project.
        DatabaseConnectionError: it cannot be opened.
        DatabaseTransactionError: it cannot be written.
    """
    _check_ours(settings.layout.database)
    retrying(lambda: _write(settings, histories))


def _write(settings: Settings, histories: Callable[[], Iterable[History]]) -> None:
    target = settings.layout.database
    try:
        with files.building(target) as part, closing(_connect(part, target)) as connection:
            # A file that is published whole needs no journal of its own.
            connection.executescript(_PRAGMAS + _SCHEMA)
            with connection:
                judged: list[rows.Judged] = []
                for history in histories():
                    for table, its_rows in rows.of(history):
                        _insert(connection, table, its_rows)
                    if history.digest:
                        judged.append((history.date, history.sealed_at, history.digest))
                for table, its_rows in rows.of_judged(judged, settings.quality):
                    _insert(connection, table, its_rows)
                changes = editing.history(settings.layout)
                _insert(connection, "configuration", list(_configuration(settings, changes)))
                _insert(
                    connection,
                    "configuration_history",
                    [(number, *_change(change)) for number, change in enumerate(changes, start=1)],
                )
            connection.executescript(_INDEXES)
    except sqlite3.Error as error:
        raise DatabaseTransactionError(
            f"the status log {target} cannot be written: {error}",
            cure=_CURE,
            path=target,
            operation="rebuild",
        ) from error


def _connect(part: Path, target: Path) -> sqlite3.Connection:
    try:
        # Nobody else knows the file yet, so it needs no locks, and its volume need not have any.
        return sqlite3.connect(f"{part.absolute().as_uri()}?vfs=unix-none", uri=True)
    except sqlite3.Error as error:
        raise DatabaseConnectionError(
            f"the status log {target} cannot be opened: {error}", cure=_CURE, path=target, operation="open"
        ) from error


def _check_ours(path: Path) -> None:
    """Raise unless *path* may be replaced: it is a status log of ours, or there is nothing."""
    try:
        with reads.reading(path) as stream:
            head = stream.read(_HEAD.size)
    except MissingFileError:
        return
    magic, application = _HEAD.unpack(head) if len(head) == _HEAD.size else (b"", 0)
    if head and (magic != b"SQLite format 3\0" or application != _APPLICATION):
        raise DatabaseSchemaError(
            f"{path} is no status log of spx-data and is left alone",
            cure="Move that file away, or set database.path elsewhere",
            path=path,
            expected=f"a SQLite database with application_id {_APPLICATION}",
            actual=f"{magic!r} with application_id {application}",
        )


@dataclass(frozen=True)
class Look:
    """How a status log is: when it was rebuilt, its bytes, its dates, and what is wrong with it."""

    rebuilt_at: dt.datetime
    bytes: int
    dates: int
    damage: str | None


def rebuilt_at(path: Path) -> dt.datetime | None:
    """When the status log at *path* was rebuilt; None where there is none."""
    with suppress(FileNotFoundError):
        return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    return None


def look(path: Path) -> Look | None:
    """How the status log at *path* is, for those who watch over it; None where there is none.

    Raises:
        DatabaseSchemaError: what stands there was not written by this project.
        DatabaseConnectionError: the system does not let it be read, which is no damage.
    """
    at = rebuilt_at(path)
    if at is None:
        return None
    _check_ours(path)
    dates, damage = 0, None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{_READING}", uri=True)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            damage = None if verdict == "ok" else str(verdict)
            (dates,) = connection.execute("SELECT count(*) FROM processing_log").fetchone()
    except sqlite3.OperationalError as error:
        raise DatabaseConnectionError(
            f"the status log {path} cannot be read: {error}",
            cure="Look at its disk and its permissions; it is rebuilt by the next run",
            path=path,
            operation="read",
        ) from error
    except sqlite3.Error as error:
        damage = damage or str(error)
    return Look(at, path.stat().st_size, dates, damage)


def _insert(connection: sqlite3.Connection, table: str, its_rows: list[Row]) -> None:
    if not its_rows:
        return
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
        value = json.dumps(functools.reduce(operator.getitem, section, settings.document).get(name))
        source, change = config.origin(key), last.get(key)
        # A value that came from elsewhere since was not set by whoever made the last recorded change.
        known = change and source not in config.ENVIRONMENT and json.dumps(change.get("new")) == value
        yield (
            key,
            value,
            rule["description"],
            table.type_of(rule),
            int("default" not in rule),
            *((change["at"], change["by"]) if change and known else (at, source)),
        )


def _change(change: Event) -> Row:
    old, new = (json.dumps(change.get(name)) for name in ("old", "new"))
    return change["key"], old, new, change["at"], change["by"], change["file"]
