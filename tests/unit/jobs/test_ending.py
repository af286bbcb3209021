"""A process of ours ends with its work: its output is written, and nothing is taken down any more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
# Stands for the threads of a library: what runs once the interpreter is being taken down ends it by a signal.
_TRAP = "import atexit, os, signal; atexit.register(os.kill, os.getpid(), signal.SIGABRT)\n"


def ended(program: str, **streams: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _TRAP + program]
    streams["env"] = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(command, cwd=SCRIPTS, text=True, **{"stdout": -1, "stderr": -1, **streams})


@pytest.mark.parametrize("status", [0, 1, 3])
def test_what_was_printed_is_there_and_no_more_runs(status):
    done = ended(f"from spx_data.jobs import ending\nprint('all', end='')\nending.end({status})")

    assert (done.returncode, done.stdout, done.stderr) == (status, "all", "")


@pytest.mark.parametrize(
    "body, status",
    [
        ("with process.logged(): pass", 0),
        ("with process.logged(): 1 / 0", 1),
    ],
)
def test_a_script_of_the_rules_ends_so(body, status):
    assert (
        ended(f"from spx_data import errors\nfrom spx_data.jobs import process\n{body}").returncode == status
    )


def test_a_command_ends_so():
    done = ended("import sys; sys.argv = ['spx-data', '--help']\nfrom spx_data.cli import main\nmain()")

    assert (done.returncode, done.stderr) == (0, "")
    assert "spx-data init" in done.stdout


def test_what_could_not_be_printed_is_a_failure_and_said():
    with Path("/dev/full").open("w") as full:
        done = ended("from spx_data.jobs import ending\nprint('all')\nending.end(0)", stdout=full)

    assert done.returncode == 1
    assert done.stderr.startswith("spx-data: not all could be printed: ")
