"""Events are appended whole, and read whatever a crash did to the file."""

import datetime as dt
import json
import threading

import pytest

from spx_data.errors import ApiConnectionError, ApiDataNotFoundError
from spx_data.store import journal
from spx_data.store.journal import Journal


@pytest.fixture
def log(tmp_path):
    return Journal(tmp_path / "2024" / "2024-01-02.jsonl", "download")


def events(log):
    return [event["event"] for event in journal.read(log.path)]


def test_an_event_says_when_where_and_in_which_run(log, monkeypatch):
    monkeypatch.setenv(journal.RUN_VARIABLE, "20240102T120000-7")
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)

    log.record(journal.STAGED, root="SPX", expiration=dt.date(2024, 1, 19), rows=3)

    (event,) = journal.read(log.path)
    at = dt.datetime.fromisoformat(event.pop("at"))
    assert at.utcoffset() == dt.timedelta(0)
    assert before <= at <= dt.datetime.now(dt.UTC)
    assert event == {
        "event": "staged",
        "stage": "download",
        "run": "20240102T120000-7",
        "root": "SPX",
        "expiration": "2024-01-19",
        "rows": 3,
    }


def test_an_event_is_one_line_of_json(log):
    log.record("started", text="two\nlines, a \u2028 and \x85")

    (line,) = log.path.read_bytes().splitlines()
    assert json.loads(line)["text"] == "two\nlines, a \u2028 and \x85"
    assert journal.read(log.path)[0]["text"] == "two\nlines, a \u2028 and \x85"


def test_there_is_nothing_where_there_is_no_journal(log):
    assert journal.read(log.path) == []


@pytest.mark.parametrize(
    "torn",
    [
        '{"at": "2024-01-02T12:00:00.000+00:00", "ev',
        "{",
        "nonsense",
        "\x00" * 20,
        "[1]",
        '{"event": "started"}',
    ],
)
def test_a_torn_line_is_skipped(torn, log):
    log.record("started")
    with log.path.open("a") as stream:
        stream.write(torn + "\n")
    log.record("finished")

    assert events(log) == ["started", "finished"]


@pytest.mark.parametrize("torn", ['{"at": "2024-01-02T12:00:00.000+00:00", "ev', "{"])
def test_a_line_torn_at_the_end_costs_no_later_event(torn, log):
    log.record("started")
    with log.path.open("a") as stream:
        stream.write(torn)
    assert events(log) == ["started"]

    log.record("failed", error="ApiConnectionError")
    log.record("started")

    assert events(log) == ["started", "failed", "started"]


@pytest.mark.parametrize("at", ['"2024-01-02"', '"soon"', "7", "null"])
def test_a_line_like_the_one_before_is_looked_at_all_the_same(at, log):
    log.record("request", url="one")
    line = log.path.read_text()
    moment = json.dumps(json.loads(line)["at"])
    log.path.write_text(line + line.replace(moment, at) + line.replace('"one"', '"two"'))

    assert [event["url"] for event in journal.read(log.path)] == ["one", "two"]


def test_a_line_may_end_as_other_systems_end_it(log):
    log.record("started")
    log.record("finished")
    log.path.write_bytes(log.path.read_bytes().replace(b"\n", b"\r\n") + b"[1,\n2]\n3,4\n")

    assert events(log) == ["started", "finished"]


def test_bytes_that_are_no_text_are_skipped(log):
    log.record("started")
    with log.path.open("ab") as stream:
        stream.write(b"\xff\xfe\n")
    log.record("finished")

    assert events(log) == ["started", "finished"]


def test_lines_of_many_writers_never_mix(log):
    writers = [
        threading.Thread(target=lambda: [log.record("request", url="x" * 3000) for _ in range(25)])
        for _ in range(4)
    ]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert events(log) == ["request"] * 100
    assert len(log.path.read_text().splitlines()) == 100


def test_a_try_that_ends_well_is_started_and_finished(log):
    with log.attempt():
        pass

    assert events(log) == ["started", "finished"]
    assert journal.read(log.path)[1]["seconds"] >= 0


def test_a_try_that_fails_says_why(log):
    error = ApiConnectionError("the line is\n dead", cure="Mend it", base_url="http://127.0.0.1:1")

    with pytest.raises(ApiConnectionError), log.attempt():
        raise error

    failed = journal.read(log.path)[1]
    assert events(log) == ["started", "failed"]
    assert (failed["error"], failed["cause"], failed["cure"]) == (
        "ApiConnectionError",
        "the line is dead",
        "Mend it",
    )
    assert failed["fields"] == {"base_url": "http://127.0.0.1:1"}
    assert "Traceback" in failed["traceback"]


def test_a_try_that_fails_unexpectedly_is_failed_too(log):
    with pytest.raises(ZeroDivisionError), log.attempt():
        1 / 0  # noqa: B018

    assert journal.read(log.path)[1]["error"] == "ZeroDivisionError"


def test_no_data_is_an_answer_and_no_failure(log):
    with pytest.raises(ApiDataNotFoundError), log.attempt():
        raise ApiDataNotFoundError("nothing on 2024-01-01", date=dt.date(2024, 1, 1))

    answer = journal.read(log.path)[1]
    assert events(log) == ["started", "no-data"]
    assert (answer["cause"], answer["date"]) == ("nothing on 2024-01-01", "2024-01-01")


def test_two_runs_have_two_names(monkeypatch):
    one = journal.new_run()
    monkeypatch.setattr(journal.os, "getpid", lambda: 1)

    assert one != journal.new_run()
