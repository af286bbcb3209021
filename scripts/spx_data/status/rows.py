"""The status log's rows for one date, table by table."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from operator import itemgetter
from typing import Any

from spx_data.lake.session_states import Kind
from spx_data.settings import Quality
from spx_data.status import habits as of_the_source
from spx_data.status import quality
from spx_data.status.digest import Digest
from spx_data.status.history import History
from spx_data.status.inventory import items
from spx_data.status.quality import Day
from spx_data.store import journal

Row = tuple[Any, ...]
Judged = tuple[dt.date, str | None, Digest]  # with the moment of its seal

# The four words of the log for the ledger's kinds; `kind` keeps the ledger's own.
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

_check_of = itemgetter("check", "part", "unit", "hits", "of", "share", "score", "first")
_DAY = tuple(field.name for field in fields(Day))[1:-2]  # between the date and the findings
_CONTEXT = ("stage", "run", "root", "expiration", "fields", "wait")


def of(history: History) -> Iterator[tuple[str, list[Row]]]:
    """Each table's name and its rows for the date; an id is left to the database, which counts them."""
    yield "processing_log", [_processing(history)]
    yield "expiration_log", _expirations(history)
    yield "error_log", list(_errors(history))
    yield "performance_metrics", list(_metrics(history))
    yield "quality_checks", list(_checks(history)) if history.digest else []
    yield "inventory", list(_inventory(history))


def of_judged(judged: Sequence[Judged], rules: Quality) -> Iterator[tuple[str, list[Row]]]:
    """The rows that need all *judged* dates: a day is scored but for what the source always does."""
    habits = of_the_source.of(digest for _, _, digest in judged)
    days = [(quality.day(date, digest, rules, habits), at) for date, at, digest in judged]
    yield "quality", [_quality(day) for day, _ in days]
    yield (
        "performance_metrics",
        [
            (None, day.date.isoformat(), "quality_score", day.score, "points", day.verdict, at)
            for day, at in days
            if day.score is not None
        ],
    )


def _processing(history: History) -> Row:
    passport = history.passport or {}
    parquet = passport.get("parquet", {})
    return (
        history.date.isoformat(),
        STATUS[history.state.kind],
        history.state.kind.value,
        history.started_at,
        history.completed_at,
        passport.get("rows") if passport else history.chain_rows,
        history.chains_with_rows,
        parquet.get("bytes"),
        parquet.get("sha256"),
        history.state.reason if history.state.error else None,
        history.state.error,
        len(history.of_kind(journal.FAILED)),
        history.duration_ms,
        len(history.of_kind(journal.REQUEST)),
        history.chain_bytes,
        history.memory_peak_mb,
        history.events[0]["at"] if history.events else None,
        history.events[-1]["at"] if history.events else None,
    )


def _expirations(history: History) -> list[Row]:
    date = history.date.isoformat()
    return [(date, *chain) for chain in history.chains]


def _errors(history: History) -> Iterator[Row]:
    date = history.date.isoformat()
    for event in history.troubles:
        resolved = history.sealed_at if history.sealed_at and history.sealed_at >= event["at"] else None
        method = "asked again" if event["event"] == journal.RETRIED else "a later try sealed the date"
        yield (
            None,
            date,
            event["error"],
            event["cause"],
            event["traceback"] or None,
            event["attempt"],
            json.dumps({key: event[key] for key in _CONTEXT if key in event}, sort_keys=True),
            event["at"],
            resolved,
            method if resolved else None,
        )


def _metrics(history: History) -> Iterator[Row]:
    date, at = history.date.isoformat(), history.sealed_at
    if at is None or history.passport is None:
        return
    rows, size = history.passport["rows"], history.passport["parquet"]["bytes"]
    milliseconds = history.duration_ms
    yield (None, date, "records", rows, "rows", None, at)
    yield (None, date, "file_size", size, "bytes", None, at)
    yield (None, date, "bytes_per_record", size / rows, "bytes", None, at)
    yield (None, date, "requests", len(history.of_kind(journal.REQUEST)), "requests", None, at)
    if milliseconds:
        yield (None, date, "duration", milliseconds, "ms", "list, download and merge of the last run", at)
        yield (None, date, "throughput", rows / milliseconds * 60_000, "rows/min", None, at)
    if history.memory_peak_mb is not None:
        yield (None, date, "memory_peak", history.memory_peak_mb, "MB", "largest job", at)


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
            yield (date, *_check_of(check))


def _inventory(history: History) -> Iterator[Row]:
    passport = history.passport_file
    if passport is None:
        return
    checksum, rows = passport.document["parquet"]["sha256"], passport.document["rows"]
    for item in items(history.layout, history.date, checksum, rows, history.sealed_at, passport):
        yield (item.path, item.date.isoformat(), item.size, item.checksum, item.rows, item.created)
