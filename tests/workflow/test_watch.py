"""A run is watched: by a second process that did not start it, and on its own terminal."""

import json
import os
import pty
import re
import signal
import subprocess

import pytest
from tests.workflow.conftest import BIN, PATIENCE, REPOSITORY, TODAY, wait_for

from spx_data.lake import runs
from spx_data.ops.progress import INTERVAL_VARIABLE
from theta_simulator import Settings as Simulated
from theta_simulator import running

DATE = "2024-11-29"
PROGRESS = re.compile(rf"{DATE} download (\d+) of (\d+) expirations(?: \((\S+ \S+)\))?")


@pytest.fixture(scope="module")
def slow():
    """A terminal that takes its time for every answer."""
    with running(Simulated(size="tiny", today=TODAY, latency_ms=800)) as terminal:
        yield terminal


def watcher(lake):
    """Start `spx-data status --watch` beside the run, in a pipe."""
    return subprocess.Popen(
        [BIN / "spx-data", "status", "--watch", "--offline"],
        cwd=lake.folder,
        env=os.environ | lake.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_is_watched_from_a_second_process_and_left_alone_by_it(slow, new_lake):
    lake = new_lake(slow, DATE, DATE, max_concurrent_requests=1)
    lake.environment[INTERVAL_VARIABLE] = "0.4"
    layout = lake.settings.layout

    watching = watcher(lake)
    waits = watching.stdout.readline()
    run = lake.start()
    wait_for(lambda: runs.current(layout))
    impatient = watcher(lake)
    impatient.stdout.readline()  # it hears what is meant for it
    wait_for(lambda: layout.listing(lake.settings.start_date).exists())
    listing = json.loads(layout.listing(lake.settings.start_date).read_text())["chains"]
    impatient.send_signal(signal.SIGINT)
    last_words, complaint = impatient.communicate(timeout=PATIENCE)
    seen, errors = watching.communicate(timeout=PATIENCE)
    said, _ = run.communicate(timeout=PATIENCE)

    assert (impatient.returncode, complaint) == (0, "")
    assert last_words.endswith("the run goes on: spx-data stop ends it\n")
    assert waits == "no run in progress: waiting for one to begin (Ctrl-C ends this)\n"
    assert run.returncode == 0, said
    assert (watching.returncode, errors) == (0, "")
    assert lake.sealed() == [DATE]
    chains = [f"{chain['root']} {chain['expiration']}" for chain in listing]
    for shown in (seen, said):  # the watcher's lines, and those in the run's own log
        told = [(int(done), int(known), at) for done, known, at in PROGRESS.findall(shown)]
        assert len({done for done, _, _ in told}) >= 2, shown
        assert told == sorted(told, key=lambda line: line[0])
        assert {known for _, known, _ in told} == {len(chains)}
        # One request at a time: the expiration in flight is the one after those that are done, or one of the
        # two before it, while they are staged.
        assert all(at in chains[max(0, done - 2) : done + 1] for done, _, at in told if at)
        assert "records/min" in shown
    assert "1 sealed" in seen  # the overview, when the run is over
    assert not re.search(r"\x1b", seen + said)


def on_a_terminal(lake, *arguments):
    """Run the workflow on a terminal of 80 columns; returns its exit code and everything it wrote there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [BIN / "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--cores", "4", *arguments],
        cwd=lake.folder,
        env=os.environ | lake.environment | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "40"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written = b""
    while block := _read(ours):
        written += block
    os.close(ours)
    return process.wait(timeout=PATIENCE), written.decode(errors="replace")


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_a_terminal_shows_the_run_below_what_snakemake_says(slow, new_lake):
    lake = new_lake(slow, DATE, DATE)

    code, written = on_a_terminal(lake)

    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    assert code == 0, plain
    assert "0 of 1 dates done" in plain
    assert re.search(rf"{DATE} +download .*\d of \d", plain)
    assert plain.count("Finished jobid") == 4
    assert "1 sealed" in plain  # the overview
    hidden, shown = written.rfind("\x1b[?25l"), written.rfind("\x1b[?25h")
    assert -1 < hidden < shown  # the cursor is back
    assert "dates done" not in written[shown:]  # and nothing was drawn after that
