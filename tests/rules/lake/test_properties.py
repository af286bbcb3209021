"""What holds for any records and for any tree, whatever is in them."""

import contextlib
import datetime as dt
import json
import shutil
import sqlite3
import tempfile
import types
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import tenacity
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import schemas

from spx_data import config, status
from spx_data.lake import calendar, session_states
from spx_data.market import sessions
from spx_data.settings import Settings
from spx_data.store import files, journal, reads, seals, staging
from spx_data.store.names import Checkpoint
from spx_data.store.parquet import DayWriter
from spx_data.store.staging import Receipt

DAY = dt.date(2024, 1, 2)
SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Records ------------------------------------------------------------------------------------------------

CHAINS = [("SPX", dt.date(2024, 1, 19)), ("SPXW", dt.date(2024, 1, 2)), ("SPXW", dt.date(2024, 1, 19))]
MOMENT = st.integers(1_704_205_800_000, 1_704_229_200_000)
DOUBLE = st.floats(allow_nan=False, allow_infinity=False)
RECORD = st.fixed_dictionaries(
    {
        "strike": st.floats(0.001, 1e6),
        "right": st.sampled_from("CP"),
        "timestamp": MOMENT,
        **dict.fromkeys(schemas.MEASURES, DOUBLE),
        "underlying_timestamp": MOMENT,
        "underlying_price": DOUBLE,
    }
)


@given(st.dictionaries(st.sampled_from(CHAINS), st.lists(RECORD, min_size=1, max_size=9), min_size=1))
@SLOW
def test_any_records_are_the_same_after_ndjson_and_parquet(chains):
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "day.parquet"
        with files.atomic(target) as stream, DayWriter(stream, schemas.GREEKS, {}) as writer:
            for number, (chain, rows) in enumerate(sorted(chains.items())):
                checkpoint = Checkpoint(Path(folder) / f"{number}.ndjson", Path(folder) / f"{number}.json")
                writer.add(
                    *chain, [schemas.GREEKS.table(DAY, *chain, through_ndjson(checkpoint, *chain, rows))]
                )
            writer.close()
        columns = ", ".join(f'"{name}"' for name in schemas.RECORD.names)
        for name in ("timestamp", "underlying_timestamp"):
            columns = columns.replace(f'"{name}"', f'epoch_ms("{name}")')
        # DuckDB reads what we wrote, and is not what wrote it.
        found = duckdb.sql(f'SELECT date, root, expiration, {columns} FROM "{target}"').fetchall()

    # repr tells -0.0 from 0.0 and every double from its neighbours.
    meant = [
        (DAY, *chain, *(row[name] for name in schemas.RECORD.names))
        for chain, rows in chains.items()
        for row in rows
    ]
    assert Counter(map(repr, found)) == Counter(map(repr, meant))


def through_ndjson(checkpoint, root, expiration, rows):
    batch = pa.RecordBatch.from_pylist(rows, schema=schemas.RECORD)
    contracts, count, size, checksum = staging.write_records(checkpoint, [batch])
    receipt = Receipt(root, expiration, "", contracts, count, size, checksum, 1, 0.0)
    return staging.read_records(checkpoint, receipt)


# Trees --------------------------------------------------------------------------------------------------

NOW = dt.datetime(2024, 1, 8, 18, tzinfo=dt.UTC)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
EVENTS = [value for name, value in vars(journal).items() if name.isupper() and isinstance(value, str)]
GOOD_EVENT = st.fixed_dictionaries(
    {
        "at": st.floats(0, 500).map(lambda days: (NOW - dt.timedelta(days)).isoformat()),
        "event": st.sampled_from(EVENTS),
        "stage": st.sampled_from(["list", "download", "merge", "verify"]),
    },
    optional={
        "run": st.sampled_from(["a", "b"]) | ANYTHING,
        "seconds": st.floats(0, 100) | ANYTHING,
        "error": st.just("ApiResponseInvalidError") | ANYTHING,
        "cause": st.text() | ANYTHING,
        "expiration": st.just("2024-01-19") | ANYTHING,
        "root": st.just("SPX") | ANYTHING,
        "attempt": st.integers(1, 3) | ANYTHING,
        "damages": ANYTHING,
        "reason": ANYTHING,
        "surroundings": ANYTHING,
        "traceback": ANYTHING,
    },
)
LINE = st.one_of(GOOD_EVENT.map(json.dumps), ANYTHING.map(json.dumps), st.text())
FILE = st.binary(max_size=200) | ANYTHING.map(lambda value: json.dumps(value).encode())
RECEIPT = st.fixed_dictionaries(
    {
        "root": st.just("SPX") | ANYTHING,
        "expiration": st.just("2024-01-19") | ANYTHING,
        "listing": st.just("x") | ANYTHING,
        "contracts": st.integers(0, 9) | ANYTHING,
        "rows": st.integers(0, 9) | ANYTHING,
        "bytes": st.integers(0, 9) | ANYTHING,
        "sha256": st.none() | ANYTHING,
        "attempts": st.integers(0, 9) | ANYTHING,
        "seconds": st.floats(0, 9) | ANYTHING,
    }
).map(lambda value: json.dumps(value).encode())
EVIDENCE = st.fixed_dictionaries(
    {},
    optional={
        "journal": st.lists(LINE, max_size=12).map(lambda lines: "\n".join(lines).encode(errors="replace")),
        "listing": FILE,
        "manifest": FILE,
        "receipt": FILE | RECEIPT,
        "parquet": FILE,
        "sidecar": FILE,
        "passport": FILE,
        "quarantine": FILE,
        "sealed": st.just(b"PAR1"),
    },
)
DATES = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8)] + [dt.date(2024, 1, 6)]  # the last is no session


@pytest.fixture(scope="module")
def wanted():
    """The sessions; the calendar is slow."""
    return sessions.between("NYSE", DATES[0], DATES[4])


@given(tree=st.dictionaries(st.sampled_from(DATES), EVIDENCE))
@SLOW
def test_any_tree_has_one_state_for_each_session_and_one_status_log(tree, wanted, monkeypatch):
    monkeypatch.setattr(calendar, "wanted", lambda *_: wanted)
    monkeypatch.setattr(tenacity.nap, "time", types.SimpleNamespace(sleep=lambda _: None))
    folder = Path(tempfile.mkdtemp())
    try:
        lake = lake_in(folder)
        for date, evidence in tree.items():
            plant(lake.layout, date, evidence)

        states = session_states.states(lake, NOW)
        status.rebuild(lake, NOW)
        first = rows_of(lake.layout.database)
        lake.layout.database.unlink()
        overview = status.rebuild(lake, NOW)

        assert [session.date for session in states] == DATES[:5]
        assert states == session_states.states(lake, NOW)
        assert rows_of(lake.layout.database) == first
        log = {row[0]: row[2] for row in first["processing_log"]}
        told = {session.date.isoformat(): state.kind.value for session, state in states.items()}
        assert told.items() <= log.items()
        assert set(log) - {date.isoformat() for date in DATES[:5]} <= {"2024-01-06"}
        assert {line.date.isoformat(): line.state.kind.value for line in overview.dates} == log
        sealed = [date for date in sorted(DATES) if seals.is_sealed(lake.layout.parquet(date))]
        assert session_states.sealed_dates(lake.layout) == sealed
        assert not set(session_states.missing_dates(states)) & set(sealed)
    finally:
        shutil.rmtree(folder)


def lake_in(folder):
    document = {
        "processing": {
            "start_date": "2024-01-02",
            "output_directory": str(folder / "parquet"),
            "temp_directory": str(folder / "temp"),
            "data_directory": str(folder / "data"),
        },
        "database": {"path": str(folder / "status.db")},
    }
    return Settings.of(config.resolve(document, {}))


def plant(layout, date, evidence):
    places = {
        "journal": layout.journal(date),
        "listing": layout.listing(date),
        "manifest": layout.manifest(date),
        "receipt": layout.checkpoint(date, "SPX", dt.date(2024, 1, 19)).receipt,
        "parquet": layout.parquet(date),
        "sidecar": layout.sidecar(date),
        "passport": layout.passport(date),
        "quarantine": layout.quarantine(date) / "20240101T000000Z" / "report.json",
        "sealed": layout.parquet(date),
    }
    for name, content in evidence.items():
        places[name].parent.mkdir(parents=True, exist_ok=True)
        places[name].write_bytes(content)
        if name == "sealed":
            seals.seal(places[name], reads.digest(places[name]), {})


def rows_of(database):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}
