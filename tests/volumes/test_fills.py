"""Real fills, and every command, on volumes that lack something: one line, the cure, and no date to blame."""

import errno
import json
import os
import resource
import stat
import subprocess

import pytest

from tests.workflow.conftest import BIN, REPOSITORY

DATE = "2024-11-29"
LOOKING = ("list", "status", "gaps", "errors", "quality", "metrics", "inventory", "verify", "stop")


@pytest.fixture
def new(v3, new_lake):
    """Return a lake of one date that nobody has begun."""
    return new_lake(v3, DATE, DATE)


def health(lake):
    """The rows of `health`, by check."""
    return {row["check"]: row for row in json.loads(lake.spx_data("health", "--format", "json").stdout)}


def states(lake):
    """The kind of each date, as a person would see it with the volume mended, and how often it was tried."""
    mended = lake.environment.pop("LD_PRELOAD", None)
    rows = json.loads(lake.spx_data("list", "--format", "json").stdout)
    if mended:
        lake.environment["LD_PRELOAD"] = mended
    return {row["date"]: (row["kind"], row["tries"]) for row in rows}


def only_line(text):
    """The one line that `spx-data` says in *text*."""
    (line,) = [line for line in text.splitlines() if line.startswith("spx-data: ")]
    assert "Traceback" not in text
    return line


def test_without_locks_nothing_is_begun_and_the_sentence_names_volume_and_cure(new, v3, lacking):
    lacking(new, "data", flock=errno.ENOTSUP)
    asked = len(v3.requests())

    check, run, again = health(new)["volumes"], new.snakemake(), new.spx_data("process-gaps")

    assert check["level"] == "fail"
    assert "has no file locks (flock: " in check["found"]
    assert check["cure"] == "Set processing.data_directory to a folder on a local disk"
    assert run.returncode == again.returncode == 1
    assert only_line(run.stdout).endswith(f"{os.strerror(errno.ENOTSUP)}). {check['cure']}")
    assert "processing.data_directory" in only_line(again.stderr)
    assert len(v3.requests()) == asked + 1  # health asks how the terminal is
    assert states(new) == {DATE: ("missing", 0)}


def test_locks_are_needed_in_the_data_directory_alone(new, lacking):
    new.configure(**new.sections() | {"database": {"path": "nas/status.db"}})
    sections = new.sections()
    sections["processing"] |= {"output_directory": "nas/parquet", "temp_directory": "nas/temp"}
    new.configure(**sections)
    lacking(new, "nas", flock=errno.ENOTSUP)

    check, run = health(new)["volumes"], new.snakemake()

    assert check["level"] == "ok"
    assert "nas/parquet (processing.output_directory)" in check["found"]
    assert run.returncode == 0, run.stdout
    assert states(new) == {DATE: ("sealed", 0)}
    recheck = new.snakemake("recheck", "--config", "dates=2024-11-29")
    assert recheck.returncode == 0, recheck.stdout
    assert (new.folder / "nas" / "status.db").exists()
    assert health(new)["database"]["level"] == "ok"


@pytest.mark.parametrize(
    "calls, level",
    [
        ({"open_folder": errno.EACCES}, "ok"),
        ({"fsync": errno.EINVAL, "fsync_folder": errno.EINVAL, "chmod": errno.EPERM}, "warn"),
    ],
)
def test_what_a_fill_can_do_without_it_does_without(calls, level, new, lacking):
    lacking(new, "data", **calls)

    check, run = health(new)["volumes"], new.snakemake()

    assert check["level"] == level
    assert str(check["cure"]) != "None" if level == "warn" else check["cure"] is None
    assert run.returncode == 0, run.stdout
    assert ("has no flush of a file" in run.stdout) == ("fsync" in calls)
    assert states(new) == {DATE: ("sealed", 0)}


@pytest.mark.parametrize("calls", [{"fsync": errno.EIO}, {"fsync_folder": errno.EIO}])
def test_a_flush_that_failed_is_no_flush_that_is_not_known(calls, new, lacking):
    lacking(new, "data", **calls)

    run = new.snakemake()

    assert run.returncode == 1
    assert os.strerror(next(iter(calls.values()))) in only_line(run.stdout)
    assert health(new)["volumes"]["level"] == "fail"
    assert states(new) == {DATE: ("missing", 0)}


# A fault that comes after the look beforehand -----------------------------------------------------------


@pytest.mark.parametrize("calls", [{"flock": errno.ENOLCK}, {"open": errno.EMFILE}])
def test_a_run_that_the_machine_spoils_parks_no_date(calls, new, lacking):
    sections = new.sections()
    sections["processing"]["max_attempts"] = 1
    new.configure(**sections)
    # The look beforehand finds nothing: what fails is a folder deeper down, where the jobs' locks are.
    (new.folder / "data" / "locks").mkdir(parents=True)
    lacking(new, "data/locks/lead.lock" if "open" in calls else f"data/temp/{DATE}", **calls)
    if "flock" in calls:
        lacking(new, "data/locks/lead.lock", **calls)

    assert new.snakemake("--keep-going").returncode == 1

    found = states(new)
    assert {tries for _, tries in found.values()} == {0}
    assert {kind for kind, _ in found.values()} <= {"missing", "failed"}
    new.environment.pop("LD_PRELOAD")
    assert new.snakemake().returncode == 0
    assert states(new) == {DATE: ("sealed", 0)}


def test_a_status_log_that_cannot_be_made_is_one_line_and_costs_no_date(new, lacking):
    lacking(new, "data/spx-pipeline.db.part", open=errno.EIO)

    run = new.snakemake()

    assert run.returncode == 1
    assert "the status log data/spx-pipeline.db cannot be opened" in only_line(run.stdout)
    assert states(new) == {DATE: ("sealed", 0)}


def test_what_snakemake_keeps_is_the_owners_alone(new):
    (new.folder / ".snakemake").mkdir(mode=0o755)

    assert new.snakemake("--dry-run").returncode == 0

    assert stat.S_IMODE((new.folder / ".snakemake").stat().st_mode) == 0o700


# A sealed lake ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sealed(filled_lake):
    """Return a lake of one sealed date."""
    return filled_lake(DATE, DATE)


@pytest.fixture
def on(sealed):
    """Return the sealed lake, on whole volumes again afterwards."""
    before = dict(sealed.environment)
    yield sealed
    sealed.environment.clear()
    sealed.environment.update(before)


@pytest.mark.parametrize("calls", [{"read": errno.EIO}, {"open": errno.EACCES}])
def test_what_cannot_be_read_is_never_called_damaged(calls, on, lacking):
    lacking(on, "data/parquet/2024/11/29", **calls)

    result = on.spx_data("verify", "--all")

    assert result.returncode == 1
    assert os.strerror(next(iter(calls.values()))) in result.stdout + result.stderr
    assert not (on.folder / "data" / "quarantine").exists()
    assert on.sealed() == [DATE]


@pytest.mark.parametrize("command", LOOKING)
def test_a_lake_without_locks_is_looked_at_as_any_other(command, on, lacking):
    lacking(on, "data", flock=errno.ENOTSUP)

    result = on.spx_data(command)

    assert result.returncode == 0
    assert [line for line in result.stderr.splitlines() if not line.startswith("the journal misses")] == []


@pytest.mark.parametrize(
    "number, command",
    [
        *((errno.EIO, command) for command in (*LOOKING, "cleanup", "process-gaps", "report", "health")),
        (errno.EMFILE, "list"),
        (errno.EMFILE, "process-gaps"),
    ],
)
def test_every_command_says_what_the_system_says_in_one_line(number, command, on, lacking):
    lacking(on, "data", open=number)

    result = on.spx_data(command)

    assert "Traceback" not in result.stdout + result.stderr
    assert "unexpected" not in result.stderr
    assert len(result.stderr.splitlines()) <= 1
    assert on.sealed() == [DATE]


def test_a_setting_is_changed_where_the_project_has_no_locks(new, lacking):
    lacking(new, "config", flock=errno.ENOTSUP)

    result = new.spx_data("config", "set", "processing.max_dte", "30")

    assert result.returncode == 0, result.stderr
    assert new.sections()["processing"]["max_dte"] == 30


# Handles ------------------------------------------------------------------------------------------------


def limited(lake, soft, hard, *command):
    """Run *command* in a lake with so many handles, as a shell with another `ulimit -n` would."""
    return subprocess.run(
        command,
        cwd=lake.folder,
        env=os.environ | lake.environment,
        capture_output=True,
        text=True,
        timeout=240,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
    )


def test_a_run_gets_the_handles_it_needs_where_the_system_has_them(new):
    result = limited(
        new, 64, 4096, BIN / "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--cores", "4"
    )

    assert result.returncode == 0, result.stderr
    assert new.sealed() == [DATE]


def test_too_few_handles_are_one_line_before_the_first_request(new, v3):
    sections = new.sections()
    sections["thetadata"]["max_concurrent_requests"] = 64
    new.configure(**sections)
    asked = len(v3.requests())

    run = limited(new, 128, 128, BIN / "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--cores", "4")
    found = limited(new, 128, 128, BIN / "spx-data", "health", "--format", "json")

    line = only_line(run.stdout + run.stderr)
    assert run.returncode == 1
    assert "a process may have 128 files open here, and a run needs 434" in line
    assert "ulimit -n 434" in line
    (check,) = [row for row in json.loads(found.stdout) if row["check"] == "open-files"]
    assert (check["level"], check["value"], check["limit"]) == ("fail", 128, 434)
    assert len(v3.requests()) <= asked + 2  # health asks how the terminal is
    assert states(new) == {DATE: ("missing", 0)}
