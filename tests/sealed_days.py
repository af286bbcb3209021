"""Sealed days made by writing their files: what lists, orders and estimates read, without a download."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

from spx_data import files, journal, seals, vouched
from spx_data.settings import Settings

LISTED = 4  # chains of a day


def seal(
    settings: Settings,
    date: dt.date,
    prices: tuple[float, float, float, float] | None = None,
    *,
    rows: int = 4_000,
    seconds: float = 60.0,
) -> None:
    """Seal *date* with so many *rows*, of 10 bytes in the Parquet and 200 in a checkpoint.

    *prices* are the underlying's open, high, low and close; *seconds* what the date's run took.
    """
    layout, at = settings.layout, dt.datetime(date.year, date.month, date.day, 23, tzinfo=dt.UTC).isoformat()
    content = b"PAR1" + date.isoformat().encode() + b"PAR1"
    checksum = hashlib.sha256(content).hexdigest()
    parquet = files.make_directory(layout.parquet(date).parent) / layout.parquet(date).name
    parquet.write_bytes(content)
    chains = [
        {
            "root": "SPX",
            "expiration": (date + dt.timedelta(7 * number)).isoformat(),
            "explained": None,
            "rows": rows // LISTED,
            "checkpoint": {"bytes": 200 * rows // LISTED, "sha256": "0" * 64},
            "attempts": 1,
        }
        for number in range(LISTED)
    ]
    document = {
        "format": 2,
        "date": date.isoformat(),
        "completeness": {"contracts_received": 100, "contracts_missing": 0},
        "underlying": prices and dict(zip(("open", "high", "low", "close"), prices, strict=True)),
        "rows": rows,
        "chains": chains,
        "parquet": {"bytes": 10 * rows, "sha256": checksum},
    }
    vouched.write(layout.passport(date), document)
    seals.seal(parquet, checksum)
    record(settings, date, journal.STARTED, at=at)
    record(settings, date, journal.SEALED, at=at, rows=rows)
    record(settings, date, journal.FINISHED, at=at, seconds=seconds)


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
