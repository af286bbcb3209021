"""The status log's rows for one date, table by table, and the facts that are made of them again."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, NamedTuple

from spx_data.lake.session_states import Kind
from spx_data.status.history import History
from spx_data.status.inventory import items
from spx_data.status.quality import Day
from spx_data.status.summary import Facts, Trouble
from spx_data.store import foreign, journal

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

# The facts in `processing_log`, each with its column: those before a date's error, and those behind it.
_BEFORE = {
    "started_at": "started_at",
    "completed_at": "completed_at",
    "rows": "record_count",
    "chains": "expiration_count",
    "bytes": "file_size_bytes",
    "sha256": "checksum",
}
_BEHIND = {
    "duration_ms": "processing_duration_ms",
    "requests": "api_requests_made",
    "staged_bytes": "temp_file_size_bytes",
    **{name: name for name in ("memory_peak_mb", "created_at", "updated_at", "sealed_at")},
    **{name: name for name in ("contracts", "contracts_missing", "complete", "unknown", "unknown_count")},
    "requests_failed": "api_requests_failed",
    **{name: name for name in ("runs", "underlying_open", "underlying_high", "underlying_low")},
    "underlying_close": "underlying_close",
}
# Those in `read_from`; with `unknown` they are JSON.
_BESIDE = {"quality": "judgement", "traffic": "traffic"}
_FACTS = [field.name for field in fields(Facts)][:-1]  # `troubles` come last, and have a table of their own
_JSON = [_FACTS.index(name) for name in ("unknown", *_BESIDE)]
_COMPLETE = _FACTS.index("complete")
_TOGETHER = 1_000  # texts that are parsed as one: thousands take twice as long one by one


def of(history: History, facts: Facts, sources: str) -> Iterator[tuple[str, list[Row]]]:
    """Each table's name and its rows for a date, but for what hangs on the other dates."""
    date = history.date.isoformat()
    yield "processing_log", [_processing(history, facts)]
    yield "expiration_log", [(date, *chain) for chain in history.chains]
    yield "error_log", list(_errors(history, facts))
    yield "performance_metrics", list(_metrics(history.date, facts))
    yield "quality_checks", list(_checks(history)) if facts.quality else []
    yield "inventory", list(_inventory(history))
    yield "read_from", [(date, sources, json.dumps(facts.quality), json.dumps(facts.traffic))]


def of_judged(day: Day, at: str | None) -> Iterator[tuple[str, list[Row]]]:
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
    troubles: dict[str, list[Trouble]] = defaultdict(list)
    for date, *values in connection.execute(
        "SELECT date, occurred_at, event, error_type, error_message, stage, run, root, expiration,"
        " retry_attempt, resolved_at FROM error_log ORDER BY id"
    ):
        troubles[date].append(Trouble(date, *values))
    columns = {**_BEFORE, **_BEHIND, **_BESIDE}
    names = ", ".join(columns[name] for name in _FACTS)
    query = f"SELECT {names}, date, sources FROM processing_log JOIN read_from USING (date)"
    found = list(map(list, connection.execute(query)))
    for start in range(0, len(found), _TOGETHER):
        some = found[start : start + _TOGETHER]
        for place in _JSON:
            for row, value in zip(
                some, foreign.parsed(f"[{','.join(row[place] for row in some)}]"), strict=True
            ):
                row[place] = value
    logged = {}
    for *facts, date, sources in found:
        if facts[_COMPLETE] is not None:
            facts[_COMPLETE] = bool(facts[_COMPLETE])
        logged[dt.date.fromisoformat(date)] = Logged(sources, Facts(*[*facts, tuple(troubles[date])]))
    return logged


def _id(date: dt.date, number: int) -> int:
    return int(f"{date:%Y%m%d}") * _IDS + number


def _processing(history: History, facts: Facts) -> Row:
    """The date's row; what of it is a fact stands there as such."""
    state = history.state
    return (
        history.date.isoformat(),
        STATUS[state.kind],
        state.kind.value,
        *(getattr(facts, name) for name in _BEFORE),
        state.reason if state.error else None,
        state.error,
        len(history.of_kind(journal.FAILED)),
        *(json.dumps(facts.unknown) if name == "unknown" else getattr(facts, name) for name in _BEHIND),
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
