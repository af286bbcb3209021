"""What a date costs beside its data: tiny dates, where starting jobs and deciding about them is all there is.

    PYTHONPATH=scripts python benchmarks/jobs.py [--dates 100,1000,2500] [--runs 1] [--bodies DIR]

For each number of dates an empty lake is filled by `snakemake --cores 4` from a simulated terminal of tiny
size, as a user does it. The CPU seconds of a date are told apart: those of its three jobs, those of Snakemake
itself (its own account, and that of the children it waited for), and those of the terminal. Before the fill
the plan for all dates is made once (`--dry-run`); after it everything is sealed, and the same command finds
that nothing is missing. 2,500 dates take most of an hour.

The terminal works on the same cores. Where it keeps its answers in --bodies it makes none anew from the
second run on, as one of the real kind, which has its data, does not either.
"""

from __future__ import annotations

import argparse
import atexit
import datetime as dt
import json
import os
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import programs
import results
import yaml
from programs import Usage

from spx_data.market import sessions

_EARLIEST = dt.date(2012, 6, 1)  # with quotes at the simulated terminal
_MOST_A_DATE, _MOST_FOR_NOTHING = 0.4, 2.5  # seconds
_MOST_CPU = 0.6  # seconds, of a date's three jobs
_STEEPEST = 1.1  # a date among many, in dates among few: growth that is still called linear
_HEADS = (
    "dates", "seconds", "a date", "CPU seconds a date", "of its jobs", "of Snakemake", "of the terminal",
    "plan: seconds", "nothing missing: seconds", "largest process, MB",
)  # fmt: skip


@dataclass(frozen=True)
class Filled:
    """What a fill of so many *dates* took; *jobs*, *snakemake* and *terminal* are CPU seconds."""

    dates: int
    fill: Usage
    jobs: float
    snakemake: float
    terminal: float
    plan: Usage
    nothing: Usage

    @property
    def cpu(self) -> float:
        """All of it."""
        return self.jobs + self.snakemake + self.terminal


# Snakemake in this process ------------------------------------------------------------------------------


def account(file: Path, words: Sequence[str]) -> None:
    """Be `snakemake` with these *words*, and leave in *file* what it used itself and what its jobs did."""

    def write() -> None:
        spent = {
            name: used.ru_utime + used.ru_stime
            for name, used in (
                ("snakemake", resource.getrusage(resource.RUSAGE_SELF)),
                ("jobs", resource.getrusage(resource.RUSAGE_CHILDREN)),
            )
        }
        file.write_text(json.dumps(spent))

    from snakemake.cli import main as snakemake

    atexit.register(write)
    sys.argv = ["snakemake", *words]
    snakemake()


# Measuring ----------------------------------------------------------------------------------------------


def last_sessions(number: int) -> list[str]:
    """The trading dates of the last so many sessions that the terminal has."""
    last = dt.date.fromisoformat(programs.TODAY) - dt.timedelta(days=1)
    found = [session.date.isoformat() for session in sessions.between("NYSE", _EARLIEST, last)]
    if number > len(found):
        sys.exit(f"the simulated terminal has {len(found):,} dates")
    return found[-number:]


def fill(dates: Sequence[str], folder: Path, bodies: Path) -> Filled:
    """Fill an empty lake in *folder* with *dates*; the terminal keeps its answers in *bodies*."""
    spent = folder / "account.json"
    begun = os.times()
    with programs.terminal(bodies.absolute(), size="tiny") as url:
        configure(url, dates, folder)
        plan = programs.run(programs.snakemake("--dry-run", "--quiet", "all"), folder)
        words = programs.snakemake()[1:]
        used = programs.run(programs.python("jobs.py", "--account", spent, *words), folder)
        nothing = programs.run(programs.snakemake(), folder)
    ended = os.times()
    if (sealed := len([*folder.glob("data/parquet/**/*.sha256")])) != len(dates):
        sys.exit(f"{sealed:,} of {len(dates):,} dates are sealed")
    everything = ended.children_user + ended.children_system - begun.children_user - begun.children_system
    told = json.loads(spent.read_text())
    terminal = everything - plan.cpu - used.cpu - nothing.cpu
    return Filled(len(dates), used, told["jobs"], told["snakemake"], terminal, plan, nothing)


def configure(url: str, dates: Sequence[str], folder: Path) -> None:
    """Write the config of an empty lake."""
    document = {
        "thetadata": {"base_url": url},
        "processing": {"start_date": dates[0], "end_date": dates[-1]},
    }
    lake = folder / "config" / "config.yaml"
    lake.parent.mkdir()
    lake.write_text(yaml.safe_dump(document))


# The report ---------------------------------------------------------------------------------------------


def table(rounds: Sequence[Sequence[Filled]]) -> str:
    """A line for each number of dates, with the medians of its runs; then what was promised."""
    lines = [
        f"Tiny dates, by `snakemake --cores 4`; medians of {len(rounds[0])} runs, each into an empty lake.",
        "",
        results.machine("snakemake", "numpy", "pyarrow", "polars"),
        "",
        f"| {' | '.join(_HEADS)} |",
        "|" + " ---: |" * len(_HEADS),
    ]
    for runs in rounds:
        dates = runs[0].dates
        figures = [
            median(run.fill.seconds for run in runs),
            median(run.fill.seconds for run in runs) / dates,
            *(
                median(getattr(run, part) for run in runs) / dates
                for part in ("cpu", "jobs", "snakemake", "terminal")
            ),
            median(run.plan.seconds for run in runs),
            median(run.nothing.seconds for run in runs),
        ]
        peak = max(run.fill.peak for run in runs)
        lines.append(f"| {dates:,} | {' | '.join(f'{each:,.2f}' for each in figures)} | {peak:,.0f} |")
    return "\n".join([*lines, "", *targets(rounds)]) + "\n"


def targets(rounds: Sequence[Sequence[Filled]]) -> Iterator[str]:
    """What was promised, and what came of it."""
    seconds = {runs[0].dates: median(run.fill.seconds for run in runs) / runs[0].dates for runs in rounds}
    few, many = min(seconds), max(seconds)
    nothing = median(run.nothing.seconds for runs in rounds for run in runs if run.dates == many)
    yield _compared(f"seconds a date among {many:,}", seconds[many], _MOST_A_DATE)
    spent = median(run.jobs for runs in rounds for run in runs if run.dates == many) / many
    yield _compared(f"CPU seconds of a date's jobs among {many:,}", spent, _MOST_CPU)
    yield _compared(f"a date among {many:,} over one among {few:,}", seconds[many] / seconds[few], _STEEPEST)
    yield _compared(f"seconds to find that none of {many:,} is missing", nothing, _MOST_FOR_NOTHING)


def _compared(what: str, found: float, most: float) -> str:
    return f"- {what}: {found:.2f}, of at most {most:g}{': **missed**' if found > most else ''}"


def main() -> None:
    """Fill, print and, where asked, keep the table."""
    if sys.argv[1:2] == ["--account"]:
        account(Path(sys.argv[2]), sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description="What a date costs beside its data.")
    parser.add_argument("--dates", default="100,1000,2500", help="numbers of dates, with commas")
    parser.add_argument("--runs", type=int, default=1, help="fills of each number")
    parser.add_argument("--bodies", type=Path, metavar="DIR", help="where the terminal keeps its answers")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the table here")
    given = parser.parse_args()
    rounds: list[list[Filled]] = []
    for number in map(int, given.dates.split(",")):
        dates = last_sessions(number)
        rounds.append([])
        for _ in range(given.runs):
            with tempfile.TemporaryDirectory() as name:
                rounds[-1].append(fill(dates, Path(name), given.bodies or Path(name, "bodies")))
            print(rounds[-1][-1], flush=True)
    told = table(rounds)
    print(f"\n{told}", end="")
    if given.record:
        call = f"`benchmarks/jobs.py --dates {given.dates} --runs {given.runs}`"
        results.keep(given.record, "What a date costs beside its data", call, told)


if __name__ == "__main__":
    main()
