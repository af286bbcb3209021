"""Locks that another user left or holds: the file, its owner and a cure that works; no crash, no hang."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from spx_data.store import locks
from spx_data.store.layout import Layout
from spx_data.text import commands

USER = 54321

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")

# What a user does with a lake's locks, one word each; what came of it is printed.
SCRIPT = """
import os, sys
from datetime import date
from pathlib import Path
from spx_data.errors import SpxDataError
from spx_data.lake import runs
from spx_data.sources import slots
from spx_data.store import files, locks
from spx_data.store.layout import Layout
import encodings.idna, psutil, pwd

os.environ["SPX_DATA_SLOTS"] = sys.argv[2]
os.setgroups([])
os.setgid(54321)
os.setuid(54321)
folder = Path(sys.argv[1])
layout = Layout(folder / "parquet", folder / "temp", folder / "data", folder / "status.db")

def entered(context):
    with context:
        pass

DO = {
    "begin": lambda: runs.begin(layout, "a test", []),
    "look": lambda: runs.current(layout),
    "exclude": lambda: entered(runs.excluded(layout)),
    "lock": lambda: entered(locks.locked(layout.lock("logs"))),
    "day": lambda: entered(locks.alone(layout.day_lock(date(2024, 1, 2)))),
    "slots": lambda: entered(slots.shared(layout, "http://127.0.0.1:25503", 2)),
    "journal": lambda: files.append_line(layout.lake_journal, "{}"),
}
try:
    DO[sys.argv[3]]()
except SpxDataError as error:
    print(type(error).__name__, error)
else:
    print("done")
"""


@pytest.fixture
def lake():
    """Return the layout of a lake in a folder of that user's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for made in (folder, folder / "data", folder / "slots"):
            made.mkdir(exist_ok=True)
            os.chown(made, USER, USER)
        yield Layout(folder / "parquet", folder / "temp", folder / "data", folder / "status.db")


def tried(layout, what):
    """Return what came of it when that user tried it, as a person reads it."""
    folder = layout.data.parent
    # That user may not write where the coverage of processes is put together.
    mine = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, folder, folder / "slots", what],
        capture_output=True,
        text=True,
        timeout=240,
        env=mine | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return commands.shown(done.stdout.strip())


def left_by_root(path):
    """Let root have made *path*, for itself alone, with the folders above it that are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    return path


LEFT = {
    "begin": lambda layout: layout.run_lock,
    "look": lambda layout: layout.run_lock,
    "exclude": lambda layout: layout.upkeep_lock,
    "lock": lambda layout: layout.lock("logs"),
    "slots": lambda layout: layout.lead,
    "journal": lambda layout: layout.lake_journal,
}


@pytest.mark.parametrize("what", LEFT)
def test_what_root_left_is_named_with_a_cure_that_works_when_it_is_pasted(what, lake):
    left = left_by_root(LEFT[what](lake))
    left_by_root(lake.data / "another.lock")

    said = tried(lake, what)

    assert said.startswith("PermissionDeniedError cannot ")
    assert f"{left}: Permission denied; {left} belongs to root, and you are {USER}" in said
    command = shlex.split(re.search(r"sudo (chown -R .*)$", said)[1])
    assert Path(command[-1]).is_relative_to(lake.data)
    subprocess.run(command, check=True)
    assert tried(lake, what) == "done"


def test_a_slot_that_root_left_in_the_users_folder_is_named(lake):
    folder = lake.data.parent / "slots" / "127.0.0.1-25503"
    folder.mkdir()
    os.chown(folder, USER, USER)
    left = left_by_root(folder / "request-2.lock")

    said = tried(lake, "slots")

    assert f"{left} belongs to root, and you are {USER}" in said
    assert said.endswith(f"sudo chown -R {USER} {folder}")


def test_a_folder_of_locks_that_is_roots_is_named_and_nothing_above_it(lake):
    left_by_root(lake.lock("logs"))

    said = tried(lake, "day")

    assert said.endswith(f"sudo chown -R {USER} {lake.lock('logs').parent}")


def test_a_lake_that_is_roots_is_named_and_nothing_above_it(lake):
    for path in (lake.data, left_by_root(lake.run_lock)):
        os.chown(path, 0, 0)

    assert tried(lake, "begin").endswith(f"sudo chown -R {USER} {lake.data}")


@pytest.mark.parametrize(
    ("mode", "begun", "looked"),
    [
        (0o600, "PermissionDeniedError", "PermissionDeniedError"),
        (0o644, "PermissionDeniedError", "done"),
        (0o666, "AnotherRunError", "done"),
    ],
)
def test_a_lock_that_root_holds_is_no_hang(mode, begun, looked, lake):
    left = left_by_root(lake.run_lock)
    left.chmod(mode)
    held = locks.hold(left)
    try:
        assert tried(lake, "begin").startswith(begun)
        assert tried(lake, "look").startswith(looked)
    finally:
        os.close(held)
