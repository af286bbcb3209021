"""What ends a job or a run before it can say so itself: each leaves an event, and the next run goes on."""

import datetime as dt
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from tests import dying
from tests.dying import Death
from tests.proof import fills, jobs
from tests.workflow.conftest import BIN, PATIENCE, REPOSITORY, TODAY, Lake, job_of, wait_for

from spx_data.lake import runs
from spx_data.store import journal
from spx_data.store.journal import Journal
from theta_simulator import Settings as Simulated
from theta_simulator import running

START, END = "2024-12-02", "2024-12-03"


@pytest.fixture(scope="module")
def slow():
    """A terminal that leaves time to end a job in."""
    with running(Simulated(size="tiny", today=TODAY, latency_ms=250)) as terminal:
        yield terminal


def begun(lake, stage):
    """The journal of the first date, as soon as *stage* has begun there."""
    log = lake.settings.layout.journal(dt.date.fromisoformat(START))
    wait_for(lambda: stage in {event["stage"] for event in journal.read(log)})
    return log


def errors(lake):
    return json.loads(lake.spx_data("errors", "--format", "json").stdout)


def checks(lake):
    rows = json.loads(lake.spx_data("health", "--format", "json").stdout)
    return {row["check"]: row for row in rows}


# Jobs ---------------------------------------------------------------------------------------------------


DEATHS = [
    Death("2024-12-02", "fetch_expirations", signal.SIGKILL),
    Death("2024-12-03", "download_expirations", signal.SIGSEGV, journal.STARTED),
    Death("2024-12-04", "download_expirations", signal.SIGTERM, journal.STAGED),
    Death("2024-12-05", "merge_date", signal.SIGHUP, journal.STARTED),
    # What was sealed by then stays, though an engine may delete what a job made that fails.
    Death("2024-12-06", "merge_date", signal.SIGKILL, journal.SEALED),
    Death("2024-12-09", "merge_date", signal.SIGTERM, journal.SEALED),
]
DATES = [*(dt.date.fromisoformat(death.date) for death in DEATHS), dt.date(2024, 12, 10)]
# The last one lost nothing: a death costs its date and no other.
SEALED = ["2024-12-06", "2024-12-09", "2024-12-10"]
TOLD = {
    "2024-12-02": ("JobDiedError", "SIGKILL: the system does that where memory"),
    "2024-12-03": ("JobCrashedError", "crashed (SIGSEGV)"),
    "2024-12-04": ("JobDiedError", "was ended by SIGTERM"),
    "2024-12-05": ("JobDiedError", "was ended by SIGHUP: its terminal was closed"),
}


class Bereft(NamedTuple):
    """A lake whose dates lost a job each in the one run that there was, and what that run did to it."""

    watched: jobs.Lake
    lake: Lake
    found: jobs.Found


@pytest.fixture(scope="module")
def bereft(v3, tmp_path_factory):
    watched = jobs.Lake(tmp_path_factory.mktemp("bereft"), v3, DATES)
    with watched.watched() as found:
        found.kills = watched.dying(DEATHS)

    assert len(found.kills) == len(DEATHS)
    return Bereft(watched, Lake(watched.folder, {"SPX_DATA_NOW": jobs.NOW}), found)


def test_no_death_of_a_job_takes_a_sealed_day_back_or_goes_unsaid(bereft):
    assert list(bereft.found.findings()) == []
    assert bereft.lake.sealed() == SEALED


def test_a_job_that_is_ended_from_outside_is_an_error_of_its_date(bereft):
    failed = {row["date"]: row for row in errors(bereft.lake) if row["event"] == "failed"}
    status = bereft.lake.spx_data("status", "--offline")

    assert {date: failed[date]["error"] for date in TOLD} == {
        date: error for date, (error, _) in TOLD.items()
    }
    assert [date for date, (_, says) in TOLD.items() if says not in failed[date]["cause"]] == []
    assert "failed: JobDiedError" in status.stdout
    assert "failed: JobCrashedError" in status.stdout


def test_a_crash_of_the_jobs_own_counts_against_its_date_and_a_kill_does_not(bereft):
    rows = json.loads(bereft.lake.spx_data("list", "--format", "json").stdout)
    rows = [row for row in rows if row["date"] in TOLD]

    crashed = {date for date, (error, _) in TOLD.items() if error == "JobCrashedError"}
    assert {row["date"]: row["tries"] for row in rows} == {date: int(date in crashed) for date in TOLD}
    assert {row["status"] for row in rows if row["date"] in crashed} == {"failed"}


def test_the_run_after_such_deaths_ends_as_if_there_had_been_none(bereft, v3, tmp_path):
    others = [fills.Fill(fills.lake(tmp_path, v3.url, DATES[0]), date) for date in DATES]
    assert [fill.run() for fill in others] == [None] * len(DATES)
    undisturbed = {fill.layout.parquet(fill.date).name: fill.parquet for fill in others}

    with bereft.watched.watched() as found:
        again = bereft.lake.snakemake()

    assert again.returncode == 0, again.stdout
    assert list(found.findings()) == []
    assert bereft.lake.bytes_of_all() == undisturbed
    assert {row["resolved"] for row in errors(bereft.lake)} == {True}


# The first job of a rule takes the environment away, before its own script begins.
BREAKING = """
import os, pathlib, sys
def take():
    if "fetch_expirations.py" in pathlib.Path(*sys.orig_argv[1:2]).name:
        pathlib.Path(os.environ["BREAKS"]).unlink(missing_ok=True)
take()
os.register_at_fork(after_in_child=take)
"""


def test_jobs_whose_interpreter_is_gone_say_so(v3, new_lake, tmp_path):
    lake, broken = new_lake(v3, START, END), tmp_path / "environment"
    broken.symlink_to(Path(sys.prefix))
    (tmp_path / "sitecustomize.py").write_text(BREAKING)
    plain = lake.environment
    lake.environment = plain | {"PYTHONPATH": str(tmp_path), "BREAKS": str(broken)}

    ended = lake.snakemake(python=broken / "bin" / "python")
    lake.environment = plain
    told = errors(lake)

    assert ended.returncode == 1, ended.stdout
    failed = [row for row in told if row["event"] == "failed"]
    assert {row["date"] for row in failed} == {START, END}
    # A job that ran already found its libraries gone.
    assert all(re.search("No such file or directory|No module named", row["cause"]) for row in failed), failed
    assert checks(lake)["failure-rate"]["level"] == "fail"
    assert lake.snakemake(lake.parquet(START)).returncode == 0
    assert lake.sealed() == [START]


def test_an_environment_that_lacks_a_library_is_named_in_the_line(slow, new_lake, tmp_path):
    lake = new_lake(slow, START, START)
    # What jobs are forked from lacks it too.
    lacks = "any('merge_date' in word or 'forks' in word for word in sys.orig_argv)"
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nif {lacks}: sys.modules['pyarrow'] = None\n")
    lake.environment["PYTHONPATH"] = str(tmp_path)

    failed = lake.spx_data("process-gaps")
    del lake.environment["PYTHONPATH"]

    assert failed.returncode == 1
    assert "import of pyarrow halted" in failed.stdout + failed.stderr
    assert any("import of pyarrow halted" in row["cause"] for row in errors(lake))


# Runs ---------------------------------------------------------------------------------------------------


def test_a_run_that_is_killed_as_a_whole_has_failed_until_the_next_one(slow, new_lake, tmp_path):
    lake = new_lake(slow, START, START, max_concurrent_requests=1)
    layout = lake.settings.layout
    log, staging = layout.journal(DATES[0]), layout.staging(DATES[0])
    plain = lake.environment
    for number, (rule, event, times) in enumerate(
        [("download_expirations", journal.STAGED, 2), ("merge_date", journal.SEALED, 1)]
    ):
        death = Death(START, rule, signal.SIGKILL, event, times, of_run=True)
        lake.environment = plain | dying.environment(tmp_path / str(number), [death])
        assert lake.snakemake().returncode == -signal.SIGKILL
        lake.environment = plain
        if number == 0:
            assert [row["error"] for row in errors(lake)] == ["JobDiedError"]
            assert "ended without a word" in lake.spx_data("status", "--offline").stdout
            assert list((lake.folder / ".snakemake" / "locks").iterdir())  # in nobody's way
            finished = {path.name.removesuffix(".receipt.json") for path in staging.glob("*.receipt.json")}
            before = len(slow.requests())

    sealed, asked = lake.bytes_of_all(), of_chains(slow.requests()[before:])
    again = lake.snakemake()

    assert again.returncode == 0, again.stdout
    assert lake.sealed() == [START]
    assert lake.bytes_of_all() == sealed
    # What was staged when the first was killed was not asked for again, and the rest once.
    assert len(finished) >= 2
    assert not finished & set(asked)
    assert len(asked) == len(set(asked)) == 4 - len(finished)
    assert not list((lake.folder / "data").rglob("*.part"))
    # What readers were told is in the journal now, and counts against nobody.
    recorded = [event for event in journal.read(log) if event["event"] == journal.FAILED]
    assert [event["surroundings"] for event in recorded] == [True]


def of_chains(requests):
    """The chains that histories were asked of, once for each request."""
    histories = [request["query"] for request in requests if request["path"].endswith("first_order")]
    return [f"{query['symbol']}-{query['expiration']}" for query in histories]


def test_what_is_stopped_on_purpose_has_not_failed(holding, new_lake):
    lake = new_lake(holding, START, START)
    process = lake.start()
    begun(lake, "download")

    stopped = lake.spx_data("stop", "--now")
    assert stopped.returncode == 0, stopped
    process.communicate(timeout=PATIENCE)

    assert errors(lake) == []
    (row,) = json.loads(lake.spx_data("list", "--format", "json").stdout)
    assert row["status"] == "processing"


# A shell lets what it runs in the background ignore Ctrl-C, and so may whoever runs the tests.
HEARING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_ctrl_c_is_on_purpose(holding, new_lake):
    lake = new_lake(holding, START, START)
    # Interrupted within its own lock, a measurement of coverage waits for itself at the end.
    unmeasured = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
    words = ["--snakefile", REPOSITORY / "Snakefile", "--cores", "4"]
    process = subprocess.Popen(
        [sys.executable, "-c", HEARING, BIN / "snakemake", *words],
        cwd=lake.folder,
        env=os.environ | lake.environment | unmeasured,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    log = begun(lake, "download")

    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    holding.let()

    assert process.returncode == 1, output
    assert "Traceback" not in output
    assert errors(lake) == []
    events = [(event["event"], event["stage"]) for event in journal.read(log)]
    assert events[-1] == (journal.STOPPED, "download"), (events, output)
    assert lake.snakemake().returncode == 0


def test_an_engine_that_cannot_begin_says_why_in_the_line_and_is_remembered(slow, new_lake):
    lake = new_lake(slow, START, START)
    (lake.folder / ".snakemake").write_text("in the way")

    ran = lake.spx_data("process-gaps")
    (told,) = errors(lake)
    status = lake.spx_data("status", "--offline")
    health = checks(lake)["run"]

    assert ran.returncode == 1
    assert "snakemake could not start: " in ran.stderr
    assert ".snakemake" in ran.stderr
    assert (told["error"], told["date"], told["resolved"]) == ("RunFailedError", None, False)
    assert "snakemake could not start" in status.stdout
    assert health["level"] == "fail"
    assert "snakemake could not start" in health["found"]

    (lake.folder / ".snakemake").unlink()
    assert lake.spx_data("process-gaps").returncode == 0
    assert checks(lake)["run"]["level"] == "ok"
    assert [row["resolved"] for row in errors(lake)] == [True]


def test_a_preflight_that_fails_is_remembered(new_lake, v3):
    lake = new_lake(None, START, END, base_url="http://127.0.0.1:9")

    assert lake.snakemake().returncode != 0

    (told,) = errors(lake)
    assert told["event"] == "run-failed"
    assert told["cause"].startswith("no Theta Terminal answers at http://127.0.0.1:9")


# Places -------------------------------------------------------------------------------------------------


def test_a_project_fills_wherever_its_folder_is(slow, tmp_path):
    project = tmp_path / 'OneDrive - it\'s "quoted" & $HOME; (1) é %s'
    project.mkdir()
    for part in ("rules", "scripts", "profiles", "config"):
        shutil.copytree(REPOSITORY / part, project / part)
    shutil.copy(REPOSITORY / "Snakefile", project)
    (project / ".venv").symlink_to(Path(sys.prefix))
    (project / "config" / "config.yaml").write_text(
        json.dumps(
            {"thetadata": {"base_url": slow.url}, "processing": {"start_date": START, "end_date": START}}
        )
    )

    ran = subprocess.run(
        [".venv/bin/python", "-m", "snakemake", "--cores", "2"],
        cwd=project,
        env=os.environ | {"SPX_DATA_NOW": "2024-12-20T08:00:00-05:00"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    assert ran.returncode == 0, ran.stderr
    assert (project / "data" / "parquet" / "2024" / "12" / "02").is_dir()


def test_a_folder_in_which_snakemake_cannot_work_is_one_line(slow, new_lake, tmp_path):
    lake = new_lake(slow, START, START)
    lake.folder = shutil.copytree(lake.folder, tmp_path / "{0} and more")

    ran = lake.snakemake()

    assert ran.returncode != 0
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("spx-data: ")]
    assert "takes {0} for a place to fill in" in line
    assert "Traceback" not in ran.stdout


def test_jobs_that_outlived_their_run_are_waited_for_by_name(holding, new_lake):
    lake = new_lake(holding, START, START)
    process = lake.start()
    job = job_of(process.pid, "download_expirations")
    begun(lake, "download")
    job.suspend()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    refused = lake.snakemake()
    holding.let()
    job.resume()
    job.wait(PATIENCE)
    process.stdout.close()

    assert refused.returncode != 0
    assert lake.snakemake().returncode == 0
    assert lake.sealed() == [START]
    assert runs.current(lake.settings.layout) is None


def test_a_sealed_day_that_is_asked_for_by_force_stays(v3, filled_lake):
    lake = filled_lake(START, START)
    before, asked = lake.bytes_of_all(), len(v3.requests())

    forced = [lake.snakemake(*words) for words in (("--forceall",), ("--force", lake.parquet(START)))]

    assert lake.bytes_of_all() == before
    assert len(v3.requests()) == asked
    assert "sealed already" in forced[1].stdout


def test_a_home_that_cannot_be_written_is_nothing_to_spx_data(slow, new_lake):
    lake = new_lake(slow, START, START)
    lake.environment |= {"HOME": "/dev/null", "XDG_CACHE_HOME": ""}

    ran = lake.spx_data("process-gaps")

    assert ran.returncode == 0, ran.stderr
    assert lake.sealed() == [START]
    found = checks(lake)["permissions"]
    assert found["level"] == "warn"
    assert "export XDG_CACHE_HOME=" in found["cure"]


def test_cures_name_the_config_files_in_use(new_lake, v3):
    lake = new_lake(v3, START, START)
    (lake.folder / "other lake.yaml").write_text("thetadata: {base_url: 'http://127.0.0.1:9'}\n")
    failed = Journal(lake.settings.layout.journal(dt.date.fromisoformat(START)), "download")
    failed.record(journal.FAILED, error="ApiResponseInvalidError", cause="half a row", seconds=1.0)
    over = ("--configfile", "other lake.yaml")

    told = [lake.spx_data(*over, *words).stdout for words in (("health",), ("status", "--offline"))]

    cure = "spx-data --configfile 'other lake.yaml' retry --all-failed"
    assert all(cure in text for text in told), told
