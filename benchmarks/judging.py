"""What judging a date costs beside merging it: CPU seconds and the largest resident set, on a real-size date.

    PYTHONPATH=scripts python benchmarks/judging.py [--chains 73] [--runs 3] [--record FILE]

The date is staged once from the simulated terminal, as the workflow stages it. Then it is merged again and
again, each time in a process of its own: with the judgement, without it (here, not in the product: nothing
is judged and nothing proved complete), and once with a clock around each part of it. The judgement may cost
half of what merging costs.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import clocks
import results
from clocks import Parts

import theta_simulator
from spx_data import config
from spx_data.fill import chunks, merge
from spx_data.fill.download import download_expirations
from spx_data.fill.survey import fetch_expirations
from spx_data.market import sessions
from spx_data.quality import arbitrage, completeness, greeks, judgement, parity, quotes, smile, underlying
from spx_data.quality.completeness import Completeness
from spx_data.quality.judgement import Judgement
from spx_data.quality.panel import Panel, Presence
from spx_data.settings import Settings
from spx_data.store import files, reads
from theta_simulator.settings import Size

DATE = dt.date(2024, 1, 3)
MOST = 0.5  # of the CPU time of merging
# What each part of a judgement is asked for; the clock of one stands still while another's runs.
PARTS: Parts = {
    "panel": [(Panel, "__init__"), (Panel, "grid")],
    "quotes": [(quotes, "judge")],
    "underlying": [(underlying, "judge"), (underlying, "across"), (underlying.Line, "of")],
    "arbitrage": [(arbitrage, "judge")],
    "parity": [(parity, "fit"), (parity, "judge")],
    "smile": [(smile, "judge")],
    "greeks": [(greeks, "sample"), (greeks, "examine")],
    "figures": [(judgement, "chain_figures"), (judgement, "day_figures")],
    "completeness": [(Presence, "add_records"), (completeness, "of_chain")],
}


# Staging ------------------------------------------------------------------------------------------------


def settings_of(folder: Path, url: str = "http://127.0.0.1:1") -> Settings:
    """A lake in *folder*."""
    document = {
        "thetadata": {"base_url": url},
        "processing": {
            "start_date": DATE.isoformat(),
            "output_directory": str(folder / "parquet"),
            "temp_directory": str(folder / "temp"),
            "data_directory": str(folder / "data"),
            "keep_ndjson": True,
        },
        "database": {"path": str(folder / "status.db")},
    }
    return Settings.of(config.resolve(document, {}))


def cut_down(listing: Path, chains: int) -> None:
    """Leave so many *chains* in a listing, evenly spread over its expirations."""
    document = reads.read_json(listing)
    known = document["chains"]
    some = min(chains, len(known))
    document["chains"] = [known[number * len(known) // some] for number in range(some)]
    files.write_json(listing, document)


def stage(folder: Path, chains: int, size: Size) -> None:
    """Stage so many *chains* of the date, evenly spread over its expirations."""
    terminal = theta_simulator.Settings(size=size, today=dt.date(2024, 12, 31))
    with theta_simulator.running(terminal) as running:
        settings = settings_of(folder, running.url)
        listing, manifest = settings.layout.listing(DATE), settings.layout.manifest(DATE)
        fetch_expirations(settings, DATE, listing)
        cut_down(listing, chains)
        download_expirations(settings, DATE, listing, manifest)


# Merging ------------------------------------------------------------------------------------------------


class Unjudged:
    """A judge that looks at nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def add(self, *_: object) -> None:
        """Take a chain."""

    def finish(self, _: object) -> Judgement:
        """Say nothing."""
        return Judgement({})


def unproved(*_: object) -> Completeness:
    """No proof at all."""
    return Completeness(completeness.Balance())


class Unseen:
    """A census that counts nobody."""

    def __init__(self, *_: object) -> None:
        pass

    def add_records(self, _: object) -> None:
        """Take records."""


def measure(folder: Path, way: str) -> None:
    """Merge the staged date in this process and print what it took; *way* is judged, bare or timed."""
    spent: Counter[str] = Counter()
    if way == "bare":
        merge.Judge, chunks.Presence = Unjudged, Unseen  # type: ignore[misc, assignment]
        completeness.of_chain = unproved
    if way == "timed":
        spent = clocks.start(PARTS)
    settings = settings_of(folder)
    (session,) = sessions.between("NYSE", DATE, DATE)
    begun = time.process_time()
    layout = settings.layout
    merge.merge_date(settings, DATE, layout.manifest(DATE), layout.parquet(DATE), session=session)
    seconds = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    rows = reads.read_json(layout.passport(DATE))["rows"]
    print(json.dumps({"seconds": seconds, "peak": peak, "rows": rows, "parts": dict(spent)}))


def run(folder: Path, way: str) -> Mapping[str, Any]:
    """Merge in a process of its own: a child's largest resident set begins with its parent's."""
    ended = subprocess.run(
        [sys.executable, __file__, "--merge", folder, way], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


# The report ---------------------------------------------------------------------------------------------


def report(judged: list[Mapping[str, Any]], bare: list[Mapping[str, Any]], timed: Mapping[str, Any]) -> str:
    """The results as tables in Markdown."""
    rows = timed["rows"]
    cost, base = (statistics.median(run["seconds"] for run in runs) for runs in (judged, bare))
    ratio = (cost - base) / base
    lines = [
        f"{rows:,} records; medians of {len(judged)} runs, in processes of their own.",
        "",
        results.machine("polars", "numpy", "scipy"),
        "",
        "| | CPU seconds | per million records | largest resident set |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, runs in (("merged without a judgement", bare), ("merged and judged", judged)):
        seconds = statistics.median(run["seconds"] for run in runs)
        peak = max(run["peak"] for run in runs)
        lines.append(f"| {name} | {seconds:.1f} | {seconds / rows * 1e6:.2f} | {peak:,.0f} MB |")
    verdict = "within" if ratio <= MOST else "**over**"
    lines += [
        "",
        f"The judgement costs {ratio:.0%} of what merging costs: {verdict} the {MOST:.0%} that it may.",
        "",
        "| part | CPU seconds | per million records |",
        "| --- | ---: | ---: |",
    ]
    for part, seconds in sorted(timed["parts"].items(), key=lambda item: -item[1]):
        lines.append(f"| {part} | {seconds:.2f} | {seconds / rows * 1e6:.3f} |")
    together = sum(timed["parts"].values())
    lines.append(
        f"| together, {together / base:.0%} of merging | {together:.2f} | {together / rows * 1e6:.3f} |"
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Stage the date, merge it so many times in either way, print and, where asked, keep the tables."""
    parser = argparse.ArgumentParser(description="What judging a date costs beside merging it.")
    parser.add_argument("--chains", type=int, default=73, help="of the date's 73")
    parser.add_argument("--size", choices=get_args(Size), default="real", help="of the simulated market")
    parser.add_argument("--runs", type=int, default=3, help="measured merges of each kind")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the tables here")
    parser.add_argument("--stage", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--merge", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        stage(given.stage, given.chains, given.size)
        return
    if given.merge:
        measure(Path(given.merge[0]), given.merge[1])
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"staging {given.chains} chains …", flush=True)
        command = [
            sys.executable,
            __file__,
            "--stage",
            folder,
            "--chains",
            str(given.chains),
            "--size",
            given.size,
        ]
        subprocess.run(command, check=True)
        print("merging …", flush=True)
        # In turns: a machine that is busy is busy for both.
        pairs = [(run(folder, "bare"), run(folder, "judged")) for _ in range(given.runs)]
        timed = run(folder, "timed")
    text = report([judged for _, judged in pairs], [bare for bare, _ in pairs], timed)
    print(f"\n{text}", end="")
    if given.record:
        call = f"`benchmarks/judging.py --chains {given.chains} --runs {given.runs}`"
        results.keep(given.record, "What a judgement costs", call, text)


if __name__ == "__main__":
    main()
