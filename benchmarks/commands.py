"""What each command costs on a lake of ten years: cold processes, against the targets of the project.

    make bench
    PYTHONPATH=scripts python benchmarks/commands.py [--days 2500] [--failed 50] [--runs 5] [--record FILE]

Every command runs once unmeasured, which fills the caches that it may fill, then so many times in turns with
the others. Seconds are of the clock; CPU is what the process and its children used. On a machine with other
work only the ratios mean anything: to a Python that starts and ends.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import big_lake
import results

from spx_data import config
from spx_data.lake import acceptance, session_states
from spx_data.market import sessions
from spx_data.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
_REBUILD = """
from spx_data import config, status
from spx_data.market import sessions
from spx_data.settings import Settings
status.rebuild(Settings.of(config.resolve(config.load(config.FILE))), sessions.now())
"""
_FRAMES = """
import spx_data
assert len(spx_data.chains(missing="ignore")) > len(spx_data.days(missing="ignore"))
"""
_KEPT = """
from spx_data import config
from spx_data.lake import frames
from spx_data.settings import Settings
layout = Settings.of(config.resolve(config.load(config.FILE))).layout
for path in (*layout.cache.glob("chains-*"), *layout.cache.glob("days-*")) if {anew} else ():
    path.unlink()
frames.keep(layout)
"""
_SNAKEMAKE = (str(BIN / "snakemake"), "--snakefile", str(ROOT / "Snakefile"), "--cores", "4")
_NOTHING = "Nothing to be done"


@dataclass
class Command:
    """One command line, its target in seconds, and what was measured of it."""

    name: str
    line: Sequence[str]
    target: float | None = None
    codes: frozenset[int] = frozenset({0})
    says: str = ""
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def run(self, folder: Path, *, measured: bool = True) -> None:
        """Run it once in *folder*; ends the benchmark where it does not do what it should."""
        before, begun = os.times(), time.perf_counter()
        ended = subprocess.run(
            self.line,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds, after = time.perf_counter() - begun, os.times()
        if ended.returncode not in self.codes or self.says not in ended.stdout:
            sys.exit(f"{self.name} ended with {ended.returncode}:\n{ended.stdout}")
        if measured:
            self.seconds.append(seconds)
            spent = after.children_user + after.children_system
            self.cpu.append(spent - before.children_user - before.children_system)


def environment() -> dict[str, str]:
    """The environment of every process: no settings but the lake's, and its clock."""
    plain = {name: value for name, value in os.environ.items() if name not in config.ENVIRONMENT}
    return {**plain, sessions.NOW_VARIABLE: big_lake.MOMENT, "PYTHONPATH": str(ROOT / "scripts")}


def spx_data(*arguments: str, target: float, codes: Sequence[int] = (0,)) -> Command:
    """A call of the installed command."""
    return Command(
        f"spx-data {' '.join(arguments)}",
        (str(BIN / "spx-data"), *arguments),
        target,
        frozenset(codes),
    )


def commands() -> list[Command]:
    """What is measured on the lake with its failed dates; exit code 1 says that they need somebody."""
    return [
        Command("python -c pass", (sys.executable, "-c", "pass")),
        spx_data("config", "get", "processing.start_date", target=0.3),
        spx_data("status", target=0.8),
        spx_data("list", target=0.8),
        spx_data("gaps", target=0.8, codes=(0, 1)),
        spx_data("plan", target=0.9),
        spx_data("errors", target=0.8),
        spx_data("errors", "--by", "type", target=0.8),
        spx_data("metrics", target=0.8),
        spx_data("metrics", "--trend", target=0.8),
        spx_data("quality", target=2.0),
        spx_data("quality", "--trend", target=2.0),
        spx_data("quality", big_lake.LAST.isoformat(), target=2.0),
        spx_data("inventory", target=2.0),
        spx_data("health", target=1.5, codes=(0, 1)),
        spx_data("ready", "--dates", "2024", target=2.0, codes=(0, 1)),
        spx_data("views", target=0.8),
        Command("spx_data.chains, spx_data.days (library)", (sys.executable, "-c", _FRAMES), 2.0),
        Command(
            "the end of a run, nothing new for chains and days (library)",
            (sys.executable, "-c", _KEPT.format(anew=False)),
            1.0,
        ),
        Command(
            "the end of a run, all of chains and days anew (library)",
            (sys.executable, "-c", _KEPT.format(anew=True)),
        ),
        spx_data("report", target=3.0),
        Command("rebuild of the database (library)", (sys.executable, "-c", _REBUILD), 3.0),
        Command("snakemake status", (*_SNAKEMAKE, "status")),
    ]


def measure(chosen: Sequence[Command], folder: Path, runs: int) -> None:
    """Run all of *chosen* in turns, once more than is measured; a single run is a trial, and measured."""
    unmeasured = int(runs > 1)
    for number in range(unmeasured + runs):
        for command in chosen:
            command.run(folder, measured=number >= unmeasured)


def accept_failed(settings: Settings) -> None:
    """Leave the failed dates as they are, so that nothing is missing."""
    moment = dt.datetime.fromisoformat(big_lake.MOMENT)
    for session, state in session_states.states(settings, moment).items():
        if state.kind is not session_states.Kind.SEALED:
            acceptance.accept(settings, session.date, "failed on purpose")


def report(measured: Sequence[Command], days: int, failed: int, runs: int) -> str:
    """The results as a table in Markdown."""
    empty = statistics.median(measured[0].seconds)
    lines = [
        f"{days:,} sealed and {failed} failed dates; medians of {runs} cold runs.",
        "",
        results.machine("snakemake"),
        "",
        "| command | seconds | fastest | CPU seconds | target | × empty Python |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for command in measured:
        median = statistics.median(command.seconds)
        target = f"< {command.target:g}" if command.target else ""
        over = " **over**" if command.target and median >= command.target else ""
        lines.append(
            f"| `{command.name}` | {median:.2f}{over} | {min(command.seconds):.2f} "
            f"| {statistics.median(command.cpu):.2f} | {target} | {median / empty:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the lake, measure, print and, where asked, keep the table."""
    parser = argparse.ArgumentParser(description="What each command costs on a big lake.")
    parser.add_argument("--days", type=int, default=2500, help="sealed dates")
    parser.add_argument("--failed", type=int, default=50, help="failed dates")
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each command")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the table here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"making {given.days:,} sealed and {given.failed} failed dates …", flush=True)
        settings = big_lake.make(folder, given.days, given.failed)
        print("measuring …", flush=True)
        measured = commands()
        measure(measured, folder, given.runs)
        accept_failed(settings)
        nothing = Command("snakemake, nothing missing", _SNAKEMAKE, 2.5, says=_NOTHING)
        measure([nothing], folder, given.runs)
    table = report([*measured, nothing], given.days, given.failed, given.runs)
    print(f"\n{table}", end="")
    if given.record:
        call = f"benchmarks/commands.py --days {given.days} --failed {given.failed} --runs {given.runs}"
        results.keep(given.record, "What the commands cost", f"`make bench` (`{call}`)", table)


if __name__ == "__main__":
    main()
