"""The benchmarks of the output on a few dates of three chains: all ways to ask agree; the tables are kept."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def rows_of(script: str, title: str, kept: Path) -> list[list[str]]:
    """The rows of the tables that a benchmark keeps under its title."""
    command = [sys.executable, ROOT / "benchmarks" / script, "--brief", "--runs", "1", "--record", kept]
    ended = subprocess.run(command, env={"PYTHONPATH": str(ROOT / "scripts")}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = kept.read_text()
    assert told.startswith(f"# {title}\n\nMade with")
    return [line.strip("| ").split(" | ") for line in told.splitlines() if line.startswith("| ")]


def test_each_question_is_asked_of_both_formats_in_both_engines(tmp_path):
    rows = rows_of("output.py", "What the sealed files buy", tmp_path / "RESULTS.md")

    assert [row[0] for row in rows[:3]] == ["lake", "---", "day"]
    assert [(row[1], row[2]) for row in rows if row[2] in ("DuckDB", "Polars")] == [
        (lake, engine) for lake in ("day", "month", "month") for engine in ("DuckDB", "Polars")
    ]


def test_each_layout_answers_as_the_sealed_files_do(tmp_path):
    rows = rows_of("layouts.py", "How else the rows could lie", tmp_path / "RESULTS.md")

    assert [row[:2] for row in rows if row[0] == "as sealed"] == [["as sealed", "100%"]]
    assert len(rows) == 2 + 12
    assert all(len(row) == 8 for row in rows)
