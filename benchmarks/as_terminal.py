"""What a lake costs as a terminal: rows a CPU second of the process that answers, in each format.

    PYTHONPATH=scripts python benchmarks/as_terminal.py [--runs 3] [--size real] [--max-dte 7] [--record FILE]

A day of real size is filled from the simulated terminal, and `spx-data serve --as-terminal` answers from it
as a process of its own: every chain by itself, as a fill asks. CPU seconds are those of that process, with
reading and unpacking the Parquet; its first look at the day, which hashes every byte, is told by itself.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import programs
import psutil
import pyarrow.parquet as pq
import quotes
import results
import yaml

from spx_data import config
from spx_data.lake import passports
from spx_data.settings import Settings

LEAST = 1_000_000  # rows a CPU second
FORMATS = ("csv", "ndjson", "json")
PATHS = {"greeks": "greeks/first_order", "quotes": "quote"}
Chain = tuple[str, str]  # the root, and the expiration as it is listed


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The address and the process of a server of the lake whose config is in *folder*."""
    command = [programs.BIN / "spx-data", "serve"]
    process = subprocess.Popen(
        [*command, "--as-terminal", "--port", "0"],
        cwd=folder,
        env=programs.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        found = re.match(r"(http://\S+) answers", process.stdout.readline())
        if found is None:
            sys.exit("the server did not start")
        yield found[1], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def cpu(process: psutil.Process) -> float:
    """The CPU seconds that a process has used."""
    used = process.cpu_times()
    return float(used.user + used.system)


def ask(url: str, records: str, chain: Chain, form: str) -> int:
    """Ask for the history of a chain; the bytes that came."""
    words = f"symbol={chain[0]}&expiration={chain[1]}&date={quotes.DATE}&interval=1m&format={form}"
    with urllib.request.urlopen(f"{url}/v3/option/history/{PATHS[records]}?{words}") as answer:
        size = 0
        while block := answer.read(1 << 20):
            size += len(block)
    return size


def measured(folder: Path, records: str, runs: int) -> list[str]:
    """The lines about the lake in *folder*."""
    settings = Settings.of(config.resolve(config.load(folder / "config" / "config.yaml"), {}))
    day = dt.date.fromisoformat(quotes.DATE)
    parquet, passport = settings.layout.parquet(day), passports.read(settings.layout, day).document
    rows = pq.read_metadata(parquet).num_rows
    chains = [(each["root"], each["listed"]) for each in passport["chains"] if each["rows"]]
    lines = []
    with serving(folder) as (url, process):
        before = cpu(process)
        ask(url, records, chains[0], "csv")
        lines.append(
            f"| {records}, the first look at {parquet.stat().st_size / 1e6:.0f} MB | | "
            f"{cpu(process) - before:.2f} | |"
        )
        for form in FORMATS:
            used, sizes = [], 0
            for _ in range(runs):
                before = cpu(process)
                sizes = sum(ask(url, records, chain, form) for chain in chains)
                used.append(cpu(process) - before)
            fast = rows / median(used)
            lines.append(
                f"| {records}, {form} | {rows:,} | {median(used):.2f} | {fast / 1e6:.2f} |"
                + ("" if fast >= LEAST or form != "csv" else " **missed**")
            )
            assert sizes > rows
        memory = process.memory_info().rss / 1e6
    return [*lines, f"| {records}, memory at the end, MB | | {memory:.0f} | |"]


def main() -> None:
    """Measure, print, and keep the table where it is wanted."""
    parser = argparse.ArgumentParser(description="A lake as a terminal.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", default="real")
    parser.add_argument("--max-dte", type=int, default=7)
    parser.add_argument("--bodies", type=Path, default=Path("data/bodies"))
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    lines = [
        results.machine("polars", "pyarrow"),
        "",
        "| | rows | CPU seconds | million rows a CPU second |",
        "| --- | ---: | ---: | ---: |",
    ]
    for records in PATHS:
        with (
            tempfile.TemporaryDirectory() as scratch,
            programs.terminal(given.bodies, api="v3", size=given.size) as url,
        ):
            folder, way = Path(scratch), quotes.Way(records, records, "plain")
            document = quotes.document(way, url, folder, given.max_dte)
            (folder / "config").mkdir()
            (folder / "config" / "config.yaml").write_text(yaml.safe_dump(document))
            for stage in quotes.STAGES:
                programs.run(
                    programs.python("stages.py", folder / "config" / "config.yaml", stage, quotes.DATE),
                    folder,
                )
            lines += measured(folder, records, given.runs)
    text = "\n".join(lines)
    print(text)
    if given.record:
        call = (
            f"`benchmarks/as_terminal.py --size {given.size} --max-dte {given.max_dte} --runs {given.runs}`"
        )
        results.keep(given.record, "What a lake costs as a terminal", call, text)


if __name__ == "__main__":
    main()
