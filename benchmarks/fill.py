"""What a fill costs beside the floor under it and beside scripts that check nothing.

    PYTHONPATH=scripts python benchmarks/fill.py [--dates 1] [--service-ms 0,250] [--runs 5] [--only NAME,…]

From a simulated terminal of real size the same dates are filled by turns: by us, with `snakemake --cores 4`
and every check, into an empty lake; by our three jobs without Snakemake; by a straight script; by a script as
most people write it; and the same requests are fetched and thrown away, which is the floor. A request takes
the service time, in which it holds one of the terminal's four places, and then as long as its body takes.

First, unmeasured, the dates are listed and downloaded once: that builds the bodies, which the terminal keeps
in --bodies (0.45 GB a date, the script's JSON as much again), and tells which requests a fill makes.

CPU seconds mean something on any quiet machine, seconds of the clock only beside the floor: the terminal that
serves the bodies works on the same cores. What the script in pandas and our jobs cost does not depend on the
service time: they are measured without one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import programs
import results
import yaml
from programs import Usage

FIRST = "2024-01-03"
LIMIT = 4  # requests in flight
_SAMPLE_SECONDS = 0.05
_SESSIONS = """
import datetime as dt, sys
from spx_data.market import sessions
first = dt.date.fromisoformat(sys.argv[1])
found = sessions.between("NYSE", first, first + dt.timedelta(days=30 + 2 * int(sys.argv[2])))
print(*[session.date for session in found[:int(sys.argv[2])]])
"""
_ROWS = """
import sys
import pyarrow.parquet as pq
print(sum(pq.read_metadata(name).num_rows for name in sys.argv[1:]))
"""


@dataclass(frozen=True)
class Task:
    """What every program is to do: *dates* from the terminal at *url*; *paths* are a fill's requests."""

    url: str
    dates: Sequence[str]
    paths: Path


@dataclass(frozen=True)
class Outcome:
    """What a program used, and what it left: records, bytes of Parquet, at most so much staged for a date."""

    used: Usage
    rows: int = 0
    bytes: int = 0
    staged: int = 0


@dataclass(frozen=True)
class Requests:
    """The requests of a fill, in a file, and the most bytes that its bodies in flight can take."""

    paths: Path
    in_flight: int


# The programs -------------------------------------------------------------------------------------------


def ours(task: Task, folder: Path) -> Outcome:
    """The main job, as a user starts it."""
    configure(task, folder)
    with staged(folder / "data" / "temp") as most:
        used = programs.run(programs.snakemake(), folder)
    return left(used, folder, max(most.values(), default=0))


def jobs(task: Task, folder: Path) -> Outcome:
    """The three jobs of each date, one after the other."""
    lake = configure(task, folder)
    parts = [stage(lake, name, date) for date in task.dates for name in ("list", "download", "merge")]
    used = Usage(
        sum(part.seconds for part in parts), sum(part.cpu for part in parts), max(part.peak for part in parts)
    )
    return left(used, folder)


def script(name: str, *words: str) -> Callable[[Task, Path], Outcome]:
    """One of the scripts that check nothing, with *words* of its own."""

    def run(task: Task, folder: Path) -> Outcome:
        used = programs.run(programs.python(name, task.url, folder, *words, *task.dates), folder)
        files = sorted(folder.glob("*.parquet"))
        return Outcome(used, int(_told(_ROWS, *files)), sum(file.stat().st_size for file in files))

    return run


def floor(task: Task, folder: Path) -> Outcome:
    """The same requests, thrown away."""
    words = (task.url, task.paths, "--connections", LIMIT)
    return Outcome(programs.run(programs.python("network_floor.py", *words), folder))


PROGRAMS: dict[str, tuple[str, Callable[[Task, Path], Outcome]]] = {
    "floor": ("network floor", floor),
    "ours": ("ours: Snakemake, all checks", ours),
    "jobs": ("ours: the three jobs alone", jobs),
    "straight": ("straight script, Polars", script("straight_script.py")),
    "sorted": ("the same, the day sorted as a whole", script("straight_script.py", "--whole")),
    "pandas": ("script with pandas", script("pandas_script.py")),
}
_WAITING = ("floor", "ours", "straight", "sorted")  # what is measured with a service time too


def configure(task: Task, folder: Path) -> Path:
    """Write the config of an empty lake in *folder*."""
    document = {
        "thetadata": {"base_url": task.url, "max_concurrent_requests": LIMIT},
        "processing": {"start_date": task.dates[0], "end_date": task.dates[-1]},
    }
    lake = folder / "config" / "config.yaml"
    lake.parent.mkdir()
    lake.write_text(yaml.safe_dump(document))
    return lake


def stage(lake: Path, name: str, date: str) -> Usage:
    """Do one stage of one date."""
    command = programs.python("stages.py", lake, name, date)
    return programs.run(command, lake.parent.parent)


def left(used: Usage, folder: Path, staged: int = 0) -> Outcome:
    """What stands in our lake."""
    parquet = folder / "data" / "parquet"
    rows = sum(json.loads(file.read_text())["rows"] for file in parquet.glob("*/**/spx-options-*.json"))
    size = sum(file.stat().st_size for file in parquet.glob("*/**/*.parquet"))
    return Outcome(used, rows, size, staged)


@contextlib.contextmanager
def staged(temp: Path) -> Iterator[dict[str, int]]:
    """While the block lasts, look at the folder of temporary files: the most bytes seen in each date's."""
    most: dict[str, int] = defaultdict(int)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            for folder in temp.glob("*-*-*"):
                most[folder.name] = max(most[folder.name], _size(folder))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def _size(folder: Path) -> int:
    """The bytes in a folder whose files come and go."""
    size = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                size += entry.stat().st_size
    return size


def _told(code: str, *words: object) -> str:
    """What a few lines of Python print; in a process of their own, since whoever measures stays small."""
    return programs.told([sys.executable, "-c", code, *map(str, words)], Path.cwd())


# Measuring ----------------------------------------------------------------------------------------------


def asked(dates: Sequence[str], chosen: Sequence[str], folder: Path, terminal: dict[str, object]) -> Requests:
    """List and download every date once, unmeasured."""
    log, paths = folder / "requests.jsonl", folder / "paths"
    with programs.terminal(request_log=log, **terminal) as url:
        task = Task(url, dates, paths)
        lake = configure(task, folder)
        for date in dates:
            stage(lake, "list", date)
            stage(lake, "download", date)
        shutil.rmtree(folder / "data")
        requests = [json.loads(line) for line in log.read_text().splitlines()]
        if "pandas" in chosen:
            PROGRAMS["pandas"][1](task, folder)
    counted = [each for each in requests if each["counted"]]
    paths.write_text("".join(f"{each['path']}?{urlencode(each['query'])}\n" for each in counted))
    return Requests(paths, sum(sorted(each["bytes"] for each in counted)[-LIMIT:]))


@dataclass
class Measured:
    """The outcomes of every program at one service time."""

    service_ms: int
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)

    def run(self, chosen: Sequence[str], task: Task, runs: int, folder: Path) -> None:
        """Run the programs in turn; each begins with an empty folder."""
        for _ in range(runs):
            for name in chosen:
                place = folder / name
                place.mkdir()
                outcome = PROGRAMS[name][1](task, place)
                shutil.rmtree(place)
                self.outcomes.setdefault(name, []).append(outcome)
                print(f"{self.service_ms} ms: {PROGRAMS[name][0]}: {outcome.used}", flush=True)
        counts = {each.rows for name, some in self.outcomes.items() if name != "floor" for each in some}
        if len(counts) > 1:
            sys.exit(f"not everybody has the same records: {counts}")

    def median(self, name: str, of: Callable[[Outcome], float]) -> float:
        """The median of a figure of one program."""
        return median(map(of, self.outcomes[name]))


def measure(given: argparse.Namespace, folder: Path) -> tuple[list[Measured], Requests]:
    """Do everything that is asked for."""
    terminal = {"bodies": given.bodies, "size": given.size, "outstanding": LIMIT}
    dates = _told(_SESSIONS, FIRST, given.dates).split()
    print(f"{dates[0]} to {dates[-1]}: listing and downloading, unmeasured …", flush=True)
    first = folder / "unmeasured"
    first.mkdir()
    requests = asked(dates, given.only, first, terminal)
    found = []
    for service_ms in given.service_ms:
        chosen = [name for name in given.only if not service_ms or name in _WAITING]
        with programs.terminal(latency_ms=service_ms, **terminal) as url:
            measured = Measured(service_ms)
            measured.run(chosen, Task(url, dates, requests.paths), given.runs, folder)
        found.append(measured)
    return found, requests


# The report ---------------------------------------------------------------------------------------------


def seconds(outcome: Outcome) -> float:
    """Seconds of the clock."""
    return outcome.used.seconds


def cpu(outcome: Outcome) -> float:
    """CPU seconds."""
    return outcome.used.cpu


def table(measured: Measured, rows: int) -> list[str]:
    """The programs at one service time, in Markdown."""
    heads = (
        "seconds", "× floor", "CPU seconds", "per million records", "× straight", "× pandas",
        "million records a minute and core", "largest process, MB", "bytes a record",
    )  # fmt: skip
    lines = [f"| | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
    for name, outcomes in measured.outcomes.items():
        spent = measured.median(name, cpu)
        cells = [
            PROGRAMS[name][0],
            _spread([*map(seconds, outcomes)]),
            _ratio(measured, name, "floor", seconds),
            _spread([*map(cpu, outcomes)]),
            f"{spent / rows * 1e6:.2f}",
            _ratio(measured, name, "straight", cpu),
            _ratio(measured, name, "pandas", cpu),
            f"{rows / 1e6 / (spent / 60):.1f}" if outcomes[0].rows else "",
            f"{max(outcome.used.peak for outcome in outcomes):,.0f}",
            f"{outcomes[0].bytes / rows:.1f}" if outcomes[0].bytes else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _spread(figures: list[float]) -> str:
    return f"{median(figures):.1f} ({min(figures):.1f}–{max(figures):.1f})"


def _ratio(measured: Measured, name: str, other: str, of: Callable[[Outcome], float]) -> str:
    """A program's figure as a multiple of another's, where that was measured too."""
    if name == other or other not in measured.outcomes:
        return ""
    return f"{measured.median(name, of) / measured.median(other, of):.2f}"


def targets(measured: Measured, rows: int) -> Iterator[str]:
    """What was promised of us, and what came of it: CPU without a service time, the clock with one."""
    if "ours" not in measured.outcomes:
        return
    if measured.service_ms:
        yield from _compared(measured, "seconds", "floor", seconds, 1.10)
        yield from _against_the_least(measured)
        return
    yield from _compared(measured, "seconds", "sorted", seconds, 1.15)
    yield from _compared(measured, "CPU seconds", "sorted", cpu, 1.1)
    yield from _compared(measured, "CPU seconds", "straight", cpu, 2.0)
    yield from _compared(measured, "CPU seconds", "pandas", cpu, 0.6)
    pace = rows / 1e6 / (measured.median("ours", cpu) / 60)
    yield f"million records a minute and core: {pace:.1f}, of at least 10{_missed(pace < 10)}"
    peak = max(outcome.used.peak for outcome in measured.outcomes["ours"])
    yield f"largest process: {peak:.0f} MB, of at most 700{_missed(peak > 700)}"


def _compared(
    measured: Measured, what: str, other: str, of: Callable[[Outcome], float], most: float
) -> Iterator[str]:
    if other in measured.outcomes:
        ratio = measured.median("ours", of) / measured.median(other, of)
        yield f"{what}: {ratio:.2f} × {PROGRAMS[other][0]}, of at most {most:g}{_missed(ratio > most)}"


def _against_the_least(measured: Measured) -> Iterator[str]:
    """The clock beside the least that the network and the cores allow: the script's CPU on all of them."""
    if {"floor", "sorted"} <= measured.outcomes.keys():
        cores = os.cpu_count() or 1
        least = max(measured.median("floor", seconds), measured.median("sorted", cpu) / cores)
        ratio = measured.median("ours", seconds) / least
        what = f"the larger of the floor and of the sorted script's CPU over {cores} cores"
        yield f"seconds: {ratio:.2f} × {what}, of at most 1.1{_missed(ratio > 1.1)}"


def _missed(missed: bool) -> str:
    return " **missed**" if missed else ""


def report(found: Sequence[Measured], requests: Requests, dates: int, runs: int) -> str:
    """All results, in Markdown."""
    outcomes = [each for measured in found for some in measured.outcomes.values() for each in some]
    rows = max(outcome.rows for outcome in outcomes)
    most = max(outcome.staged for outcome in outcomes)
    counted = f"{dates} date(s), {rows:,} records; {LIMIT} requests in flight"
    paragraphs = [
        f"{counted}; medians of {runs} runs (fastest–slowest), programs by turns.",
        results.machine("snakemake", "polars", "pyarrow", "pandas", "requests"),
    ]
    if most:
        paragraphs.append(
            f"Peak temporary disk of a date: {most / 1e6:,.0f} MB of checkpoints, and at most "
            f"{requests.in_flight / 1e6:,.0f} MB of bodies in nameless files (the {LIMIT} largest at once)."
        )
    for measured in found:
        paragraphs.append(f"Service time {measured.service_ms} ms:")
        paragraphs.append("\n".join(table(measured, rows)))
        paragraphs.append("\n".join(f"- {line}" for line in targets(measured, rows)))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _numbers(words: str) -> list[int]:
    return [int(word) for word in words.split(",")]


def _names(words: str) -> list[str]:
    names = words.split(",")
    if unknown := set(names) - set(PROGRAMS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: choose from {', '.join(PROGRAMS)}")
    return names


def main() -> None:
    """Measure, print and, where asked, keep the tables."""
    parser = argparse.ArgumentParser(description="What a fill costs beside its floor and its rivals.")
    parser.add_argument("--dates", type=int, default=1, help=f"sessions from {FIRST} on")
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each program")
    parser.add_argument("--service-ms", type=_numbers, default=[0], metavar="MS,MS", help="service times")
    parser.add_argument(
        "--only", type=_names, default=list(PROGRAMS), metavar="NAME,NAME", help="these alone"
    )
    parser.add_argument("--size", default="real", help="of the simulated market")
    parser.add_argument("--bodies", type=Path, metavar="DIR", help="where the terminal keeps its answers")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the tables here")
    given = parser.parse_args()
    if given.only == ["floor"]:
        parser.error("the floor alone has no records to count")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given.bodies = (given.bodies or folder / "bodies").resolve()
        found, requests = measure(given, folder)
    text = report(found, requests, given.dates, given.runs)
    print(f"\n{text}", end="")
    if given.record:
        call = f"benchmarks/fill.py --dates {given.dates} --runs {given.runs} --size {given.size}"
        call += f" --service-ms {','.join(map(str, given.service_ms))} --only {','.join(given.only)}"
        results.keep(given.record, f"What a fill of {given.dates} date(s) costs", f"`{call}`", text)


if __name__ == "__main__":
    main()
