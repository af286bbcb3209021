"""`spx-data config` as a process, as scripts call it."""

import json
import os
import subprocess

import pytest
from tests.workflow.conftest import BIN, PATIENCE, REPOSITORY, Lake

SHIPPED = (REPOSITORY / "config" / "config.yaml").read_text()


@pytest.fixture
def lake(tmp_path):
    """Return a lake with the shipped config file."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(SHIPPED)
    return Lake(tmp_path)


def test_calls_at_the_same_time_lose_nothing_of_each_other(lake):
    wanted = {"processing.startDate": "2024-01-02", "recheck.sample": "5", "alerts.memoryPercent": "80"}

    calls = [
        subprocess.Popen([BIN / "spx-data", "config", "set", key, value], cwd=lake.folder, env=os.environ)
        for key, value in wanted.items()
    ]

    assert [call.wait(timeout=PATIENCE) for call in calls] == [0, 0, 0]
    got = [lake.spx_data("config", "get", key).stdout for key in wanted]
    assert got == [f"{value}\n" for value in wanted.values()]
    rows = json.loads(lake.spx_data("config", "history", "--format", "json").stdout)
    assert len(rows) == 3
    assert lake.spx_data("config", "validate").returncode == 0


def test_a_script_reads_one_line_on_stderr_and_the_exit_code(lake):
    called = lake.spx_data("config", "set", "processing.interval", "2m")

    assert (called.returncode, called.stdout) == (2, "")
    assert called.stderr.count("\n") == 1
    assert "Allowed: 1s" in called.stderr


def test_getting_one_value_loads_nothing_heavy(lake):
    command = "from spx_data.cli import main; main()"
    called = subprocess.run(
        [BIN / "python", "-X", "importtime", "-c", command, "config", "get", "processing.interval"],
        cwd=lake.folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = {line.rpartition("|")[2].strip() for line in called.stderr.splitlines()}
    assert "spx_data.config.table" in loaded
    assert not loaded & {"jsonschema", "rich", "polars", "pandas", "importlib.metadata"}
