"""The status log's tables, a date's rows in them, and the facts that they were made of.

docs/output.md says what stands in each table.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, NamedTuple

from spx_data.lake.session_states import Kind
from spx_data.status.history import History, items
from spx_data.status.quality import Day
from spx_data.status.summary import Facts, Trouble
from spx_data.store import foreign, journal

SCHEMA = """
CREATE TABLE processing_log (
    date TEXT PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('queued', 'processing', 'success', 'failed')),
    kind TEXT NOT NULL,
    started_at TEXT, completed_at TEXT,
    record_count INTEGER, expiration_count INTEGER, file_size_bytes INTEGER, checksum TEXT,
    error_message TEXT, error_type TEXT, retry_count INTEGER,
    processing_duration_ms INTEGER, api_requests_made INTEGER, temp_file_size_bytes INTEGER,
    memory_peak_mb REAL, created_at TEXT, updated_at TEXT,
    sealed_at TEXT, contracts INTEGER, contracts_missing INTEGER, complete INTEGER,
    unknown TEXT, unknown_count INTEGER, api_requests_failed INTEGER, runs INTEGER,
    underlying_open REAL, underlying_high REAL, underlying_low REAL, underlying_close REAL
) WITHOUT ROWID;
CREATE TABLE expiration_log (
    date TEXT NOT NULL, root TEXT NOT NULL, expiration TEXT NOT NULL, status TEXT NOT NULL,
    record_count INTEGER, bytes INTEGER, attempts INTEGER, error TEXT,
    PRIMARY KEY (date, root, expiration)
) WITHOUT ROWID;
CREATE TABLE error_log (
    id INTEGER PRIMARY KEY, date TEXT NOT NULL, error_type TEXT NOT NULL, error_message TEXT,
    stack_trace TEXT, retry_attempt INTEGER, context_data TEXT, occurred_at TEXT NOT NULL,
    resolved_at TEXT, resolution_method TEXT,
    event TEXT NOT NULL, stage TEXT, run TEXT, root TEXT, expiration TEXT
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
CREATE TABLE inventory (
    path TEXT PRIMARY KEY, date TEXT NOT NULL, size INTEGER, checksum TEXT, rows INTEGER, created TEXT
) WITHOUT ROWID;
CREATE TABLE read_from (
    date TEXT PRIMARY KEY, sources TEXT NOT NULL, facts TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE configuration (
    key TEXT PRIMARY KEY, value TEXT, description TEXT, value_type TEXT, is_required INTEGER NOT NULL,
    updated_at TEXT, updated_by TEXT
) WITHOUT ROWID;
CREATE TABLE configuration_history (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, old_value TEXT, new_value TEXT, changed_at TEXT NOT NULL,
    changed_by TEXT, file TEXT
);
CREATE TABLE form (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""

# After the rows are in: one sorting instead of an insertion for each of them.
INDEXES = """
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

# Those with rows of single dates.
DATED = (
    "processing_log",
    "expiration_log",
    "error_log",
    "performance_metrics",
    "quality",
    "quality_checks",
    "inventory",
    "read_from",
)


Row = tuple[Any, ...]

# The four words of the log for a session's kinds; `kind` keeps its own.
STATUS = {
    Kind.SEALED: "success",
    Kind.MISSING: "queued",
    Kind.PARTIAL: "processing",
    Kind.FAILED: "failed",
    Kind.PARKED: "failed",
    Kind.NO_DATA: "failed",
    Kind.PENDING: "queued",
    Kind.CORRUPT: "failed",
    Kind.ACCEPTED: "failed",
}

_IDS = 100_000  # for the rows of one date: an id is the date's digits and a number
_CHECK = ("check", "part", "unit", "hits", "of", "share", "score", "first")
_DAY = tuple(field.name for field in fields(Day))[1:-2]  # between the date and the findings
_CONTEXT = ("fields", "wait")
_TOGETHER = 1_000  # texts that are parsed as one: thousands take twice as long one by one


def rows_of(history: History, facts: Facts, sources: str) -> Iterator[tuple[str, list[Row]]]:
    """Each table's name and its rows for a date, but for what hangs on the other dates."""
    date = history.date.isoformat()
    yield "processing_log", [_processing(history, facts)]
    yield "expiration_log", [(date, *chain) for chain in history.chains]
    yield "error_log", list(_errors(history, facts))
    yield "performance_metrics", list(_metrics(history.date, facts))
    yield "quality_checks", list(_checks(history)) if facts.quality else []
    yield "inventory", list(_inventory(history))
    yield "read_from", [(date, sources, json.dumps(_values(facts), default=_values))]


def rows_of_judged(day: Day, at: str | None) -> Iterator[tuple[str, list[Row]]]:
    """The rows that a day's score stands in; *at* is when it was sealed."""
    yield "quality", [_quality(day)]
    if day.score is not None:
        score = (_id(day.date, _IDS - 1), day.date.isoformat(), "quality_score", day.score, "points")
        yield "performance_metrics", [(*score, day.verdict, at)]


class Logged(NamedTuple):
    """What the log has of a date."""

    sources: str  # what it was read from
    facts: Facts


def logged(connection: sqlite3.Connection) -> dict[dt.date, Logged]:
    """What the rows say of each date: the facts that they were made of.

    Raises:
        ValueError: what should be JSON is none, or beyond the ceilings.
    """
    found = connection.execute("SELECT date, sources, facts FROM read_from").fetchall()
    logged = {}
    for start in range(0, len(found), _TOGETHER):
        some = found[start : start + _TOGETHER]
        every = foreign.parsed(f"[{','.join(facts for *_, facts in some)}]")
        for (date, sources, _), (*values, troubles) in zip(some, every, strict=True):
            facts = Facts(*[*values, tuple(Trouble(*each) for each in troubles)])
            logged[dt.date.fromisoformat(date)] = Logged(sources, facts)
    return logged


def _values(one: Facts | Trouble) -> list[Any]:
    """The fields' values in their order, of which `logged` makes the same again."""
    return list(vars(one).values())


def _id(date: dt.date, number: int) -> int:
    return int(f"{date:%Y%m%d}") * _IDS + number


def _processing(history: History, facts: Facts) -> Row:
    state = history.state
    return (
        *(history.date.isoformat(), STATUS[state.kind], state.kind.value),
        *(facts.started_at, facts.completed_at, facts.rows, facts.chains, facts.bytes, facts.sha256),
        *(state.reason if state.error else None, state.error, len(history.of_kind(journal.FAILED))),
        *(facts.duration_ms, facts.requests, facts.staged_bytes, facts.memory_peak_mb),
        *(facts.created_at, facts.updated_at, facts.sealed_at),
        *(facts.contracts, facts.contracts_missing, facts.complete),
        *(json.dumps(facts.unknown), facts.unknown_count, facts.requests_failed, facts.runs),
        *(facts.underlying_open, facts.underlying_high, facts.underlying_low, facts.underlying_close),
    )


def _errors(history: History, facts: Facts) -> Iterator[Row]:
    for number, (event, trouble) in enumerate(zip(history.troubles, facts.troubles, strict=True)):
        method = "asked again" if trouble.event == journal.RETRIED else "a later try sealed the date"
        yield (
            _id(history.date, number),
            trouble.date,
            trouble.error,
            trouble.cause,
            event["traceback"] or None,
            trouble.attempt,
            json.dumps({key: event[key] for key in _CONTEXT if key in event}, sort_keys=True),
            trouble.at,
            trouble.resolved_at,
            method if trouble.resolved_at else None,
            *(trouble.event, trouble.stage, trouble.run, trouble.root, trouble.expiration),
        )


def _metrics(date: dt.date, facts: Facts) -> Iterator[Row]:
    at, rows, milliseconds = facts.sealed_at, facts.rows, facts.duration_ms
    if at is None or not facts.sha256 or not rows:
        return
    found: list[Row] = [
        ("records", rows, "rows", None),
        ("file_size", facts.bytes, "bytes", None),
        ("bytes_per_record", facts.bytes / rows, "bytes", None),
        ("requests", facts.requests, "requests", None),
    ]
    if milliseconds:
        found += [
            ("duration", milliseconds, "ms", "list, download and merge of the last run"),
            ("throughput", rows / milliseconds * 60_000, "rows/min", None),
        ]
    if facts.memory_peak_mb is not None:
        found.append(("memory_peak", facts.memory_peak_mb, "MB", "largest job"))
    for number, metric in enumerate(found):
        yield (_id(date, number), date.isoformat(), *metric, at)


def _quality(day: Day) -> Row:
    """The date's judgement; its findings as JSON."""
    values = [getattr(day, name) for name in _DAY]
    findings = (json.dumps(each, ensure_ascii=False) for each in (day.findings, day.session_findings))
    return (day.date.isoformat(), *values, *findings)


def _checks(history: History) -> Iterator[Row]:
    """The checks that found something: of the others there are a hundred thousand, and nothing to tell."""
    date, passport = history.date.isoformat(), history.passport or {}
    for check in passport["quality"]["checks"]:
        if check["hits"]:
            yield (date, *map(check.get, _CHECK))


def _inventory(history: History) -> Iterator[Row]:
    passport = history.passport_file
    if passport is None:
        return
    checksum, rows = passport.document["parquet"]["sha256"], passport.document["rows"]
    for item in items(history.layout, history.date, checksum, rows, history.sealed_at, passport):
        yield (item.path, item.date.isoformat(), item.size, item.checksum, item.rows, item.created)
