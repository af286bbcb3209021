"""What a date of quotes costs by one answer a root, beside one a chain, and beside a date of greeks.

    PYTHONPATH=scripts python benchmarks/quotes.py [--runs 3] [--size real] [--max-dte 7] [--record FILE]

A date of real size is listed, downloaded and merged by processes of their own: quotes from a terminal that
answers all chains of a root at once, quotes from one that refuses that, and greeks of the first order. Greeks
are computed by the terminal alone, so what a fill of them costs has no computing of greeks in it.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import programs
import results
import yaml
from programs import Usage

DATE = "2024-01-03"
MOST_MB, MOST_TIMES = 700, 1.2
STAGES = ("list", "download", "merge")


@dataclass(frozen=True)
class Way:
    """What is filled, and how the terminal answers about all chains at once."""

    name: str
    records: str
    star: str


WAYS = (
    Way("greeks, a request a chain", "greeks", "plain"),
    Way("quotes, a request a chain", "quotes", "refused"),
    Way("quotes, a request a root", "quotes", "plain"),
)


def fill(way: Way, url: str, max_dte: int | None) -> dict[str, Usage]:
    """Fill the date into an empty lake; what each stage used."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        lake = folder / "config.yaml"
        lake.write_text(yaml.safe_dump(document(way, url, folder, max_dte)))
        return {name: programs.run(programs.python("stages.py", lake, name, DATE), folder) for name in STAGES}


def document(way: Way, url: str, folder: Path, max_dte: int | None) -> dict[str, Any]:
    """The config of a lake in *folder*."""
    return {
        "thetadata": {"base_url": url, "api": "v3"},
        "processing": {
            "start_date": DATE,
            "records": way.records,
            "max_dte": max_dte,
            "output_directory": str(folder / "parquet"),
            "temp_directory": str(folder / "temp"),
            "data_directory": str(folder / "data"),
        },
        "database": {"path": str(folder / "status.db")},
    }


def main() -> None:
    """Measure, print, and keep the table where it is wanted."""
    parser = argparse.ArgumentParser(description="A date of quotes at once.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", default="real")
    parser.add_argument("--max-dte", type=int, help="of all chains, those that expire within so many days")
    parser.add_argument("--bodies", type=Path, default=Path("data/bodies"))
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    found: dict[Way, list[dict[str, Usage]]] = {way: [] for way in WAYS}
    for way in WAYS:
        words = {"api": "v3", "size": given.size, "star": way.star}
        with programs.terminal(given.bodies, **words) as url:
            if given.runs > 1:  # else it is a trial
                fill(way, url, given.max_dte)  # unmeasured: the terminal builds its bodies
            found[way] = [fill(way, url, given.max_dte) for _ in range(given.runs)]
    text = "\n".join(table(found))
    print(text)
    if given.record:
        call = f"`benchmarks/quotes.py --size {given.size} --runs {given.runs}`"
        results.keep(given.record, "What a date of quotes costs", call, text)


def table(found: dict[Way, list[dict[str, Usage]]]) -> list[str]:
    """The lines of the table, and what became of the limits."""
    usual = cpu(found[WAYS[0]])
    lines = [
        results.machine("polars", "pyarrow"),
        "",
        "| | CPU seconds | × greeks | seconds | largest process, MB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for way, runs in found.items():
        seconds = median(sum(usage.seconds for usage in run.values()) for run in runs)
        lines.append(
            f"| {way.name} | {cpu(runs):.1f} | {cpu(runs) / usual:.2f} | {seconds:.1f} | {peak(runs):,.0f} |"
        )
    times, most = cpu(found[WAYS[2]]) / usual, peak(found[WAYS[2]])
    lines += [
        "",
        f"- CPU of quotes by a request a root: {times:.2f} × that of greeks, of at most {MOST_TIMES}"
        + ("" if times <= MOST_TIMES else " **missed**"),
        f"- largest process: {most:,.0f} MB, of at most {MOST_MB}"
        + ("" if most <= MOST_MB else " **missed**"),
    ]
    return lines


def cpu(runs: list[dict[str, Usage]]) -> float:
    """The CPU seconds of all stages, the median of *runs*."""
    return float(median(sum(usage.cpu for usage in run.values()) for run in runs))


def peak(runs: list[dict[str, Usage]]) -> float:
    """The memory of the largest process, in MB."""
    return max(usage.peak for run in runs for usage in run.values())


if __name__ == "__main__":
    main()
