"""`spx-data health` and `status` over lakes of files and simulated terminals: rows, exit codes, formats."""

import contextlib
import datetime as dt
import json
import os
import shutil
import sqlite3
import threading
import time
import types

import psutil
import pytest
import yaml
from click.testing import CliRunner
from tests import profiled
from tests.rules.conftest import Date

from spx_data import config, status
from spx_data.cli import commands
from spx_data.cli.overview import print_outcome
from spx_data.errors import PermissionDeniedError
from spx_data.ops import health
from spx_data.settings import Settings
from spx_data.sources import access
from spx_data.status import database
from spx_data.store import dataset, files, limits, locks, reads
from spx_data.store.journal import Journal

MOMENT = "2024-01-08T08:00:00-05:00"
SEALED = [dt.date(2024, 1, 2), dt.date(2024, 1, 3)]


class Project:
    """A project folder that is the working directory, with the command called in this process."""

    def __init__(self, folder):
        self.folder = folder
        self.sections = {
            "thetadata": {"base_url": "http://127.0.0.1:1"},
            "processing": {"start_date": "2024-01-02", "end_date": "2024-01-05"},
        }
        (folder / "config").mkdir()

    def hold_two_sessions(self, terminal):
        self.sections["thetadata"] = {"base_url": terminal.url}
        self.sections["processing"]["end_date"] = SEALED[-1].isoformat()

    def write(self):
        (self.folder / "config" / "config.yaml").write_text(yaml.safe_dump(self.sections))

    @property
    def settings(self):
        return Settings.of(config.resolve(self.sections, {}))

    def call(self, *arguments):
        self.write()
        return CliRunner().invoke(commands, arguments)

    def checks(self, *arguments):
        """The rows of `health --format json` by their name."""
        rows = json.loads(self.call("health", "--format", "json", *arguments).stdout)
        return {row["check"]: row for row in rows}

    def status(self, *arguments):
        return json.loads(self.call("status", "--format", "json", *arguments).stdout)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a project on a machine with half of everything free."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPX_DATA_NOW", MOMENT)
    monkeypatch.setattr(reads, "free_bytes", lambda _: 5 * 10**11)
    monkeypatch.setattr(reads, "total_bytes", lambda _: 10**12)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(percent=50.0, total=16e9))
    monkeypatch.setattr(limits, "files_allowed", lambda: 1024)
    return Project(tmp_path)


@pytest.fixture(scope="module")
def sealed_lake(tmp_path_factory, terminals):
    """Return a folder with a lake of two sealed sessions, to be copied."""
    folder = tmp_path_factory.mktemp("sealed")
    mask = os.umask(0o077)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        project = Project(folder)
        project.hold_two_sessions(terminals["v3"])
        for date in SEALED:
            Date(project.settings, date).fill()
        status.rebuild(project.settings, dt.datetime.fromisoformat(MOMENT))
    os.umask(mask)
    return folder


@pytest.fixture
def filled(project, sealed_lake, terminals):
    """Return a project whose two sessions are sealed, with its terminal running, which was probed."""
    shutil.copytree(sealed_lake / "data", project.folder / "data")
    project.hold_two_sessions(terminals["v3"])
    profiled.write(project.settings)
    return project


# The whole ----------------------------------------------------------------------------------------------

ALL = [
    "settings",
    "terminal",
    "request-limit",
    "profile",
    "disk",
    "memory",
    "open-files",
    "permissions",
    "volumes",
    "data-set",
    "strangers",
    "database",
    "calendar",
    "tree",
    "run",
    "staging",
    "logs",
    "journals",
    "outage",
    "failure-rate",
    "consecutive-missing",
    "holes",
    "connectivity",
    "parked",
    "corrupt",
    "completeness",
    "quality",
    "habits",
    "rejects",
    "outliers",
]


def test_a_healthy_lake_is_ok_in_every_check(filled):
    result = filled.call("health", "--format", "json")

    rows = json.loads(result.stdout)
    assert {row["check"]: row["found"] for row in rows if row["level"] != "ok"} == {}
    assert [row["check"] for row in rows] == ALL
    assert result.exit_code == 0


def test_the_fields_of_a_row_are_always_the_same(project):
    rows = json.loads(project.call("health", "--format", "json").stdout)

    fields = ["check", "level", "found", "cure", "value", "limit", "unit", "dates"]
    assert all(list(row) == fields for row in rows)
    assert all(row["cure"] for row in rows if row["level"] != "ok")


def test_a_lake_before_its_first_run_has_this_health(project):
    (project.folder / "data").mkdir(mode=0o700)

    rows = json.loads(project.call("health", "--format", "json").stdout)

    assert rows[1]["level"] == "fail"
    assert [
        (row["check"], row["level"], row["found"], row["cure"], row["value"], row["limit"], row["unit"])
        for row in rows[2:]
    ] == [
        (
            "request-limit",
            "ok",
            "4 at once; subscriptions allow Free 1, Value 2, Standard 4, Pro 8",
            None,
            4,
            8,
            "requests",
        ),
        (
            "profile",
            "notice",
            "this terminal was never probed (at most 15 requests, about a minute)",
            "spx-data probe",
            None,
            None,
            None,
        ),
        ("disk", "ok", "output, temp and data: 50 % free (500.0 GB)", None, 50, 20, "% free"),
        ("memory", "ok", "50 % of 16.0 GB in use", None, 50, 90, "% used"),
        ("open-files", "ok", "a process may open 1,024 files, a run needs 134", None, 1024, 134, "files"),
        (
            "permissions",
            "ok",
            "output, temp, data and database can be written to; readable by you alone",
            None,
            None,
            None,
            None,
        ),
        (
            "volumes",
            "ok",
            "the data directory locks, and every volume flushes and renames",
            None,
            None,
            None,
            None,
        ),
        ("data-set", "ok", "not written yet: the first seal writes it", None, None, None, None),
        ("strangers", "ok", "no foreign file in the output directory", None, 0, None, "files"),
        ("database", "ok", "none yet: the next run writes it", None, None, None, None),
        (
            "calendar",
            "ok",
            "NYSE: last finished session 2024-01-05, next 2024-01-08, known until 2025-01-05",
            None,
            363,
            None,
            "days ahead",
        ),
        ("tree", "ok", "4 dates: 4 missing", None, 4, None, "dates"),
        ("run", "ok", "idle", None, None, None, None),
        ("staging", "ok", "no leftover checkpoints", None, 0, None, "bytes"),
        ("logs", "ok", "0.0 MB of logs, at most 1.0 GB are kept", None, 0, 1e9, "bytes"),
        ("journals", "ok", "all of them can be read", None, 0, None, "files"),
        ("outage", "ok", "no date waits for a terminal that was gone", None, 0, 0, "dates"),
        (
            "failure-rate",
            "ok",
            "0 of 0 dates worked on in the last 30 days failed (0.0 %)",
            None,
            0,
            5,
            "%",
        ),
        (
            "consecutive-missing",
            "warn",
            "not filled yet: 4 sessions so far, 2024-01-02 to 2024-01-05",
            "spx-data process-gaps",
            0,
            3,
            "sessions",
        ),
        (
            "holes",
            "ok",
            "no gap between sealed dates",
            None,
            0,
            0,
            "dates",
        ),
        (
            "connectivity",
            "ok",
            "0 of 0 requests of the last 7 days failed (0.0 %)",
            None,
            0,
            10,
            "%",
        ),
        ("parked", "ok", "no date is parked", None, 0, 0, "dates"),
        (
            "corrupt",
            "ok",
            "no damage is known (spx-data verify --all looks at every byte)",
            None,
            0,
            0,
            "dates",
        ),
        ("completeness", "ok", "nothing lacking in 0 sealed dates", None, 0, 0, "dates"),
        ("quality", "ok", "0 dates judged, none below 95", None, None, 95, "points"),
        (
            "habits",
            "ok",
            "nothing in this source that the model does not explain",
            None,
            0,
            None,
            "habits",
        ),
        ("rejects", "ok", "no bad record in the newest 0 dates", None, 0, None, "records"),
        ("outliers", "ok", "none of the newest 0 dates stands out", None, None, 6, "z"),
    ]


@pytest.mark.parametrize(
    "spoil, strict, code",
    [(None, False, 0), (None, True, 0), ("warn", False, 0), ("warn", True, 1), ("fail", False, 1)],
)
def test_the_exit_code_is_what_a_monitor_needs(spoil, strict, code, filled, nobody):
    if spoil == "warn":
        filled.sections["thetadata"]["max_concurrent_requests"] = 64
    if spoil == "fail":
        filled.sections["thetadata"]["base_url"] = nobody()

    result = filled.call("health", *(["--strict"] if strict else []))

    assert result.exit_code == code


def test_a_person_reads_the_cure_below_what_was_found(project):
    result = project.call("health")

    lines = result.stdout.splitlines()
    number = next(n for n, line in enumerate(lines) if line.startswith("fail    terminal"))
    assert "no Theta Terminal answers at http://127.0.0.1:1" in lines[number]
    assert "→ Start the Theta Terminal" in lines[number + 1]
    assert lines[-1] == "27 ok, 1 notice, 1 warn, 1 fail"


def test_health_as_csv_has_a_header_and_a_line_for_each_check(project):
    lines = project.call("health", "--format", "csv").stdout.splitlines()

    assert lines[0] == "check,level,found,cure,value,limit,unit,dates"
    assert len(lines) == 1 + len(ALL)


def test_a_broken_check_hides_no_other(filled, monkeypatch):
    def broken(_):
        raise RuntimeError("boom")

    monkeypatch.setattr(reads, "total_bytes", broken)

    checks = filled.checks()

    assert list(checks) == ALL
    assert checks["disk"]["level"] == "fail"
    assert checks["disk"]["found"] == "could not be checked: RuntimeError: boom"
    assert checks["memory"]["level"] == "ok"


def test_health_leaves_the_tree_as_it_was(filled):
    def tree():
        found = [path for path in filled.folder.rglob("*") if "cache" not in path.parts]
        return {path: path.stat().st_mtime_ns for path in found if path.is_file()}

    filled.call("health")  # writes config.yaml, as every call here does
    before = {path: at for path, at in tree().items() if path.name != "config.yaml"}
    filled.call("health")

    assert {path: at for path, at in tree().items() if path.name != "config.yaml"} == before


# Settings -----------------------------------------------------------------------------------------------


def test_without_a_start_date_what_needs_none_is_looked_at(filled):
    del filled.sections["processing"]["start_date"]

    checks = filled.checks()

    assert checks["settings"]["level"] == "fail"
    assert "start_date: 2024-01-02" in checks["settings"]["cure"]
    assert {name: row["level"] for name, row in checks.items() if name != "settings"} == dict.fromkeys(
        [
            "terminal",
            "request-limit",
            "profile",
            "disk",
            "memory",
            "open-files",
            "permissions",
            "volumes",
            "data-set",
            "strangers",
            "database",
            "run",
            "logs",
            "journals",
        ],
        "ok",
    )


@pytest.mark.parametrize(
    "section, content",
    [
        ("processing", {"intervall": "1m"}),
        ("processing", None),
        ("thetadata", {"base_url": "http://localhost:1"}),
    ],
)
def test_wrong_settings_are_a_failed_check_and_memory_is_still_looked_at(section, content, project):
    project.sections[section] = content

    result = project.call("health", "--format", "json")

    rows = json.loads(result.stdout)
    assert [(row["check"], row["level"]) for row in rows] == [("settings", "fail"), ("memory", "ok")]
    assert result.exit_code == 1


def test_no_config_file_is_a_failed_check(project, monkeypatch):
    elsewhere = project.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    (check, memory) = health.examine([config.FILE], dt.datetime.fromisoformat(MOMENT))

    assert "there is no config file" in check.found
    assert "begin one here" in check.cure
    assert memory.level is health.Level.OK


def test_a_calendar_that_nobody_knows_fails_the_tree_alone(project):
    project.sections["processing"]["calendar"] = "MOON"

    checks = project.checks()

    assert checks["tree"]["level"] == "fail"
    assert "there is no calendar 'MOON'" in checks["tree"]["found"]
    assert "parked" not in checks
    assert checks["disk"]["level"] == "ok"


# The terminal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_connected_terminal_says_its_api_and_its_latency(api, project, terminals):
    project.sections["thetadata"] = {"base_url": terminals[api].url}

    row = project.checks()["terminal"]

    assert row["level"] == "ok"
    assert f"connected, API {api} at {terminals[api].url}" in row["found"]
    assert 0 < row["value"] < 1000
    assert row["unit"] == "ms"


@pytest.mark.parametrize("word", ["UNVERIFIED", "DISCONNECTED", "ERROR"])
def test_a_terminal_without_its_server_fails_in_its_own_word(word, project, simulated):
    project.sections["thetadata"] = {"base_url": simulated(status=word).url}

    row = project.checks()["terminal"]
    terminal = project.status()["terminal"]

    assert row["level"] == "fail"
    assert row["found"].startswith(word.lower())
    assert (terminal["status"], terminal["api"]) == (word.lower(), "v3")


def test_no_terminal_is_absent(project, nobody):
    project.sections["thetadata"] = {"base_url": nobody()}

    terminal = project.status()["terminal"]

    assert (terminal["status"], terminal["api"], terminal["latency_ms"]) == ("absent", None, None)
    assert "Start the Theta Terminal" in terminal["error"]


def test_a_terminal_that_speaks_the_other_api_is_named_so(project, terminals):
    project.sections["thetadata"] = {"base_url": terminals["v3"].url, "api": "v2"}

    assert project.status()["terminal"]["status"] == "wrong-api"
    assert project.checks()["terminal"]["level"] == "fail"


@pytest.mark.parametrize("code", [200, 404, 571])
def test_something_else_at_the_address_is_strange(code, project, wire):
    wire.says("<html>", content_type="text/html", status=code)
    project.sections["thetadata"] = {"base_url": wire.url}

    assert project.status()["terminal"]["status"] == "strange"


@pytest.mark.parametrize("command, seconds", [(("status",), 1), (("health",), 2)])
def test_a_terminal_that_hangs_is_silent_and_hangs_nobody(command, seconds, project, wire):
    given_up = threading.Event()
    wire.sends(b"", until=given_up)
    project.sections["thetadata"] = {"base_url": wire.url}
    project.call("status", "--offline")  # the calendar is known from here on
    begun = time.monotonic()

    result = project.call(*command)

    took = time.monotonic() - begun
    given_up.set()
    assert f"did not answer within {seconds} s" in result.stdout
    assert seconds <= took < 50  # nobody is hung for as long as the terminal would


def test_a_defect_in_asking_is_told(project, monkeypatch):
    def broken(*_):
        raise RuntimeError("boom")

    monkeypatch.setattr(access, "sight", broken)

    assert project.checks()["terminal"]["found"] == "the terminal could not be asked: RuntimeError: boom"


# The lake -----------------------------------------------------------------------------------------------


def test_another_data_set_is_a_failure_that_names_the_keys(filled):
    filled.sections["processing"]["interval"] = "5m"

    row = filled.checks()["data-set"]

    assert row["level"] == "fail"
    assert "interval is 1m there and 5m now" in row["found"]


def test_a_v2_lake_agrees_with_the_settings_whether_its_terminal_runs_or_not(project, terminals, nobody):
    project.sections["thetadata"] = {"base_url": terminals["v2"].url}
    settings = project.settings
    dataset.claim(settings.layout, settings.identity("1"))

    running = project.checks()["data-set"]["level"]
    project.sections["thetadata"] = {"base_url": nobody()}
    gone = project.checks()["data-set"]["level"]

    assert (running, gone) == ("ok", "ok")


def test_a_lost_identity_is_a_warning_once_dates_are_sealed(filled):
    filled.settings.layout.dataset.unlink()

    row = filled.checks()["data-set"]

    assert row["level"] == "warn"
    assert "2 dates sealed" in row["found"]


@pytest.fixture
def damaged_log(filled):
    """Return a project with a status log of which a page is zeros."""
    path = filled.settings.layout.database
    content = bytearray(path.read_bytes())
    page = int.from_bytes(content[16:18], "big")  # its size, as SQLite's header has it
    content[page : 2 * page] = bytes(page)
    path.write_bytes(content)
    return filled


@pytest.fixture
def unwritten(monkeypatch):
    """Let nobody write the status log."""

    def refuse(*_):
        raise PermissionDeniedError("no")

    monkeypatch.setattr(database, "changing", refuse)


def test_a_damaged_status_log_is_made_anew_by_whoever_looks(damaged_log):
    row = damaged_log.checks()["database"]

    assert row["level"] == "ok"
    assert row["found"].startswith("2 dates, written ")


def test_a_damaged_status_log_that_cannot_be_written_is_a_failure_with_its_cure(damaged_log, unwritten):
    row = damaged_log.checks()["database"]

    assert row["level"] == "fail"
    assert "is damaged" in row["found"]
    assert row["cure"].endswith("spx-data status")


def test_somebody_elses_database_is_a_failure(filled):
    path = filled.settings.layout.database
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE trades (id INTEGER)")

    assert "no status log of spx-data" in filled.checks()["database"]["found"]


def test_looking_at_the_status_log_changes_nothing_beside_it(filled):
    before = sorted(path.name for path in filled.settings.layout.database.parent.iterdir())

    filled.checks()

    assert sorted(path.name for path in filled.settings.layout.database.parent.iterdir()) == before


def test_a_status_log_that_lacks_a_date_and_cannot_be_written_is_a_warning(filled, unwritten):
    path = filled.settings.layout.database
    with contextlib.closing(sqlite3.connect(path)) as log, log:
        log.execute("DELETE FROM processing_log WHERE date = '2024-01-03'")
    database._seal(path)

    row = filled.checks()["database"]

    assert (row["level"], row["value"], row["cure"]) == ("warn", 1, "spx-data status")
    assert row["found"].endswith("1 sealed date is not in it: 2024-01-03")


def test_a_calendar_that_cannot_be_kept_is_a_warning(project, monkeypatch):
    monkeypatch.setattr("spx_data.lake.calendar.known_until", lambda _: None)

    row = project.checks()["calendar"]

    assert row["level"] == "warn"
    assert "no copy is kept" in row["found"]


def test_a_calendar_that_ends_is_a_failure(project, monkeypatch):
    monkeypatch.setattr("spx_data.lake.calendar.known", lambda *_: [])

    row = project.checks()["calendar"]

    assert row["level"] == "fail"
    assert "no session in the 14 days after 2024-01-08" in row["found"]


def test_checkpoints_left_of_sealed_dates_are_a_warning(filled):
    left = filled.settings.layout.staging(SEALED[1])
    left.mkdir(parents=True, exist_ok=True)
    (left / "SPX-2024-01-19.ndjson").write_bytes(bytes(1000))

    row = filled.checks()["staging"]

    assert (row["level"], row["value"], row["dates"]) == ("warn", 1000, ["2024-01-03"])
    assert row["cure"] == "spx-data cleanup --temp-files"


def test_checkpoints_that_are_kept_on_request_are_ok(filled):
    filled.settings.layout.staging(SEALED[1]).mkdir(parents=True, exist_ok=True)
    filled.sections["processing"]["keep_ndjson"] = True

    assert filled.checks()["staging"]["level"] == "ok"


def test_checkpoints_of_a_date_that_a_run_is_sealing_are_ok(filled):
    filled.settings.layout.staging(SEALED[1]).mkdir(parents=True, exist_ok=True)

    with running(filled.settings, SEALED):
        assert filled.checks()["staging"]["level"] == "ok"


@pytest.mark.parametrize("limit, level", [(1, "warn"), (3, "ok"), (None, "ok")])
def test_logs_are_held_against_their_retention(limit, level, project):
    project.sections["retention"] = {"logs_mb": limit}
    log = project.settings.layout.log("merge_date", SEALED[0])
    log.parent.mkdir(parents=True)
    log.write_bytes(bytes(2_000_000))

    row = project.checks()["logs"]

    assert (row["level"], row["value"]) == (level, 2_000_000)


def test_a_parked_date_is_told_by_health_and_by_status(project):
    for run in range(3):
        journal = Journal(project.settings.layout.journal(SEALED[0]), "download")
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(ValueError), journal.attempt():
            patch.setenv("SPX_DATA_RUN", f"run-{run}")
            raise ValueError("a defect")

    row = project.checks()["parked"]
    alerts = {alert["check"]: alert for alert in project.status("--offline")["alerts"]}

    assert (row["level"], row["dates"]) == ("fail", ["2024-01-02"])
    assert alerts["parked"] == row
    assert alerts["failure-rate"]["level"] == "fail"


# Status -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def running(settings, dates):
    """A run at work: its note, and its lock held."""
    layout = settings.layout
    note = {
        "name": "20240108T130000-4711",
        "pid": 4711,
        "started_at": "2024-01-08T13:00:00+00:00",
        "folder": "/lake",
        "command": "snakemake",
        "dates": [date.isoformat() for date in dates],
    }
    files.write_json(layout.run_note, note)
    descriptor = locks.hold(layout.run_lock)
    try:
        yield
    finally:
        os.close(descriptor)


def test_the_status_of_a_lake_before_its_first_run(project):
    assert project.status("--offline") == {
        "at": "2024-01-08T13:00:00.000+00:00",
        "last_activity": None,
        "dates": {
            "sealed": 0,
            "missing": 4,
            "partial": 0,
            "failed": 0,
            "parked": 0,
            "no-data": 0,
            "pending": 0,
            "corrupt": 0,
            "accepted": 0,
        },
        "published": None,
        "incomplete": 0,
        "rows": 0,
        "bytes": 0,
        "disks": [
            {
                "directories": ["output", "temp", "data"],
                "free_bytes": 5 * 10**11,
                "total_bytes": 10**12,
                "free_percent": 50.0,
            }
        ],
        "database": {"path": "data/spx-pipeline.db", "written_at": None},
        "strangers": {"files": 0, "caught": 0, "more": False, "paths": []},
        "terminal": None,
        "run": None,
        "alerts": [
            {
                "check": "consecutive-missing",
                "level": "warn",
                "found": "not filled yet: 4 sessions so far, 2024-01-02 to 2024-01-05",
                "cure": "spx-data process-gaps",
                "value": 0,
                "limit": 3,
                "unit": "sessions",
                "dates": ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"],
            }
        ],
    }


def test_the_status_of_a_healthy_lake_has_no_alerts(filled):
    found = filled.status()

    assert found["dates"]["sealed"] == 2
    assert found["bytes"] > 0
    assert found["last_activity"] is not None
    assert found["database"]["written_at"] is not None
    assert found["terminal"]["status"] == "connected"
    assert found["alerts"] == []


def test_status_tells_the_run_at_work(filled):
    with running(filled.settings, [*SEALED, dt.date(2024, 1, 4)]):
        found = filled.status("--offline")["run"]
        line = filled.call("status", "--offline").stdout

    assert found == {
        "name": "20240108T130000-4711",
        "pid": 4711,
        "started_at": "2024-01-08T13:00:00.000+00:00",
        "dates": 3,
        "dates_sealed": 2,
        "outage": None,
    }
    assert "run       running since 2024-01-08 13:00 UTC (process 4711): 2 of 3 dates sealed" in line


def test_status_and_health_tell_that_the_terminal_does_not_answer_the_run(filled):
    layout, now = filled.settings.layout, dt.datetime.now(dt.UTC)
    since, again, until = (now + dt.timedelta(0, seconds) for seconds in (-60, 20, 300))
    note = {"since": since.isoformat(), "again": again.isoformat(), "until": until.isoformat()}
    with running(filled.settings, [*SEALED, dt.date(2024, 1, 4)]):
        job = layout.job_lock("20240108T130000-4711", 12)
        held = locks.hold(job)
        files.write_json(job.with_suffix(".json"), note)
        outage = filled.status("--offline")["run"]["outage"]
        line = filled.call("status", "--offline").stdout
        check = filled.checks()["run"]
        os.close(held)
        after = filled.status("--offline")["run"]["outage"]

    assert outage == {
        "since": since.isoformat(timespec="milliseconds"),
        "asking_again_at": again.isoformat(timespec="milliseconds"),
        "giving_up_at": until.isoformat(timespec="milliseconds"),
    }
    told = f"2 of 3 dates sealed; terminal not answering since {since:%H:%M} UTC; asking again in "
    assert told in line.replace(f"{since:%Y-%m-%d} ", "")
    assert (check["level"], told in check["found"].replace(f"{since:%Y-%m-%d} ", "")) == ("warn", True)
    assert after is None


def test_status_for_a_person_ends_with_what_needs_somebody(project):
    result = project.call("status")

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert any(line.startswith("terminal  no Theta Terminal answers") for line in lines)
    assert "disk      output, temp and data: 50 % free (500.0 GB)" in lines
    assert "run       idle" in lines
    assert "database  none yet: the next run writes it" in lines
    assert lines[-2:] == [
        "warn: not filled yet: 4 sessions so far, 2024-01-02 to 2024-01-05",
        "→ spx-data process-gaps",
    ]


def test_status_offline_leaves_the_terminal_alone(project, simulated):
    terminal = simulated()
    project.sections["thetadata"] = {"base_url": terminal.url}

    result = project.call("status", "--offline")

    assert terminal.requests() == []
    assert not any(line.startswith("terminal") for line in result.stdout.splitlines())


def test_the_end_of_a_run_says_what_needs_somebody_and_asks_no_terminal(project, simulated, capsys):
    terminal = simulated()
    project.sections["thetadata"] = {"base_url": terminal.url}
    moment = dt.datetime.fromisoformat(MOMENT)

    print_outcome(status.rebuild(project.settings, moment), project.settings, moment)

    assert capsys.readouterr().out.endswith("to 2024-01-05\n→ spx-data process-gaps\n")
    assert terminal.requests() == []
