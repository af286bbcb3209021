"""A lake on a disk of its own, which is mounted and unmounted between real runs."""

import contextlib
import os
import shutil
import subprocess

import pytest

from spx_data.store import journal

START, END = "2024-11-27", "2024-12-02"
SESSIONS = ["2024-11-27", "2024-11-29", "2024-12-02"]


def data_asked_for(terminal):
    """How often the terminal was asked for data, and not only how it is."""
    return sum("/option/" in request["path"] for request in terminal.requests())


class Disk:
    """A folder that is bound to the lake's output directory, as a disk is mounted."""

    def __init__(self, lake, folder):
        self._place, self._folder = lake.folder / "data" / "parquet", folder
        self._mounted = False

    def take(self):
        """Take what lies in the folder that it will be mounted at."""
        for path in self._place.iterdir():
            shutil.move(path, self._folder)

    def mount(self):
        self._place.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", "--bind", self._folder, self._place], capture_output=True)
        if done.returncode:
            pytest.skip("nothing can be mounted here")
        self._mounted = True

    def unmount(self):
        if self._mounted:
            subprocess.run(["umount", self._place], check=True)
        self._mounted = False


@pytest.fixture
def disk(tmp_path):
    """Return a maker of a lake's disk, which is unmounted in the end."""
    if os.getuid() != 0 or not shutil.which("mount"):
        pytest.skip("needs root, to mount a disk")
    with contextlib.ExitStack() as stack:

        def make(lake):
            made = Disk(lake, tmp_path)
            if lake.sealed():
                made.take()
            stack.callback(made.unmount)
            made.mount()
            return made

        yield make


def test_a_lake_on_a_disk_that_is_not_mounted_is_never_fetched_again(v3, filled_lake, disk):
    lake = filled_lake(START, END)
    its_disk = disk(lake)
    assert lake.sealed() == SESSIONS
    asked = data_asked_for(v3)

    its_disk.unmount()
    runs = [
        lake.snakemake(),
        lake.spx_data("process-gaps"),
        lake.snakemake("verify"),
        lake.spx_data("verify"),
    ]

    for run in runs:
        said = run.stdout + (run.stderr or "")
        assert run.returncode != 0, said
        assert "Is the disk mounted?" in said
        assert "Traceback" not in said
    assert data_asked_for(v3) == asked
    assert lake.sealed() == []
    health = lake.spx_data("health")
    assert health.returncode == 1
    assert "Is the disk mounted?" in " ".join(health.stdout.split())

    its_disk.mount()
    again = lake.snakemake()

    assert "Nothing to be done" in again.stdout, again.stdout
    assert lake.sealed() == SESSIONS
    assert data_asked_for(v3) == asked
    assert lake.spx_data("verify").returncode == 0


def test_a_disk_that_goes_away_before_the_merge_is_not_merged_onto_the_mount_point(v3, new_lake, disk):
    lake = new_lake(v3, START, START)
    its_disk = disk(lake)
    assert lake.snakemake(lake.parquet("2024-11-26")).returncode == 0
    assert lake.snakemake("--until", "download_expirations").returncode == 0

    its_disk.unmount()
    merged = lake.snakemake()

    assert merged.returncode != 0
    assert "Is the disk mounted?" in merged.stdout
    assert lake.sealed() == []
    its_disk.mount()
    assert lake.snakemake().returncode == 0
    assert lake.sealed() == ["2024-11-26", "2024-11-27"]


def test_days_that_are_gone_for_good_are_fetched_anew_once_somebody_says_so(filled_lake):
    lake = filled_lake(START, END)
    shutil.rmtree(lake.folder / "data" / "parquet")

    refused = lake.snakemake()
    said = lake.spx_data("accept", "--lost", "--reason", "they are gone for good")
    filled = lake.snakemake()

    assert refused.returncode != 0
    assert said.returncode == 0, said.stderr
    assert filled.returncode == 0, filled.stdout
    assert lake.sealed() == SESSIONS
    (event,) = [
        event
        for event in journal.read(lake.settings.layout.lake_journal)
        if event["event"] == journal.GIVEN_UP
    ]
    assert event["reason"] == "they are gone for good"
