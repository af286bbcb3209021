"""The largest process of each stage where one chain is huge: five million rows, in one answer or ten pages.

    PYTHONPATH=scripts python benchmarks/memory.py [--rows 5000000] [--pages 10] [--only v3] [--record FILE]

Of a real-size date the listing is cut down to the chain whose records come nearest to so many rows; it is
downloaded and merged by processes of their own, from a v3 terminal, which sends it whole, and from a v2
terminal, which sends it in pages. The terminal builds such an answer in a minute or two, and in 10 GB.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import programs
import results
import yaml
from programs import Usage

DATE = "2024-01-03"
MOST = 700  # MB of any process
SECONDS = {"1s": 1, "5s": 5, "10s": 10, "30s": 30, "1m": 60, "5m": 300, "1h": 3600}
_SESSION = 6.5 * 3600


@dataclass(frozen=True)
class Case:
    """One chain through one API: what was asked for, and what each stage used."""

    api: str
    rows: int
    answers: int
    stages: dict[str, Usage]


def measure(api: str, folder: Path, given: argparse.Namespace) -> Case:
    """List, cut the listing down to one chain, download and merge it."""
    folder.mkdir()
    page = given.rows // given.pages
    log = folder / "requests.jsonl"
    words = {"api": api, "size": given.size, "page_size": page, "request_log": log}
    with programs.terminal(given.bodies, **words) as url:
        lake = folder / "config.yaml"
        lake.write_text(yaml.safe_dump(document(url, api, folder, given.interval)))
        stages = {"list": stage(lake, "list")}
        keep_one(folder / "temp" / DATE / "expirations.json", given)
        stages |= {name: stage(lake, name) for name in ("download", "merge")}
    asked = [json.loads(line) for line in log.read_text().splitlines()]
    history = [each for each in asked if "/greeks" in (each["page_of"] or each["path"])]
    return Case(api, rows_of(folder), len(history), stages)


def document(url: str, api: str, folder: Path, interval: str) -> dict[str, Any]:
    """The config of a lake in *folder*."""
    return {
        "thetadata": {"base_url": url, "api": api, "greeks_version": "1"},
        "processing": {
            "start_date": DATE,
            "interval": interval,
            "output_directory": str(folder / "parquet"),
            "temp_directory": str(folder / "temp"),
            "data_directory": str(folder / "data"),
        },
        "database": {"path": str(folder / "status.db")},
    }


def stage(lake: Path, name: str) -> Usage:
    """Do one stage."""
    return programs.run(programs.python("stages.py", lake, name, DATE), lake.parent)


def keep_one(listing: Path, given: argparse.Namespace) -> None:
    """Leave one chain in *listing*: the one whose records come nearest to the rows that are wanted."""
    stamps = _SESSION / SECONDS[given.interval]
    told = json.loads(listing.read_text())

    def distance(chain: dict[str, Any]) -> float:
        return abs(stamps * (len(chain["calls"]) + len(chain["puts"])) - given.rows)

    told["chains"] = [min(told["chains"], key=distance)]
    listing.write_text(json.dumps(told))


def rows_of(folder: Path) -> int:
    """The records that were sealed, as the passport has them."""
    (passport,) = folder.glob(f"parquet/**/spx-options-{DATE}.json")
    rows: int = json.loads(passport.read_text())["rows"]
    return rows


def report(cases: list[Case], given: argparse.Namespace) -> str:
    """The results as a table in Markdown."""
    lines = [
        f"One chain of {DATE} at {given.interval}, each stage in a process of its own.",
        "",
        results.machine("pyarrow", "polars"),
        "",
        "| API | rows | answers | stage | largest process, MB | target | CPU seconds | per million records |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for case in cases:
        for name, used in case.stages.items():
            over = " **over**" if used.peak > MOST else ""
            lines.append(
                f"| {case.api} | {case.rows:,} | {case.answers} | {name} | {used.peak:,.0f}{over} | ≤ {MOST} "
                f"| {used.cpu:.1f} | {used.cpu / case.rows * 1e6:.2f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and, where asked, keep the table."""
    parser = argparse.ArgumentParser(description="The largest process of each stage where one chain is huge.")
    parser.add_argument("--size", default="real", help="of the simulated market")
    parser.add_argument("--interval", choices=SECONDS, default="1s")
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the chain, about")
    parser.add_argument("--pages", type=int, default=10, help="of v2's answer, about")
    parser.add_argument("--only", choices=("v3", "v2"), help="one API instead of both")
    parser.add_argument("--bodies", type=Path, metavar="DIR", help="where the terminal keeps its answers")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the table here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        given.bodies = (given.bodies or Path(name) / "bodies").resolve()
        apis = [given.only] if given.only else ["v3", "v2"]
        cases = [measure(api, Path(name) / api, given) for api in apis]
    text = report(cases, given)
    print(text, end="")
    if given.record:
        call = f"`benchmarks/memory.py --size {given.size} --interval {given.interval} --rows {given.rows}`"
        results.keep(given.record, "The memory that a huge chain takes", call, text)


if __name__ == "__main__":
    main()
