"""A lake is filled, watched and stopped by the real commands on the imitated Mac."""

import datetime as dt
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tests.mac.conftest import IMITATION
from tests.restating import restating
from tests.workflow.conftest import BIN, PATIENCE, REPOSITORY, Holding, wait_for

from spx_data.lake import runs
from spx_data.ops import engine
from spx_data.store import files, journal, locks, names

START, END = "2024-12-02", "2024-12-03"
SESSIONS = [START, END]
TODAY_UTC = dt.datetime(2024, 12, 31, tzinfo=dt.UTC)
SECONDS = 50  # `stop --now` takes two; one that waits for a signal nobody hears took sixty


@pytest.fixture
def holding(v3):
    """A terminal that lists no contracts until the end of the test: jobs that ask for them stay at work."""
    with restating(v3.url) as source:
        terminal = Holding(source, lambda path: "list/contracts" in path)
        yield terminal
        terminal.let()


def at_work(lake, at_least=2):
    """The run of *lake* and its jobs, as soon as so many of them are at work."""
    layout = lake.settings.layout
    wait_for(lambda: (run := runs.current(layout)) and len(layout.job_locks(run.name)) >= at_least)
    run = runs.current(layout)
    return run, [names.process_of(path)[0] for path in layout.job_locks(run.name)]


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


# A fill, and looking at it ------------------------------------------------------------------------------


def test_a_lake_is_filled_and_looked_at(v3, new_mac):
    lake = new_mac(v3, START, END)

    filled = lake.spx_data("process-gaps")
    again = lake.snakemake()

    assert filled.returncode == 0, filled.stdout + filled.stderr
    assert "Nothing to be done" in again.stdout
    assert lake.sealed() == SESSIONS
    logs = "".join(path.read_text() for path in (lake.folder / "data" / "logs").rglob("*.log"))
    for word in ("Traceback", "AttributeError", "Too many open files"):
        assert word not in logs + filled.stdout + filled.stderr
    for command in (["status"], ["health"], ["metrics"], ["verify"], ["list"], ["errors"], ["inventory"]):
        told = lake.spx_data(*command)
        assert "unexpected" not in told.stderr, command
        assert "Traceback" not in told.stdout + told.stderr, command
    assert lake.spx_data("stop").stdout == "nothing is running\n"
    assert not list((lake.folder / "data" / "jobs").rglob("*.lock"))


def test_the_demo_ends_with_whoever_started_it(tmp_path):
    simulator = [sys.executable, "-m", "theta_simulator", "--size", "tiny", "--"]

    done = subprocess.run(
        [*simulator, BIN / "snakemake", "--version"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(IMITATION)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="locks are refused by way of /proc")
@pytest.mark.parametrize("where", ["OUTPUT_DIRECTORY", "TEMP_DIRECTORY"])
def test_a_volume_without_locks_costs_no_traceback(where, v3, new_mac, tmp_path):
    lake = new_mac(v3, START, START)
    lake.environment |= {where: str(tmp_path / "nas"), "IMITATED_NAS": str(tmp_path / "nas")}

    filled = lake.spx_data("process-gaps")

    logs = "".join(path.read_text() for path in (lake.folder / "data" / "logs").rglob("*.log"))
    assert "Traceback" not in filled.stdout + filled.stderr + logs
    if filled.returncode:
        assert len([line for line in filled.stderr.splitlines() if line.startswith("spx-data: ")]) == 1


# stop ---------------------------------------------------------------------------------------------------


def in_a_shell(lake, line):
    """Start a shell with *line* for *lake*, in a process group of its own."""
    command = ["sh", "-c", line]
    return subprocess.Popen(
        command, cwd=lake.folder, env=os.environ | lake.environment, start_new_session=True
    )


def test_a_run_that_a_shell_started_in_its_background_ends_within_seconds(holding, new_mac, ended):
    lake = new_mac(holding, START, END)
    line = f"'{BIN}/snakemake' --snakefile '{REPOSITORY}/Snakefile' --cores 4 >said 2>&1 & wait"
    # Such a shell starts it with SIGINT ignored.
    shell = ended(in_a_shell(lake, line))
    _, jobs = at_work(lake)

    begun = time.monotonic()
    stopped = lake.spx_data("stop", "--now")
    took = time.monotonic() - begun

    assert stopped.returncode == 0, stopped.stderr
    assert took < SECONDS
    shell.wait(PATIENCE)
    assert not any(map(alive, jobs))
    assert runs.current(lake.settings.layout) is None


def test_a_halted_run_hears_a_stop_as_well(holding, new_mac, ended):
    lake = new_mac(holding, START, START)
    process = ended(lake.start())
    _, jobs = at_work(lake, at_least=1)
    os.killpg(process.pid, signal.SIGSTOP)  # what Ctrl-Z does

    stopped = lake.spx_data("stop", "--now")

    process.communicate(timeout=PATIENCE)
    assert stopped.returncode == 0, stopped.stderr
    assert not any(map(alive, jobs))


SIGNALLED_WHILE_IT_SELECTS = """
import os, signal
from snakemake.scheduling.job_scheduler import JobScheduler

begin = JobScheduler.__init__

def begun(self, *arguments, **keys):
    begin(self, *arguments, **keys)
    honest = self._job_selector

    def select(*jobs):
        os.kill(os.getpid(), signal.SIGTERM)  # the scheduler holds its lock now
        return honest(*jobs)

    self._job_selector = select

JobScheduler.__init__ = begun
"""


def test_a_stop_that_meets_the_scheduler_at_its_lock_does_not_hang_it(v3, new_lake, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SIGNALLED_WHILE_IT_SELECTS)
    lake = new_lake(v3, START, END)
    lake.environment["PYTHONPATH"] = str(tmp_path)

    stopped = lake.snakemake()

    assert "Will exit after finishing currently running jobs" in stopped.stdout
    assert runs.current(lake.settings.layout) is None


def test_jobs_that_outlived_their_run_are_found_and_ended_and_no_stranger_is(holding, new_mac, ended):
    lake = new_mac(holding, START, END)
    # The stranger is in the run's session and in its process group.
    ended(
        in_a_shell(
            lake,
            f"sleep 3000 & echo $! >stranger; '{BIN}/snakemake' --snakefile '{REPOSITORY}/Snakefile' "
            "--cores 4 >said 2>&1 & wait",
        )
    )
    run, jobs = at_work(lake)
    stranger = int((lake.folder / "stranger").read_text())
    os.kill(run.pid, signal.SIGKILL)

    named = lake.spx_data("stop")
    stopped = lake.spx_data("stop", "--now")

    assert named.returncode == 1
    assert "jobs of it still run" in named.stderr
    assert all(str(pid) in named.stderr for pid in jobs)
    assert stopped.returncode == 0, stopped.stderr
    assert not any(map(alive, jobs))
    assert alive(stranger)


def test_a_job_that_begins_when_its_run_is_gone_ends_at_once(lake, monkeypatch):
    layout = lake().layout
    run = runs.Run("gone", 1, TODAY_UTC, "/", "snakemake", ())
    files.write_json(layout.run_note, run.as_json())
    monkeypatch.setenv(journal.RUN_VARIABLE, "gone")

    with pytest.raises(runs.AnotherRunError, match="is gone"), runs.joined(layout):
        pytest.fail("it went to work")

    assert not layout.job_locks("gone")


def test_no_signal_goes_to_whoever_came_by_the_id_of_a_run(lake, monkeypatch):
    layout = lake().layout
    heard = []
    monkeypatch.setattr(psutil.Process, "send_signal", lambda self, _: heard.append(self.pid))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        run = runs.Run("run", stranger.pid, TODAY_UTC, "/", "snakemake", ())
        files.write_json(layout.run_note, run.as_json())
        files.make_directory(layout.job_lock(run.name, stranger.pid).parent)
        held = [locks.hold(layout.run_lock), locks.hold(layout.job_lock(run.name, stranger.pid))]

        engine.ask_to_stop(layout, run)
        engine.stop_now(layout, run)
        with pytest.raises(runs.AnotherRunError, match="no process that you may stop here"):
            runs.check_ours(layout, run)

        for descriptor in held:
            os.close(descriptor)
        stranger.communicate(b"\n")
    assert heard == []


def test_a_run_that_cannot_be_stopped_from_here_is_told_in_one_line(new_mac):
    lake = new_mac(None, START, END)
    layout = lake.settings.layout
    files.write_json(layout.run_note, runs.Run("elsewhere", 1, TODAY_UTC, "/", "snakemake", ()).as_json())
    held = locks.hold(layout.run_lock)  # as a container does, whose process 1 is not this machine's

    told = lake.spx_data("stop", "--now")

    os.close(held)
    assert told.returncode == 1
    (line,) = told.stderr.splitlines()
    assert "another container" in line
    assert "There, as that user: spx-data stop" in line


def test_what_killed_jobs_left_is_cleared_by_the_next_run_and_living_ones_stay(lake):
    layout = lake().layout
    held = layout.job_lock("before", 2)
    for left in (layout.job_lock("before", 1), layout.job_lock("long ago", 1)):
        os.close(locks.hold(left))
    files.make_directory(layout.jobs / "well ended")
    living = locks.hold(held)

    runs.clear_jobs(layout, runs.Run("next", 1, TODAY_UTC, "/", "snakemake", ()))

    assert sorted(layout.jobs.rglob("*")) == [held.parent, held]
    os.close(living)
