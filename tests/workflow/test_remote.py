"""The remote control starts Snakemake, stops it, and takes up what it left; each command as a process."""

import datetime as dt
import json
import os
import signal
import subprocess

import pytest
from tests.workflow.conftest import BIN, PATIENCE, TODAY, kill, wait_for

from spx_data.lake import runs
from spx_data.store import journal, locks
from spx_data.store.journal import Journal
from theta_simulator import Settings as Simulated
from theta_simulator import running

START, END = "2024-11-29", "2024-12-02"
SESSIONS = [START, END]


@pytest.fixture
def terminal():
    """A tiny terminal of the test's own that takes a moment for every answer."""
    with running(Simulated(size="tiny", today=TODAY, latency_ms=400)) as terminal:
        yield terminal


@pytest.fixture
def begin():
    """Start `spx-data`, or another *program*, in the background; what still runs at the end is killed."""
    started = []

    def begin(lake, *arguments, program=(BIN / "spx-data",)):
        process = subprocess.Popen(
            [*program, *arguments],
            cwd=lake.folder,
            env=os.environ | lake.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            kill(process)


def staging(lake, at_least=2):
    """Wait until so many expirations are staged."""
    wait_for(lambda: len(list((lake.folder / "data" / "temp").rglob("*.receipt.json"))) >= at_least)


def heard(stream, words):
    """What comes of a stream until it has said *words*."""
    said = ""
    while words not in said:
        line = stream.readline()
        assert line, said
        said += line
    return said


def asked_twice(terminal):
    """The chains whose history was answered more than once."""
    answered = [
        entry["identity"]
        for entry in terminal.requests()
        if entry["path"].endswith("first_order") and entry["outcome"] == "sent"
    ]
    return {chain for chain in answered if answered.count(chain) > 1}


# process ------------------------------------------------------------------------------------------------


def test_a_date_is_processed_once_and_a_range_for_the_rest(v3, new_lake):
    lake = new_lake(v3, START, END)

    first = lake.spx_data("process", "2024-12-02")
    again = lake.spx_data("process", "2024-12-02")
    rest = lake.spx_data("process-range", "2024-11-28", "2024-12-02")

    outside = lake.spx_data("process", "2024-11-22")

    assert first.returncode == 0, first.stderr
    assert "1 date sealed" in first.stdout
    assert (outside.returncode, lake.spx_data("process", "2024-11-22").returncode) == (0, 0), outside.stderr
    assert (again.returncode, again.stdout) == (0, "nothing to do: it is sealed\n")
    assert rest.returncode == 0, rest.stderr
    assert lake.sealed() == ["2024-11-22", "2024-11-29", "2024-12-02"]
    note = json.loads((lake.folder / "data" / "run.json").read_text())
    assert note["dates"] == ["2024-11-22"]  # what the last run set out to do


def test_gaps_are_filled_in_batches_while_watched_and_a_bad_date_stops_no_other(holding, new_lake, begin):
    lake = new_lake(holding, START, END)
    # Nothing gives a file the name of a folder that holds something.
    obstacle = lake.folder / "data" / "temp" / "2024-12-02" / "SPXW-2024-12-02.ndjson"
    (obstacle / "in the way").mkdir(parents=True)

    filling = begin(lake, "process-gaps", "--batch-size", "1")
    wait_for(lambda: runs.current(lake.settings.layout))
    watching = begin(lake, "status", "--watch", "--offline")
    watching.stdout.readline()  # it follows the first run
    holding.let()
    said, errors = filling.communicate(timeout=PATIENCE)
    seen, _ = watching.communicate(timeout=PATIENCE)

    assert filling.returncode == 1
    assert lake.sealed() == [START]
    assert len(list((lake.folder / "data" / "logs" / "runs").iterdir())) == 2
    assert "batch 2 of 2" in errors
    assert "a folder stands where a file is needed" in said
    assert "Traceback" not in said + errors
    assert "1 sealed" in seen  # by the second run


def test_a_terminal_that_is_not_there_is_one_line_and_nothing_is_begun(new_lake):
    lake = new_lake(None, START, END, base_url="http://127.0.0.1:9")

    done = lake.spx_data("process-gaps")

    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("spx-data: ")]
    assert "http://127.0.0.1:9" in line
    assert not list((lake.folder / "data" / "journal").rglob("2024-*.jsonl"))


# stop ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [(), ("--now",)], ids=["gracefully", "now"])
def test_a_run_is_stopped_and_the_next_goes_on_from_there(terminal, new_lake, begin, how):
    lake = new_lake(terminal, START, END)
    layout = lake.settings.layout
    # The first date is not sealed before it is stopped, however long the commands take.
    held = locks.hold(layout.day_lock(dt.date.fromisoformat(END)))
    filling = begin(lake, "process-gaps", "--batch-size", "1")
    staging(lake)

    refused = lake.spx_data("process", START)
    stopped = begin(lake, "stop", *how)
    wait_for(lambda: runs.was_stopped(layout, runs.last(layout).name))
    os.close(held)
    _, trouble = stopped.communicate(timeout=PATIENCE)
    said, errors = filling.communicate(timeout=PATIENCE)
    after = lake.spx_data("stop")
    resumed = lake.spx_data("process-gaps")

    assert refused.returncode == 1
    assert "already" in refused.stderr
    assert stopped.returncode == 0, trouble
    assert filling.returncode == 1, said  # dates are left
    assert "stopped; not started (batches: 1)" in errors
    assert (after.returncode, after.stdout) == (0, "nothing is running\n")
    assert resumed.returncode == 0, resumed.stderr
    assert lake.sealed() == SESSIONS
    assert len(asked_twice(terminal)) <= (4 if how else 0)  # at most what was in flight


def test_ctrl_c_lets_running_jobs_finish_and_a_second_one_does_not(holding, new_lake, begin):
    lake = new_lake(holding, START, END)
    filling = begin(lake, "process-gaps")
    holding.let(2)
    staging(lake)

    filling.send_signal(signal.SIGINT)
    errors = heard(filling.stderr, "Ctrl-C again")
    filling.send_signal(signal.SIGINT)
    errors += filling.communicate(timeout=PATIENCE)[1]

    assert filling.returncode == 130, errors
    assert "Ctrl-C again" in errors
    assert "interrupting" in errors
    assert "Traceback" not in errors
    assert runs.current(lake.settings.layout) is None
    assert lake.spx_data("stop").stdout == "nothing is running\n"


# `spx-data`, which is told to end as soon as it has started Snakemake, before it shows anything of that.
TOLD_AT_ONCE = """
import os, signal, sys
from spx_data.cli import filling, main
shown = filling.progress_shown
def told(*words):
    os.kill(os.getpid(), signal.SIGTERM)
    return shown(*words)
filling.progress_shown = told
main()
"""


def test_a_stop_that_comes_before_the_run_has_begun_ends_it_too(v3, new_lake, begin):
    lake = new_lake(v3, START, END)
    filling = begin(lake, "process-gaps", program=(BIN / "python", "-c", TOLD_AT_ONCE))
    said = filling.communicate(timeout=PATIENCE)

    assert filling.returncode == 130, said
    assert lake.spx_data("stop").stdout == "nothing is running\n"
    assert lake.sealed() == []


def test_what_a_killed_run_left_running_is_named_and_ended_only_when_told(holding, new_lake):
    lake = new_lake(holding, START, START)
    process = lake.start()
    events = lake.settings.layout.journal(dt.date.fromisoformat(START))
    wait_for(lambda: "download" in {event["stage"] for event in journal.read(events)})
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    named = lake.spx_data("stop")
    ended = lake.spx_data("stop", "--now")

    assert named.returncode == 1
    assert "jobs of it still run" in named.stderr
    assert ended.returncode == 0, ended.stderr
    assert "ended the jobs that a killed run left behind" in ended.stdout
    assert not jobs(lake)
    process.stdout.close()


def jobs(lake):
    run = runs.last(lake.settings.layout)
    return [process.pid for process in runs.processes(lake.settings.layout, run) if process.pid != run.pid]


def test_stop_ends_this_lakes_run_and_no_other(terminal, new_lake, begin):
    mine, other = new_lake(terminal, START, START), new_lake(terminal, START, START)
    filling = begin(other, "process-gaps")
    staging(other, at_least=1)

    told = mine.spx_data("stop", "--now")

    assert (told.returncode, told.stdout) == (0, "nothing is running\n")
    filling.communicate(timeout=PATIENCE)
    assert filling.returncode == 0
    assert other.sealed() == [START]


# retry --------------------------------------------------------------------------------------------------


def fail(lake, date, times=1):
    """Write what so many failing runs leave behind."""
    log = Journal(lake.settings.layout.journal(dt.date.fromisoformat(date)), "download")
    for number in range(times):
        os.environ[journal.RUN_VARIABLE] = f"run-{number}"
        log.record(journal.STARTED)
        log.record(journal.FAILED, error="ApiResponseInvalidError", cause="half a row", seconds=1.0)
    del os.environ[journal.RUN_VARIABLE]


def test_a_parked_date_is_retried_with_force_alone(v3, new_lake):
    lake = new_lake(v3, START, "2024-12-03")
    fail(lake, "2024-12-02", times=3)
    fail(lake, "2024-12-03")

    plain = lake.spx_data("process", "2024-12-02")
    refused = lake.spx_data("retry", "2024-12-02")
    unasked = lake.spx_data("retry", "2024-12-02", "--force")
    failed = lake.spx_data("retry", "--all-failed")
    forced = lake.spx_data("retry", "--last-n", "1", "--force", "--yes")

    assert plain.returncode == refused.returncode == 1
    assert "retry 2024-12-02 --force" in plain.stderr
    assert "parked" in refused.stderr
    assert unasked.returncode == 2  # nobody is there to say yes
    assert failed.returncode == 1
    assert "half a row" in failed.stdout
    assert forced.returncode == 0, forced.stderr
    assert lake.sealed() == ["2024-12-02", "2024-12-03"]
