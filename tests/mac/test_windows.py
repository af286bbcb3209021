"""Windows itself is refused in one line; under WSL2 its drives are advised against."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from tests.workflow.conftest import BIN, PATIENCE, REPOSITORY

from spx_data.market import sessions
from spx_data.ops.health import Level, Scene, look_at
from spx_data.ops.health.machine import windows_drives

# A Python of Windows has no fcntl. What is loaded before believes that it is on this system.
WINDOWS = "import click, sys; sys.modules['fcntl'] = None; sys.platform = 'win32'; "


@pytest.mark.parametrize(
    "door",
    ["from spx_data.cli import main; main()", "import spx_data", "import spx_data.lake.reader"],
    ids=["command", "library", "reader"],
)
def test_windows_is_told_in_one_line_that_wsl_is_the_way(door, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WINDOWS + door], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
    )

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("spx-data: ")
    assert "wsl --install" in line


def test_snakemake_tells_it_too(tmp_path):
    imitated = "import sys\nsys.modules['fcntl'] = None\nsys.platform = 'win32'\n"
    (tmp_path / "Snakefile").write_text(f"{imitated}include: {str(REPOSITORY / 'Snakefile')!r}\n")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text('processing: {start_date: "2024-01-02"}')

    done = subprocess.run(
        [BIN / "snakemake", "--cores", "1", "-n"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    assert done.returncode == 1
    assert "spx-data: Windows itself" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.fixture
def mounted(monkeypatch):
    """A function that says which kernel this is, and which file systems are mounted where."""

    def say(release, folder, kind):
        there = {"/": "ext4", str(folder): kind}
        parts = [SimpleNamespace(mountpoint=place, fstype=type_) for place, type_ in there.items()]
        monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release))
        monkeypatch.setattr(psutil, "disk_partitions", lambda **_: parts)

    return say


WSL = "5.15.153.1-microsoft-standard-WSL2"
FOLDERS = {"output": Path("/mnt/c/me/parquet"), "data": Path("/people/me/data"), "temp": Path("/mnt/cd")}


@pytest.mark.parametrize("kind", ["9p", "drvfs"])
def test_a_lake_on_a_drive_of_windows_is_seen(kind, mounted):
    mounted(WSL, "/mnt/c", kind)

    assert windows_drives(FOLDERS) == ["output"]


def test_a_shared_folder_of_any_other_machine_is_none_of_windows(mounted):
    mounted("6.8.0-generic", "/mnt/c", "9p")

    assert windows_drives(FOLDERS) == []


def test_health_advises_against_it(lake, mounted, monkeypatch, tmp_path):
    mounted(WSL, tmp_path, "9p")
    monkeypatch.chdir("/")

    check = look_at("disk", Scene(lake(), sessions.now(), (), None))

    assert check.level is Level.WARN
    assert "output, temp and data on a Windows drive" in check.found
    assert "WSL's own files" in check.cure
