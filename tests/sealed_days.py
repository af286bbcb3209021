"""Sealed days made by writing their files: what lists, orders and estimates read, without a download."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from spx_data import config
from spx_data.lake import passports
from spx_data.market import columns
from spx_data.settings import Settings
from spx_data.store import files, journal, reads, seals
from spx_data.store.layout import Layout

_ZONE = ZoneInfo("America/New_York")
LISTED = 4  # chains of a day
STAMPS = 391

# A check of each part: what it counts, and among how many.
CHECKS = {
    "completeness": ("missing", "contract-stamps", 39_100),
    "quotes": ("crossed", "quotes", 4_000),
    "underlying": ("underlying-missing", "stamps", 390),
    "arbitrage": ("butterfly", "quotes", 4_000),
    "parity": ("parity", "pairs", 2_000),
    "smile": ("iv-range", "quotes", 4_000),
    "greeks": ("delta", "values", 800),
}


def settings_of(folder: Path) -> Settings:
    """Return the settings of a lake in *folder* for the first three sessions of 2024."""
    document = {
        "processing": {
            "start_date": "2024-01-02",
            "end_date": "2024-01-04",
            "output_directory": str(folder / "parquet"),
            "temp_directory": str(folder / "temp"),
            "data_directory": str(folder / "data"),
        },
        "database": {"path": str(folder / "status.db")},
    }
    return Settings.of(config.resolve(document, {}))


def judged(*, spread: float = 0.01, level: float = 0.15, **points: float) -> dict[str, Any]:
    """A passport's `quality` of a day whose parts have 100 points, or those given by *points*."""
    points = dict.fromkeys(CHECKS, 100.0) | points
    return {
        "format": 1,
        "score": 100.0,  # by the weights of another day: nobody reads it
        "parts": {part: {"score": value, "weight": 1} for part, value in points.items()},
        "checks": [_check(part, value) for part, value in points.items()],
        "figures": {"spread_median": spread, "iv_level": level, "rate": 0.05},
    }


def _minutes(points: Mapping[str, float]) -> dict[str, list[int]]:
    """The hits of the checks that found something, all of them at 10:31."""
    hits = {check["check"]: check["hits"] for check in map(_check, points, points.values())}
    return {code: [0] * 61 + [n] + [0] * (STAMPS - 62) for code, n in hits.items() if n}


def _details(quality: Mapping[str, Any], missing: int) -> dict[str, Any]:
    """The `details` of a day whose chains are all like it."""
    points = {part: points["score"] for part, points in quality["parts"].items()}
    minutes = {"first": "09:30", "step_seconds": 60, "hits": _minutes(points)}
    chains = [
        {
            "contracts_missing": ["C 4700", "P 4705"] if not number and missing else [],
            "contracts_explained": [],
            "gaps": [],
            "more": {},
            "quality": _of_chain(quality),
        }
        for number in range(LISTED)
    ]
    return {"minutes": minutes, "chains": chains}


def _of_chain(quality: Mapping[str, Any]) -> dict[str, Any]:
    """A chain's `quality` where every chain is like the day."""
    return {
        "score": 100.0,
        "parts": {part: points["score"] for part, points in quality["parts"].items()},
        "hits": {check["check"]: check["hits"] for check in quality["checks"] if check["hits"]},
        "figures": {"forward": 4712.5, "discount": 0.998},
    }


def _check(part: str, points: float) -> dict[str, Any]:
    """A check that lost so many points, with 5 % as the share at which none is left."""
    code, unit, of = CHECKS[part]
    hits = round(of * 0.05 * (100 - points) / 100)
    return {
        "check": code,
        "part": part,
        "unit": unit,
        "hits": hits,
        "of": of,
        "share": hits / of,
        "score": points,
        "first": "SPX 2024-01-19 C 4700 at 10:31" if hits else None,
        "chains": int(bool(hits)),
        "chains_of": LISTED,
    }


def seal(
    settings: Settings,
    date: dt.date,
    prices: tuple[float, float, float, float] | None = None,
    *,
    rows: int = 4_000,
    seconds: float = 60.0,
    closes: dt.time = dt.time(16),
    **sections: Any,
) -> None:
    """Seal *date* with so many *rows*, of 10 bytes in the Parquet and 200 in a checkpoint.

    *prices* are the underlying's open, high, low and close; *seconds* what the date's run took; *closes* when
    trading ended. *sections* are laid over those of the passport: `quality=judged()` makes a judged day.
    """
    layout, at = settings.layout, dt.datetime(date.year, date.month, date.day, 23, tzinfo=dt.UTC).isoformat()
    content = b"PAR1" + date.isoformat().encode() + b"PAR1"
    checksum = hashlib.sha256(content).hexdigest()
    parquet = files.make_directory(layout.parquet(date).parent) / layout.parquet(date).name
    parquet.write_bytes(content)
    friday = date + dt.timedelta((4 - date.weekday()) % 7)
    chains = [
        {
            "root": "SPX",
            "expiration": (friday + dt.timedelta(7 * number)).isoformat(),
            "state": "whole",
            "witness": "listing",
            "error": None,
            "explained": None,
            "rows": rows // LISTED,
            "checkpoint": {"bytes": 200 * rows // LISTED, "sha256": "0" * 64},
            "attempts": 1,
            "contracts_listed": 25,
            "contracts_received": 25,
        }
        for number in range(LISTED)
    ]
    document = {
        "format": passports.FORMAT,
        "records": columns.DEFAULT,
        "schema_version": columns.KINDS[columns.DEFAULT].version,
        "date": date.isoformat(),
        "session": _session(date, closes),
        "source": {"api": "v3", "greeks_version": "latest"},
        "completeness": {
            "chains_listed": LISTED,
            "chains_received": LISTED,
            "contracts_expected": 100,
            "contracts_received": 100,
            "contracts_explained": 0,
            "contracts_missing": 0,
            "stamps_expected": 39_100,
            "stamps_received": 39_000,
            "stamps_explained": 100,
            "stamps_missing": 0,
            "chains": {"whole": LISTED, "short": 0, "contradicted": 0, "unavailable": 0, "unlisted": 0},
            "complete": True,
            "unknown": [],
            "unknown_more": 0,
        },
        "listing": {"left_out": {}, "silent_roots": {}, "expirations_unknown": {}},
        "second_opinions": {"asked": 0, "unanswered": 0, "habits": {}},
        "rejects": {"rows": 0, "reasons": {}, "duplicates_dropped": 0, "conflicts": 0, "sha256": None},
        "nulls": {},
        "quality": None,
        "underlying": prices and dict(zip(("open", "high", "low", "close"), prices, strict=True)),
        "rows": rows,
        "records_sha256": "1" * 64,
        "written_by": {"spx-data": "0.1.0"},
        "chains": chains,
        "parquet": {"bytes": 10 * rows, "sha256": checksum},
        "sealed_at": at,
    }
    for name, section in sections.items():
        known = document.get(name)
        document[name] = {**known, **section} if isinstance(known, dict) and section else section
    if document["quality"]:
        document["details"] = _details(document["quality"], document["completeness"]["contracts_missing"])
    seals.seal(parquet, checksum, document)
    record(settings, date, journal.STARTED, at=at)
    record(settings, date, journal.SEALED, at=at, rows=rows)
    record(settings, date, journal.FINISHED, at=at, seconds=seconds)


def reseal(layout: Layout, date: dt.date, document: Mapping[str, Any]) -> None:
    """Seal *date* anew with *document* as its passport, and the Parquet and contracts that are there."""
    parquet, beside = layout.parquet(date), layout.contracts(date)
    contracts = reads.digest(beside) if beside.exists() else None
    seals.seal(parquet, reads.digest(parquet), document, contracts)


def _session(date: dt.date, closes: dt.time) -> Mapping[str, Any]:
    opens = dt.datetime.combine(date, dt.time(9, 30), _ZONE).isoformat()
    last = dt.datetime.combine(date, closes, _ZONE).isoformat()
    return {
        "opens": opens,
        "closes": last,
        "early_close": closes < dt.time(16),
        "last_stamp_expected": last,
        "last_stamp_received": last,
        "first_stamp_expected": opens,
        "vendor": None,
        "findings": [],
    }


def fail(settings: Settings, date: dt.date, runs: int = 1) -> None:
    """Let so many *runs* of *date* end in an error."""
    for number in range(runs):
        at = dt.datetime(2024, 12, 1, number, tzinfo=dt.UTC).isoformat()
        error = {"error": "ApiResponseInvalidError", "cause": "the answer is no CSV"}
        record(settings, date, journal.FAILED, at=at, run=f"run-{number}", seconds=3.0, **error)


def record(settings: Settings, date: dt.date, event: str, **fields: object) -> None:
    """Add one event to the journal of *date*."""
    line = {"event": event, "stage": "merge", "run": "run", **fields}
    files.append_line(settings.layout.journal(date), json.dumps(line))
