"""`make bench` on a lake of three dates: every command runs, and the table has a line for each."""

import subprocess
import sys
from pathlib import Path

from spx_data.cli import _COMMANDS

ROOT = Path(__file__).resolve().parents[2]
# They change the lake, ask the terminal for data, or read every byte: what they cost is not start and lookup.
_LONG = {"process", "process-range", "process-gaps", "retry", "stop", "verify", "accept", "cleanup"}


def test_the_benchmark_runs_and_has_every_command_that_only_looks(tmp_path):
    kept = tmp_path / "RESULTS.md"
    command = [sys.executable, ROOT / "benchmarks" / "commands.py", "--record", kept]
    sizes = ["--days", "3", "--failed", "1", "--runs", "1"]

    ended = subprocess.run(
        [*command, *sizes], env={"PYTHONPATH": str(ROOT / "scripts")}, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    table = kept.read_text()
    assert table.endswith(ended.stdout[ended.stdout.index("3 sealed and 1 failed dates; medians") :])
    shown = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    words = {name.split()[1] for name in shown if name.startswith("spx-data ")}
    assert words == set(_COMMANDS) - _LONG - {"completion"}
    assert {"snakemake, nothing missing", "snakemake status", "rebuild of the database (library)"} <= shown
