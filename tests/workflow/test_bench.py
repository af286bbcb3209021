"""`make bench` on a lake of three dates and a tiny date: everything runs, and the tables have their lines."""

import os
import subprocess
import sys
from pathlib import Path

from tests import warm

from spx_data.cli import _COMMANDS

ROOT = Path(__file__).resolve().parents[2]
# They change the lake, ask the terminal for data, read every byte or go on until they are ended: what they
# cost is not start and lookup.
_LONG = {
    "export",
    "init",
    "snapshot",
    "sql",
    "process",
    "process-range",
    "process-gaps",
    "retry",
    "stop",
    "verify",
    "accept",
    "cleanup",
    "serve",
    "publish",
    "database",
    "mend",
    "probe",
    "recheck",
    # They tell of the command itself.
    "completion",
    "help",
    "version",
}


TOLD = {"PYTHONPATH": str(ROOT / "scripts")}
# A benchmark whose programs are those that it finds beside another interpreter.
FORKING = """import os, runpy, sys
sys.executable, *sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def bench(script: str, kept: Path, *words: object, forks: bool = False) -> str:
    """What a benchmark prints; it keeps its results in *kept*.

    What it starts are *forks* where it does without what the system tells of a process (tests/warm.py).
    """
    command = [ROOT / "benchmarks" / script, "--record", kept, *map(str, words)]
    python = warm.commands(TOLD) / "python"
    if forks and python.exists():
        command = ["-c", FORKING, python, *command]
    command = [sys.executable, *command]
    environment = os.environ | TOLD
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def first_cells(table: str) -> list[str]:
    return [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")]


def test_the_benchmark_runs_and_has_every_command_that_only_looks(tmp_path):
    kept = tmp_path / "RESULTS.md"

    told = bench("commands.py", kept, "--days", 3, "--failed", 1, "--runs", 1, forks=True)

    table = kept.read_text()
    assert table.endswith(told[told.index("3 sealed and 1 failed dates; medians") :])
    shown = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    words = {name.split()[1] for name in shown if name.startswith("spx-data ")}
    assert words == set(_COMMANDS) - _LONG
    assert {"snakemake, nothing missing", "snakemake status", "rebuild of the database (library)"} <= shown


def test_the_cost_of_a_judgement_is_kept_beside_that_of_the_commands(tmp_path):
    kept = tmp_path / "RESULTS.md"
    kept.write_text("# What the commands cost\n\nThis.\n\n# What a judgement costs\n\nThat.\n")

    told = bench("judging.py", kept, "--size", "tiny", "--chains", 2, "--runs", 1)

    table = kept.read_text()
    assert table.startswith("# What the commands cost\n\nThis.\n\n# What a judgement costs\n\nMade with")
    assert table.endswith(told[told.index("records; medians") :])
    assert "That." not in table
    parts = {"panel", "quotes", "underlying", "arbitrage", "parity", "smile", "greeks", "completeness"}
    assert {*parts, "merged without a judgement", "merged and judged"} <= set(first_cells(table))


def test_every_step_of_a_date_has_its_line(tmp_path):
    kept = tmp_path / "RESULTS.md"

    bench("steps.py", kept, "--size", "tiny", "--chains", 2, "--runs", 1)

    table = kept.read_text()
    steps = [line.split(" | ")[1] for line in table.splitlines() if line.startswith("| download | ")]
    assert {"parse it", "write records as NDJSON"} < set(steps)
    assert {"list", "download", "merge"} < set(first_cells(table))


def test_a_fill_and_its_rivals_have_the_same_records_and_a_line_each(tmp_path):
    kept = tmp_path / "RESULTS.md"

    told = bench("fill.py", kept, "--size", "tiny", "--runs", 1, forks=True)

    table = kept.read_text()
    assert table.endswith(told[told.index("1 date(s), 12,512 records; 4 requests in flight") :])
    assert first_cells(table)[1:] == [
        "---",
        "network floor",
        "ours: Snakemake, all checks",
        "ours: the three jobs alone",
        "straight script, Polars",
        "the same, the day sorted as a whole",
        "script with pandas",
    ]
    assert table.count("\n- ") == 6


def test_a_date_of_quotes_stands_beside_one_of_greeks(tmp_path):
    kept = tmp_path / "RESULTS.md"

    sizes = ["--size", "tiny", "--runs", 1, "--bodies", tmp_path / "bodies"]

    told = bench("quotes.py", kept, *sizes, forks=True)

    ways = ["greeks, a request a chain", "quotes, a request a chain", "quotes, a request a root"]
    assert first_cells(kept.read_text())[1:] == ["---", *ways]
    assert "of at most 1.2" in told and "of at most 700" in told


def test_a_lake_as_a_terminal_has_a_line_for_each_format(tmp_path):
    kept = tmp_path / "RESULTS.md"

    bench("as_terminal.py", kept, "--size", "tiny", "--runs", 1, "--bodies", tmp_path / "bodies")

    lines = ("csv", "ndjson", "json", "memory at the end, MB")
    shown = [each for each in first_cells(kept.read_text()) if "first look" not in each]
    assert shown[2:] == [f"{records}, {each}" for records in ("greeks", "quotes") for each in lines]


def test_the_memory_of_a_chain_in_pages_is_told_for_each_stage(tmp_path):
    kept = tmp_path / "RESULTS.md"
    sizes = ["--size", "tiny", "--interval", "1m", "--rows", 3000, "--pages", 10, "--only", "v2"]

    bench("memory.py", kept, *sizes, forks=True)

    rows = [line.split(" | ")[:4] for line in kept.read_text().splitlines() if line.startswith("| v2")]
    assert rows == [["| v2", "3,120", "11", stage] for stage in ("list", "download", "merge")]


def test_what_a_date_costs_beside_its_data_is_told_apart(tmp_path):
    kept = tmp_path / "RESULTS.md"
    command = [sys.executable, ROOT / "benchmarks" / "jobs.py", "--dates", "1", "--record", kept]

    ended = subprocess.run(command, env={"PYTHONPATH": str(ROOT / "scripts")}, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = kept.read_text()
    assert told.startswith("# What a date costs beside its data\n\nMade with `benchmarks/jobs.py --dates 1")
    assert told.endswith(ended.stdout[ended.stdout.index("Tiny dates") :])
    (figures,) = [line for line in told.splitlines() if line.startswith("| 1 | ")]
    assert all(float(figure.replace(",", "")) > 0 for figure in figures.strip("| ").split(" | "))
