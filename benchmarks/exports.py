"""What an export costs: CPU seconds for a real-size day, filtered to a week and deltas of 0.02 to 0.98.

    PYTHONPATH=scripts python benchmarks/exports.py [--formats lean,csv] [--runs 3] [--record FILE]

The day has the chains and strikes of the simulated market of real size, and prices by a formula. It is sealed
in a temporary folder and exported in a process of its own each time, as `spx-data export` does it. For all
formats it wants the environment of `make nautilus`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import multiprocessing
import resource
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import polars as pl
import results

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests import sealed_rows

from spx_data import exports
from spx_data.exports import exporting
from spx_data.exports.selection import Selection
from theta_simulator.market import Market

DATE = dt.date(2024, 1, 2)
WEEK = Selection(max_dte=7, delta=(0.02, 0.98))
MOST = {"lean": 10.0, "nautilus": 30.0}  # CPU seconds
ROOTS = ("SPX", "SPXW")


class Cost(NamedTuple):
    """What one export took."""

    seconds: float  # of CPU, its start with imports included
    megabytes: float  # resident at most
    files: int
    written: int  # bytes


def sealed(folder: Path) -> Path:
    """A sealed day of real size in *folder*."""
    market, stamps = Market(size="real"), sealed_rows.stamps_of(DATE)
    chains = (
        sealed_rows.chain(DATE, root, each.label, list(market.strikes(each, DATE)), stamps)
        for root in ROOTS
        for each in market.expirations(root, DATE)
    )
    return sealed_rows.seal(folder, DATE, chains)


def _exported(parquet: Path, name: str, folder: Path, to: multiprocessing.SimpleQueue[Cost]) -> None:
    form = exports.of(name)
    (day,) = exporting.export([parquet], form, folder, WEEK if form.selective else Selection())
    used = resource.getrusage(resource.RUSAGE_SELF)
    size = sum(path.lstat().st_size for path in day.paths)
    to.put(Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, len(day.paths), size))


def measured(parquet: Path, name: str, runs: int) -> list[Cost]:
    """The costs of some exports as *name*, each in a new process."""
    context, found = multiprocessing.get_context("spawn"), []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            queue: multiprocessing.SimpleQueue[Cost] = context.SimpleQueue()
            process = context.Process(target=_exported, args=(parquet, name, Path(folder) / "out", queue))
            process.start()
            process.join()
            if process.exitcode:
                raise SystemExit(f"the export as {name} ended with {process.exitcode}")
            found.append(queue.get())
    return found


def report(names: list[str], runs: int) -> str:
    """The results as a table in Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        parquet = sealed(Path(folder))
        rows = pl.scan_parquet(parquet)
        chosen = WEEK.of(rows, DATE).select(pl.len()).collect(engine="streaming").item()
        every = rows.select(pl.len()).collect().item()
        costs = {name: measured(parquet, name, runs) for name in names}
    lines = [
        f"{every:,} rows, of which {chosen:,} are selected ({runs} runs each, medians; delta takes all).",
        "",
        results.machine("polars", "pyarrow"),
        "",
        "| format | CPU seconds | target | files | MB written | largest process, MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, found in costs.items():
        seconds = statistics.median(cost.seconds for cost in found)
        target = f"≤ {MOST[name]:g}" if name in MOST else ""
        size = max(cost.megabytes for cost in found)
        written = f"{found[0].files:,} | {found[0].written / 1e6:.1f}"
        lines.append(f"| {name} | {seconds:.1f} | {target} | {written} | {size:,.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and, where asked, keep the table."""
    parser = argparse.ArgumentParser(description="What an export costs.")
    parser.add_argument("--formats", default="nautilus,lean,optopsy,csv,delta", help="parted by commas")
    parser.add_argument("--runs", type=int, default=3, help="measured runs of each format")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the table here")
    given = parser.parse_args()
    text = report(given.formats.split(","), given.runs)
    print(text, end="")
    if given.record:
        chosen = "" if given.formats == parser.get_default("formats") else f" --formats {given.formats}"
        call = f"`benchmarks/exports.py{chosen} --runs {given.runs}`"
        results.keep(given.record, "What an export costs", call, text)


if __name__ == "__main__":
    main()
