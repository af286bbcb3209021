"""`make bench` on a lake of three dates and a tiny date: everything runs, and the tables have their lines."""

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


def test_the_cost_of_a_judgement_is_kept_beside_that_of_the_commands(tmp_path):
    kept = tmp_path / "RESULTS.md"
    kept.write_text("# What the commands cost\n\nThis.\n\n# What a judgement costs\n\nThat.\n")
    command = [sys.executable, ROOT / "benchmarks" / "judging.py", "--record", kept]
    sizes = ["--size", "tiny", "--chains", "2", "--runs", "1"]

    ended = subprocess.run(
        [*command, *sizes], env={"PYTHONPATH": str(ROOT / "scripts")}, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = kept.read_text()
    assert told.startswith("# What the commands cost\n\nThis.\n\n# What a judgement costs\n\nMade with")
    assert told.endswith(ended.stdout[ended.stdout.index("records; medians") :])
    assert "That." not in told
    shown = [line.split(" | ")[0].removeprefix("| ") for line in told.splitlines() if line.startswith("| ")]
    parts = {"panel", "quotes", "underlying", "arbitrage", "parity", "smile", "greeks", "completeness"}
    assert {*parts, "merged without a judgement", "merged and judged"} <= set(shown)
