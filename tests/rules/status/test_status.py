"""The status log: a row for every session, whatever became of it, the same however often it is rebuilt."""

import contextlib
import datetime as dt
import io
import sqlite3
import types

import pytest
import tenacity
from rich.console import Console
from tests.rules.conftest import Date

from spx_data import status
from spx_data.cli.overview import print_overview
from spx_data.errors import (
    ApiConnectionError,
    ApiDataNotFoundError,
    DatabaseConnectionError,
    DatabaseSchemaError,
    DatabaseTransactionError,
    SpxDataError,
)
from spx_data.lake.session_states import Kind, State
from spx_data.status import Facts, Overview, Summary, database
from spx_data.store import journal

SEALED, FAILED, PARTIAL, MISSING, NO_DATA = (dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8))


@pytest.fixture
def lake_of_all_kinds(simulated, lake):
    """Return the settings of a lake with one session of each kind, and the moment to look at it."""
    terminal = simulated(today=MISSING)
    settings = lake(terminal.url, api="v3", start_date="2024-01-02", end_date="2024-01-08")
    Date(settings, SEALED).fill()
    Date(settings, PARTIAL).fetch()
    Date(settings, PARTIAL).download()
    with pytest.raises(ApiDataNotFoundError):
        Date(settings, NO_DATA).fetch()
    Date(settings, FAILED).fetch()
    terminal.set_status("DISCONNECTED")
    with pytest.raises(ApiConnectionError):
        Date(settings, FAILED).download()
    return settings, dt.datetime.now(dt.UTC)


def rows(settings, query):
    with contextlib.closing(sqlite3.connect(settings.layout.database)) as connection:
        return connection.execute(query).fetchall()


def dump(settings):
    with contextlib.closing(sqlite3.connect(settings.layout.database)) as connection:
        return list(connection.iterdump())


def test_every_session_has_one_row_with_its_kind(lake_of_all_kinds):
    settings, moment = lake_of_all_kinds

    overview = status.rebuild(settings, moment)

    assert rows(settings, "SELECT date, status, kind FROM processing_log ORDER BY date") == [
        ("2024-01-02", "success", "sealed"),
        ("2024-01-03", "failed", "failed"),
        ("2024-01-04", "processing", "partial"),
        ("2024-01-05", "queued", "missing"),
        ("2024-01-08", "failed", "no-data"),
    ]
    assert [line.state.kind for line in overview.dates] == [
        Kind.SEALED,
        Kind.FAILED,
        Kind.PARTIAL,
        Kind.MISSING,
        Kind.NO_DATA,
    ]


def test_a_rebuilt_log_has_the_same_rows(lake_of_all_kinds):
    settings, moment = lake_of_all_kinds
    status.rebuild(settings, moment)
    before = dump(settings)
    settings.layout.database.unlink()

    status.rebuild(settings, moment)

    assert dump(settings) == before
    assert len(before) > 30


def test_a_failed_date_says_what_and_how_often(lake_of_all_kinds):
    settings, moment = lake_of_all_kinds
    status.rebuild(settings, moment)

    ((kind, message, tries, started, completed),) = rows(
        settings,
        "SELECT error_type, error_message, retry_count, started_at, completed_at "
        "FROM processing_log WHERE date = '2024-01-03'",
    )

    assert kind == "TerminalDisconnectedError"
    assert "no connection" in message
    assert tries == 1
    assert started < completed
    errors = rows(settings, "SELECT error_type, stack_trace, stage FROM error_log WHERE date = '2024-01-03'")
    assert {error[0] for error in errors} == {"TerminalDisconnectedError"}
    assert any("Traceback" in (error[1] or "") for error in errors)
    assert {error[2] for error in errors} == {"download"}


def test_a_later_seal_resolves_earlier_errors(simulated, lake):
    terminal = simulated()
    settings = lake(terminal.url, end_date="2024-01-02")
    date = Date(settings, SEALED)
    terminal.set_status("DISCONNECTED")
    with pytest.raises(SpxDataError):
        date.fetch()
    terminal.set_status("CONNECTED")
    date.fill()

    status.rebuild(settings, dt.datetime.now(dt.UTC))

    resolved = rows(settings, "SELECT resolved_at, resolution_method FROM error_log")
    sealed = rows(settings, "SELECT completed_at FROM processing_log")[0][0]
    assert resolved
    assert {at for at, _ in resolved} == {date.events(journal.SEALED)[0]["at"]}
    assert sealed >= resolved[0][0]


def test_staged_expirations_are_listed_before_the_seal_and_after(lake_of_all_kinds):
    settings, moment = lake_of_all_kinds
    status.rebuild(settings, moment)

    found = rows(
        settings, "SELECT date, status, count(*) FROM expiration_log GROUP BY date, status ORDER BY date"
    )

    assert ("2024-01-02", "success", 4) in found
    assert ("2024-01-04", "staged", 4) in found
    assert any(date == "2024-01-03" and kind == "failed" for date, kind, _ in found)
    failed = "SELECT attempts FROM expiration_log WHERE status = 'failed'"
    assert {attempts for (attempts,) in rows(settings, failed)} == {1}


def test_the_table_names_failures_with_their_reason(lake_of_all_kinds):
    settings, moment = lake_of_all_kinds
    text = io.StringIO()

    print_overview(status.overview(settings, moment), settings, Console(file=text, width=200))

    shown = text.getvalue()
    assert "failed: the terminal did not answer" in shown
    assert "no-data: the source lists no contracts" in shown
    assert "1 sealed, 1 missing, 1 partial, 1 failed, 1 no-data" in shown


@pytest.fixture
def no_waits(monkeypatch):
    monkeypatch.setattr(tenacity.nap, "time", types.SimpleNamespace(sleep=lambda _: None))


def test_a_database_that_cannot_be_opened_is_one_line_after_three_tries(
    lake_of_all_kinds, monkeypatch, no_waits
):
    settings, moment = lake_of_all_kinds
    tries = []

    def refuse(*_, **__):
        tries.append(1)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(sqlite3, "connect", refuse)

    with pytest.raises(DatabaseConnectionError, match="cannot be opened: disk I/O error"):
        status.rebuild(settings, moment)
    assert len(tries) == 3
    assert list(settings.layout.database.parent.glob("*")) == []


def test_a_database_that_cannot_be_written_is_one_line(lake_of_all_kinds, monkeypatch, no_waits):
    settings, moment = lake_of_all_kinds

    def refuse(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(database, "_insert", refuse)

    with pytest.raises(DatabaseTransactionError, match="cannot be written: database or disk is full"):
        status.rebuild(settings, moment)
    assert list(settings.layout.database.parent.glob("*")) == []


@pytest.mark.parametrize("kind", ["text", "another program's database"])
def test_somebody_elses_file_is_never_replaced(kind, lake_of_all_kinds):
    settings, moment = lake_of_all_kinds
    path = settings.layout.database
    path.parent.mkdir(exist_ok=True)
    if kind == "text":
        path.write_text("thetadata: {}\n")
    else:
        with contextlib.closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE trades (id INTEGER)")
    before = path.read_bytes()

    with pytest.raises(DatabaseSchemaError, match="left alone") as caught:
        status.rebuild(settings, moment)

    assert path.read_bytes() == before
    assert caught.value.cure


def test_a_database_of_ours_is_replaced(lake_of_all_kinds):
    settings, moment = lake_of_all_kinds
    status.rebuild(settings, moment)
    before = settings.layout.database.stat().st_ino

    status.rebuild(settings, moment)

    assert settings.layout.database.stat().st_ino != before


def test_many_dates_show_the_newest_and_every_failed_one(lake, simulated):
    terminal = simulated()
    settings = lake(terminal.url, start_date="2024-01-02", end_date="2024-03-28")
    terminal.set_status("DISCONNECTED")
    with pytest.raises(SpxDataError):
        Date(settings, SEALED).fetch()
    text = io.StringIO()

    print_overview(
        status.overview(settings, dt.datetime(2024, 6, 3, tzinfo=dt.UTC)),
        settings,
        Console(file=text, width=200),
    )

    assert "2024-01-02" in text.getvalue()
    assert "2024-03-28" in text.getvalue()
    assert "2024-02-01" not in text.getvalue()
    assert "older dates" in text.getvalue()


def test_a_sealed_day_that_is_not_good_says_so(lake):
    parts = {"parts": {"greeks": 60.0}, "lost": [], "complete": True}
    line = Summary(SEALED, State(Kind.SEALED), Facts(contracts_missing=3, quality=parts))
    text = io.StringIO()

    print_overview(Overview((line,)), lake(), Console(file=text, width=200))

    assert "sealed, 3 contracts missing, score 60.0" in text.getvalue()


def test_a_reason_with_brackets_is_shown_as_it_is(lake):
    state = State(Kind.FAILED, True, "[Errno 28] No space left on device: [/x]", 1, "OSError")
    line = Summary(SEALED, state, Facts())
    text = io.StringIO()

    print_overview(Overview((line,)), lake(), Console(file=text, width=200))

    assert "failed: OSError: [Errno 28] No space left on device: [/x]" in text.getvalue()
