"""Every command that a text of ours says works when it is pasted, in the situation that says it.

Each situation is a lake in a folder with a blank in its name, which only a second config file describes: a
command that forgot it would be about another lake. The commands are those in the sources; one without a
situation here, and without a reason to have none, fails.
"""

import datetime as dt
import errno
import itertools
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import click
import duckdb
import psycopg
import pytest
import yaml
from click.testing import CliRunner
from tests import profiled, warm
from tests.commands import MARKED, VALUE
from tests.restating import expiration_of, is_history, restating
from tests.rules.conftest import Date
from tests.sealed_days import fail, judged, record, seal

from spx_data import cli, config, status
from spx_data.config import beginning
from spx_data.errors import PermissionDeniedError, SpxDataError
from spx_data.fill import as_is
from spx_data.lake import acceptance, reader, runs, sql
from spx_data.lake.reader import mirror
from spx_data.market import sessions
from spx_data.ops import health, mend
from spx_data.ops.team import migrations
from spx_data.ops.team import place as team_place
from spx_data.ops.team import rows as team_rows
from spx_data.report.day import view as day_view
from spx_data.settings import Settings
from spx_data.sources import postgres
from spx_data.sources.profile import Floor
from spx_data.sources.theta import errors as theta_errors
from spx_data.status import database
from spx_data.store import dataset, faults, files, journal, limits, names, reads
from spx_data.text import commands

NOW = "2024-02-20T08:00:00-05:00"
OVERLAY = "own settings.yaml"
EXAMPLE = "processing.end_date 2024-02-15"
NOWHERE = "http://127.0.0.1:1"
# With that variable what fills does so; else it ends where it has found no terminal.
WITH_FILLS = "WITH_FILLS" in os.environ
DAYS = [dt.date(2024, 1, day) for day in (2, 3, 5, 11)]
BAD, UNTRIED = DAYS[1], dt.date(2024, 1, 16)
FAILED, PARKED, ACCEPTED, NO_DATA, DAMAGED = (dt.date(2024, 1, day) for day in (4, 8, 9, 10, 12))

# Commands that no situation of a test can say or run, and why.
ELSEWHERE = {
    "brctl download …": "a Mac whose files lie in iCloud",
    "createuser --host … --port … --pwprompt …": "a server, and whoever may make people there",
    "cp -r . ~/spx-data && cd ~/spx-data && make env": "Linux under Windows",
    'pip install "spx-data[…]"': "an installation without it, and a registry",
    "pipx install --force …": "an installation without it, and a registry",
    "uv tool install …": "an installation without it, and a registry",
    "spx-data report --open": "the end of the demo (tests/install)",
    "sudo chown -R … …": "a superuser's password",
    "snakemake --cores 4": "a script of the rules that is started by hand",
    "spx-data report …": "a card of the dashboard, whose script puts the date in (tests/report)",
}


class Place:
    """A project folder and its lake."""

    def __init__(self, folder, monkeypatch, terminal):
        self.folder, self.patch, self.terminal = folder, monkeypatch, terminal
        self.started = []
        self.configure()
        monkeypatch.chdir(folder)

    def configure(self, *, end="2024-01-16", most_missing=5, url=NOWHERE, **thetadata):
        (self.folder / "config").mkdir(exist_ok=True)
        own = {"output_directory": "own/parquet", "temp_directory": "own/temp", "data_directory": "own"}
        dates = {"start_date": "2024-01-02", "end_date": end}
        write(self.folder / config.FILE, processing=dates)
        terminal = {"base_url": url, "retry_wait_factor": 0}
        database = {"path": "own/status.db"}
        write(
            self.folder / OVERLAY,
            processing=own,
            thetadata=terminal | thetadata,
            database=database,
            alerts={"consecutive_missing": most_missing},
        )

    @property
    def settings(self):
        return Settings.of(config.resolve(config.load(config.FILE, Path(OVERLAY)), {}))

    @property
    def layout(self):
        return self.settings.layout

    def leave_without_terminal(self, folder):
        """Let nothing answer in a copy of this project, so that what fills ends as soon as it has asked."""
        own = folder / OVERLAY
        if own.is_file():
            own.write_bytes(own.read_bytes().replace(self.terminal.url.encode(), NOWHERE.encode()))

    def says(self, *arguments):
        """What `spx-data` prints for *arguments*."""
        call = ["--configfile", OVERLAY, *arguments]
        found = CliRunner().invoke(cli.commands, call, standalone_mode=False)
        told = found.exception
        if isinstance(told, click.ClickException):
            return found.output + commands.shown(told.format_message())
        assert told is None or isinstance(told, SpxDataError), told
        return found.output + commands.shown(str(told or ""))

    def raises(self, function, *arguments, **keywords):
        """What the error says that calling *function* ends with."""
        with pytest.raises(SpxDataError) as caught:
            function(*arguments, **keywords)
        return commands.shown(str(caught.value))

    def seal(self, *dates, **sections):
        for date in dates:
            seal(self.settings, date, **{"quality": judged()} | sections)


def write(path, **sections):
    path.write_text(yaml.safe_dump(sections))


@pytest.fixture
def place(tmp_path, monkeypatch, terminals):
    """Return a project in a folder with a blank, on a machine with half of everything free."""
    monkeypatch.setenv("SPX_DATA_NOW", NOW)
    monkeypatch.setenv("COLUMNS", "2000")
    monkeypatch.setattr(reads, "free_bytes", lambda _: 5 * 10**11)
    monkeypatch.setattr(reads, "total_bytes", lambda _: 10**12)
    folder = tmp_path / "my lake"
    folder.mkdir()
    commands.called_by([OVERLAY])
    made = Place(folder, monkeypatch, terminals["v3"])
    yield made
    for process in made.started:
        process.kill()
        process.communicate()
    commands.called_by([])


SITUATIONS = {}


def says(*said):
    """Mark a situation whose text says the commands *said*, with `…` for what a text puts in.

    Those of a tuple are pasted one after the other; each other one into a copy of the lake.
    """

    def kept(situation):
        SITUATIONS[situation] = [one if isinstance(one, tuple) else (one,) for one in said]
        return situation

    return kept


# What became of dates -------------------------------------------------------------------------------------


def troubled(place):
    """Some dates of every kind there is."""
    place.seal(DAYS[0], DAYS[2], DAYS[3])
    lacking = {"contracts_missing": 2, "complete": False}
    place.seal(BAD, quality=judged(completeness=60.0, parity=0.0), completeness=lacking)
    fail(place.settings, FAILED)
    fail(place.settings, PARKED, runs=3)
    acceptance.accept(place.settings, ACCEPTED, "no trading")
    for number in range(3):
        at = f"2024-02-20T0{number}:00:00+00:00"
        record(place.settings, NO_DATA, journal.NO_DATA, at=at, run=f"asked-{number}", cause="nothing")
    record(place.settings, DAMAGED, journal.QUARANTINED, at="2024-02-19T00:00:00+00:00", damages=["parquet"])


@says(
    *("spx-data errors", "spx-data retry --all-failed", "spx-data gaps", "spx-data process-gaps"),
    *("spx-data retry … --force", 'spx-data accept … --reason "…"', "spx-data retry …"),
    *("spx-data process …", "spx-data quality …", "spx-data mend"),
)
def a_lake_with_dates_in_trouble(place):
    place.configure(most_missing=0, url=place.terminal.url)
    troubled(place)
    return place.says("health")


@says("spx-data process …", "spx-data accept … --undo")
def dates_that_are_not_sealed(place):
    troubled(place)
    return "".join(place.says("quality", str(date)) for date in (UNTRIED, PARKED, ACCEPTED))


@says("spx-data verify …", "spx-data retry … --force", "spx-data accept … --undo")
def dates_that_are_not_filled(place):
    troubled(place)
    return "".join(place.says("process", str(date), "--dry-run") for date in (DAYS[0], PARKED, ACCEPTED))


@says("spx-data recheck …")
def a_bad_day(place):
    troubled(place)
    return place.says("quality", str(BAD))


@says("spx-data probe", "spx-data retry --all-failed --force")
def dates_that_are_all_parked(place):
    for date in (FAILED, PARKED):
        fail(place.settings, date, runs=3)
    return place.says("gaps")


@says("spx-data gaps --all")
def a_plan_that_is_long(place):
    place.configure(end="2024-02-16")
    return place.says("process-gaps", "--dry-run")


@says("spx-data list", "spx-data gaps")
def dates_without_a_page(place):
    return place.says("report", "2023-01")


@says('spx-data accept … --reason "…"')
def a_date_of_which_nothing_is_staged(place):
    return place.raises(as_is.seal_as_it_is, place.settings, UNTRIED, "a test")


@says("spx-data verify --all")
def a_lake_without_known_damage(place):
    place.seal(*DAYS)
    return place.says("health")


@says("spx-data verify")
def a_day_without_its_sidecar(place):
    place.seal(*DAYS)
    place.layout.sidecar(BAD).unlink()
    return place.says("list", "--wide")


@says("spx-data verify")
def a_sealed_day_that_is_not_what_was_sealed(place):
    place.seal(*DAYS)
    place.layout.parquet(BAD).write_bytes(b"others")
    return place.raises(lambda: reader.scan("2024-01-03", lake=place.layout.output).collect())


@says(("rm …", "spx-data status"))
def a_status_log_that_is_damaged(place):
    place.seal(*DAYS)
    place.says("status", "--offline")
    content = bytearray(place.layout.database.read_bytes())
    page = int.from_bytes(content[16:18], "big")  # its size, as SQLite's header has it
    content[page : 2 * page] = bytes(page)
    place.layout.database.write_bytes(content)
    place.patch.setattr(database, "changing", lambda *_: raise_(PermissionDeniedError("no")))
    return place.says("health")


@says("spx-data cleanup --dry-run", "spx-data cleanup", "spx-data cleanup --temp-files")
def a_lake_with_leftovers(place):
    place.seal(*DAYS)
    (place.layout.output / "mine.parquet").write_text("mine")
    place.layout.sidecar(BAD).unlink()
    left = place.layout.checkpoint(DAYS[0], "SPX", dt.date(2024, 1, 19)).records
    files.write_text(left, "{}")
    return place.says("health")


@says("mkdir -p … && mv -n … …/")
def a_file_that_is_no_part_of_the_lake(place):
    place.seal(*DAYS)
    (place.layout.output / "notes of mine.txt").write_text("mine")
    return place.says("cleanup", "--dry-run")


@says("spx-data mend …", "spx-data quality")
def a_day_that_was_sealed_as_it_is(place):
    with restating(place.terminal.url) as proxy:
        proxy.edit = lambda path, query, rows: (
            500 if is_history(path) and expiration_of(query) == "2024-01-03" else rows
        )
        place.configure(url=proxy.url)
        date = Date(place.settings, DAYS[0])
        date.fetch()
        with pytest.raises(SpxDataError):
            date.download()
        place.configure(url=place.terminal.url)
    sealed = place.says("accept", str(DAYS[0]), "--as-is", "--reason", "a test")
    return sealed + place.raises(reader.scan, str(DAYS[0]), lake=place.layout.output, complete=True)


@says("spx-data recheck … --restated replace")
def a_day_that_was_sealed_from_the_other_api(place):
    place.configure(url=place.terminal.url)
    place.seal(DAYS[0])
    sealed = {"source": {"api": "v2"}, "dataset": {"greeks_version": "latest"}}
    return place.raises(mend._check_same_source, place.settings, DAYS[0], sealed)


@says("spx-data views")
def sql_about_what_is_not_there(place):
    place.seal(*DAYS)
    return place.raises(sql.rows, duckdb.connect(), "SELECT * FROM quots")


@says("spx-data snapshot list")
def a_snapshot_that_is_not_there(place):
    place.seal(*DAYS)
    return place.says("snapshot", "verify", "paper-2024")


@says("spx-data snapshot verify …")
def a_snapshot_whose_days_changed(place):
    place.seal(*DAYS)
    place.says("snapshot", "create", "paper-2024", "--missing", "ignore")
    place.layout.sidecar(BAD).unlink()
    return place.raises(reader.scan, lake=place.layout.output, data=place.layout.data, snapshot="paper-2024")


@says("spx-data process-gaps", "spx-data mend", "spx-data verify")
def days_that_are_not_ready(place):
    place.seal(*DAYS, completeness={"complete": False})
    return place.says("ready", "--dates", "2024-01-02..2024-01-05")


@says("spx-data process-range … …", "spx-data verify")
def days_that_are_not_ready_and_none_of_the_configs(place):
    place.seal(*DAYS)
    return place.says("ready", "--dates", f"{DAYS[0]},2024-01-25..2024-01-30")


@says("spx-data errors --each")
def errors_of_a_lake(place):
    troubled(place)
    return place.says("errors")


@says("spx-data gaps --start-date … --end-date …")
def a_date_without_a_page(place):
    troubled(place)
    lines = status.summaries(place.settings, sessions.now())
    return place.raises(lambda: raise_(day_view.no_page(place.settings, sessions.now(), NO_DATA, lines)))


@says("spx-data quality … --format json")
def a_long_page_of_a_day(place):
    place.seal(*DAYS)
    return commands.shown(f"`spx-data quality {BAD} --format json`")


# The lake as a whole --------------------------------------------------------------------------------------


def known_to_be_sealed(place):
    place.seal(*DAYS)
    for date in DAYS:
        event = {"at": f"{date}T23:00:00+00:00", "event": journal.SEALED, "date": str(date), "stage": "merge"}
        files.append_line(place.layout.lake_journal, json.dumps(event | {"run": "run"}))


def lost(place):
    known_to_be_sealed(place)
    place.layout.output.rename(place.folder / "elsewhere")


@says(
    "spx-data config set processing.output_directory FOLDER",
    'spx-data accept --lost --reason "they are gone for good"',
)
def a_disk_that_is_not_mounted(place):
    lost(place)
    return place.says("gaps")


@says("spx-data process-gaps")
def a_lake_that_is_given_up(place):
    lost(place)
    return place.says("accept", "--lost", "--reason", "a test")


@says(("mv … …", 'spx-data accept --lost --reason "of an earlier version"'))
def a_lake_of_an_earlier_version(place):
    known_to_be_sealed(place)
    place.layout.dataset.write_text(json.dumps({"format": 1}))
    return place.says("list")


# Settings -------------------------------------------------------------------------------------------------


@says("spx-data config set processing.start_date 2024-01-02")
def no_start_date(place):
    write(config.FILE, processing={"end_date": None})
    return place.says("gaps")


@says("spx-data config get")
def a_key_that_is_none(place):
    return place.says("config", "get", "processing.start")


@says("spx-data config validate")
def settings_that_are_wrong_elsewhere(place):
    place.configure(max_concurrent_requests="many")
    return place.says("config", "set", "processing.end_date", "2024-02-15")


@says("ls -l …")
def a_config_file_that_cannot_be_read(place):
    Path(OVERLAY).unlink()
    Path(OVERLAY).mkdir()
    return place.says("gaps")


@says("iconv -f … -t UTF-8 … > … && mv … …")
def a_config_file_in_another_encoding(place):
    text = f"# für SPX\n{Path(OVERLAY).read_text()}"
    Path(OVERLAY).write_bytes(text.encode("latin-1"))
    return place.says("gaps")


@says("spx-data init")
def no_config_file(place):
    config.FILE.unlink()
    return place.says("gaps")


@says("cd …")
def a_folder_inside_of_a_lake(place):
    beginning.begin(place.folder / "lake", beginning.Answers(DAYS[0]))
    inside = place.folder / "lake" / "deeper"
    inside.mkdir()
    place.patch.chdir(inside)
    return place.says("gaps")


@says("spx-data config set KEY VALUE", "spx-data init …")
def a_lake_that_was_begun_already(place):
    beginning.begin(place.folder, beginning.Answers(DAYS[0]))
    return place.says("init", ".")


# Runs -----------------------------------------------------------------------------------------------------

AT_WORK = """
import os, sys, time
from pathlib import Path
from spx_data.store import locks
held = locks.hold(Path(sys.argv[1].replace("PID", str(os.getpid()))))
print("at work", flush=True)
time.sleep(3600)
"""


def held(place, lock):
    """A process that holds *lock* and is named in the note of the lake's run."""
    command = [sys.executable, "-c", AT_WORK, lock]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    place.started.append(process)
    process.stdout.readline()
    started_at = dt.datetime(2024, 2, 20, tzinfo=dt.UTC)
    run = runs.Run("20240220T000000-1", process.pid, started_at, str(place.folder), "snakemake", (FAILED,))
    files.write_json(place.layout.run_note, run.as_json())
    return process


@says("spx-data status --watch", "spx-data stop")
def a_run_at_work(place):
    held(place, place.layout.run_lock)
    return place.raises(runs.check_none, place.layout)


@says("spx-data status --watch", "spx-data stop --now")
def a_run_that_is_silent(place):
    held(place, place.layout.run_lock)
    return place.says("health")


@says("spx-data stop --now")
def jobs_that_outlived_their_run(place):
    files.make_directory(place.layout.jobs / "20240220T000000-1")
    held(place, place.layout.jobs / "20240220T000000-1" / f"PID@{names.machine()}.lock")
    return place.says("stop")


@says("spx-data cleanup")
def a_lake_that_is_cleaned_up(place):
    held(place, place.layout.run_lock)
    held(place, place.layout.upkeep_lock)
    return place.raises(runs.begin, place.layout, "snakemake", [])


# Machine and terminal ---------------------------------------------------------------------------------------


@says("spx-data config set thetadata.max_concurrent_requests …")
def more_requests_at_once_than_are_served(place):
    place.configure(max_concurrent_requests=50)
    return place.says("health")


@says("spx-data config set processing.start_date …", "spx-data probe")
def a_subscription_that_begins_later(place):
    floor, before = Floor(DAYS[1], DAYS[0], "status 403"), dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
    profiled.write(place.settings, floor=floor, probed_at=before)
    return place.says("gaps") + place.says("health")


@says("spx-data config set processing.records …")
def a_subscription_without_greeks(place):
    url = f"{place.settings.terminal.base_url}/v3/option/history/greeks/first_order?symbol=SPXW"
    said = theta_errors.of_status(403, b"", url, base_url=url, retry_after=None)
    return commands.shown(str(said))


@says("chmod -R go= …")
def a_lake_that_others_can_read(place):
    place.seal(*DAYS)
    subprocess.run(["chmod", "-R", "a+rX", "own"], check=True)
    return place.says("health")


def of_a_group(place):
    place.seal(*DAYS)
    told = yaml.safe_load(Path(OVERLAY).read_text())
    told["processing"]["owner_only"] = "group"
    write(Path(OVERLAY), **told)


@says("chmod -R o= …")
def a_lake_of_a_group_that_strangers_can_read(place):
    of_a_group(place)
    subprocess.run(["chmod", "-R", "a+rX,g+s", "own"], check=True)
    return place.says("health")


@says("chmod g-w,o= …")
def a_lake_that_its_group_can_write(place):
    of_a_group(place)
    subprocess.run(["chmod", "-R", "o=", "own"], check=True)
    place.layout.output.chmod(0o2770)
    return place.says("health")


@says("chmod -R g+rX … && find … -type d -exec chmod g+s {} +")
def a_lake_that_its_group_cannot_read(place):
    of_a_group(place)
    subprocess.run("chmod -R g+rX,o= own && find own -type d -exec chmod g+s {} +", shell=True, check=True)
    place.layout.output.chmod(0o700)
    return place.says("health")


@says("chmod 700 …")
def a_lake_that_others_can_write(place):
    place.seal(*DAYS)
    subprocess.run(["chmod", "-R", "go=", "own"], check=True)
    place.layout.output.chmod(0o733)
    return place.says("health")


@says("spx-data config set processing.owner_only false")
def a_volume_without_modes(place):
    without = limits.Volume({"processing.output_directory": place.layout.output}, {limits.Lack.MODES: "FAT"})
    place.patch.setattr(health.Scene, "volumes", [without])
    return place.says("health")


class ForeignServer:
    """A server with things under our names that are not ours."""

    def execute(self, *_):
        return self

    def fetchone(self):
        return ("of somebody else",)


def with_a_database(place):
    told = yaml.safe_load(Path(OVERLAY).read_text())
    told["database"]["url"] = "postgresql://127.0.0.1:1/desk"
    write(Path(OVERLAY), **told)


@says("spx-data database refresh")
def a_server_that_is_away(place):
    with_a_database(place)
    return place.says("database", "refresh")


@says("spx-data database init", "spx-data database grant operator NAME")
def a_database_that_is_not_set_up(place):
    with_a_database(place)
    place.patch.setattr(migrations, "version", lambda _: 0)
    late = threading.Event()

    def denied():
        with postgres._explained(late, "write"):
            raise psycopg.errors.InsufficientPrivilege("permission denied")

    return f"{place.raises(migrations.check, None)} {place.raises(denied)}"


@says("spx-data config set database.schema …_2")
def a_schema_of_somebody_else(place):
    return place.raises(team_place.marked, ForeignServer(), "SCHEMA", "spx_status")


@says("spx-data database refresh --take-over", "spx-data config set database.url postgresql://HOST/DATABASE")
def the_log_of_another_lake(place):
    with_a_database(place)
    of_a_role = place.raises(team_place.marked, ForeignServer(), "ROLE", "spx_data_reader_desk")
    place.patch.setattr(team_place, "marked", lambda *_: {"lake": "theirs"})
    there = team_place.Place("", "spx_status", "SPX")
    of_a_lake = place.raises(lambda: team_rows._ours(None, there, "ours", take_over=False))
    return f"{of_a_role} {of_a_lake}"


@says("ulimit -n …")
def too_few_open_files(place):
    place.patch.setattr(limits, "files_allowed", lambda: 16)
    return place.says("health")


@says("export XDG_CACHE_HOME=…")
def a_home_that_cannot_be_written(place):
    (place.folder / "a file").touch()
    place.patch.setenv("XDG_CACHE_HOME", str(place.folder / "a file" / "cache"))
    return place.says("health")


@says("ulimit -n 4096")
def a_process_that_has_too_many_files_open(place):
    return place.raises(lambda: raise_(faults.of(OSError(errno.EMFILE, "too many open files"))))


def raise_(error):
    raise error


@says("mv … …")
def a_folder_of_locks_that_others_may_use(place):
    folder = place.folder / "slots of others"
    folder.mkdir(mode=0o755)
    return place.raises(files.make_private, folder)


@says("spx-data serve", "spx-data serve --port 0")
def a_port_that_is_taken(place):
    with socket.create_server(("127.0.0.1", 0)) as other:
        return place.says("serve", "--port", str(other.getsockname()[1]))


@says("spx-data config set publish.url s3://bucket/spx")
def nowhere_to_publish(place):
    place.seal(DAYS[0])
    return place.says("publish")


@says("spx-data publish")
def a_day_that_is_not_published_yet(place):
    folder = place.folder / "published"
    folder.mkdir()
    place.patch.setenv(mirror.CACHE, str(place.folder / "mirrors"))
    place.says("config", "set", "publish.url", folder.as_uri())
    for date in DAYS[:2]:
        place.seal(date)
    dataset.claim(place.layout, place.settings.identity("latest"))
    place.says("publish", DAYS[0].isoformat())
    return place.raises(reader.scan, DAYS[1], lake=folder.as_uri())


@says("spx-data serve --as-terminal --port 0")
def a_port_at_which_a_terminal_is(place):
    place.seal(DAYS[0])
    dataset.claim(place.layout, place.settings.identity("latest"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        return place.says("serve", "--as-terminal", "--port", str(other.getsockname()[1]))


@says("spx-data serve --host 127.0.0.1 --port 0")
def an_address_of_another_machine(place):
    return place.says("serve", "--host", "192.0.2.1")


# Pasting --------------------------------------------------------------------------------------------------


def spelt(command):
    """*command* of a source with `…` wherever a text puts something in."""
    return re.sub(r"\{\w+\}|\bDATE\b|\bFOLDER\b", VALUE, command)


def test_every_command_that_a_text_says_has_a_situation():
    had = {*itertools.chain(*itertools.chain(*SITUATIONS.values())), *ELSEWHERE}

    assert {spelt(command) for command in MARKED} - {spelt(command) for command in had} == set()


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_a_command_works_where_it_is_said(situation, place, tmp_path):
    text = situation(place)

    for number, commands_of_it in enumerate(SITUATIONS[situation]):
        copy = tmp_path / f"copy {number}" / place.folder.name
        shutil.copytree(place.folder, copy)
        if not WITH_FILLS:
            place.leave_without_terminal(copy)
        for command in commands_of_it:
            typed = found_in(text, command).replace("FOLDER", "elsewhere").replace("KEY VALUE", EXAMPLE)
            done = pasted(typed, copy)
            assert done.returncode in {0, 1, 130} and "Traceback" not in done.stderr, (typed, done)


def found_in(text, command):
    """What is to be pasted for *command*, as *text* says it."""
    call = re.sub("^(spx-data|snakemake)", rf"\1 --configfile '{OVERLAY}'", command)
    pattern = re.escape(call).replace(re.escape(VALUE), r"(?:'[^']*'|\S*[^\s;,:)]|…)")
    found = re.search(rf"{pattern}(?![\w-])", text)
    assert found, (call, text)
    return found[0]


def pasted(command, folder):
    """Run *command* in a shell that was opened in *folder*; what goes on for ever is interrupted.

    Commands of ours are forked from what has loaded them (tests/warm.py).
    """
    keyboard, screen = os.openpty()
    os.write(keyboard, b"y\n" * 3)
    with subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": warm.path()},
        stdin=screen,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        if any(word in command for word in (" serve", "--watch")):
            select.select([process.stdout, process.stderr], [], [], 240)
            time.sleep(0.5)
            os.killpg(process.pid, signal.SIGINT)
        said, told = process.communicate(timeout=240)
        os.close(keyboard)
        os.close(screen)
    return subprocess.CompletedProcess(command, process.returncode, said, told)
