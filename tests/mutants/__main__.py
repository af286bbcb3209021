"""Whether the tests notice a sample of small changes to the library: `make mutants` draws it, and calls this.

Each change is made in a copy of the repository. Asked are the tests that ran its statement when they were
measured: those of tests/unit until one fails, then those of tests/rules; where a fixture ran it, its whole
file. They run in a fork of a process that has loaded the libraries, and nothing of ours.
"""

import argparse
import ast
import contextlib
import difflib
import functools
import gc
import importlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import coverage
import pytest

STAGES = ("unit", "rules")
MOST = 30  # tests of a stage, of all files by turns
SECONDS = 900  # for the tests of a stage, which are done in a tenth of it
LIBRARIES = (
    *("aiohttp.web", "hypothesis", "pandas_market_calendars", "polars", "pyarrow.parquet", "pytest_cov"),
    *("pytest_timeout", "requests", "scipy.optimize", "scipy.stats", "snakemake", "xdist"),
)
QUIET = ("-x", "-q", "--tb=no", "-pno:cacheprovider", "-pno:xdist", "--hypothesis-seed=0")
FORK = multiprocessing.get_context("fork")


class Measured:
    """Which tests ran which lines, in the file that coverage left."""

    def __init__(self, file: Path) -> None:
        self._data = coverage.CoverageData(str(file))
        self._data.read()

    def tests(self, file: str, line: int) -> dict[str, list[str]]:
        """Return each stage's tests of a statement, the likeliest first; of its module, where none ran it."""
        ran = self._ran(file)
        found = {context for each in _statement(file, line) for context in ran.get(each, ())}
        found = found or {context for contexts in ran.values() for context in contexts}
        found = found or set(self._data.measured_contexts())  # a constant of another module
        whole = {context.split("::")[0] for context in found if context.endswith("|setup")}
        tests = {context.rpartition("|")[0] for context in found}
        tests = sorted(whole | {test for test in tests if test and test.split("::")[0] not in whole})
        random.Random(0).shuffle(tests)  # neighbours are alike
        turns, turn = Counter(), {}
        for test in tests:
            turns[test.split("::")[0]] += 1
            turn[test] = turns[test.split("::")[0]]
        tests.sort(key=lambda test: (Path(file).stem not in test.split("::")[0], turn[test]))
        return {
            stage: [test for test in tests if test.startswith(f"tests/{stage}/")][:MOST] for stage in STAGES
        }

    @functools.cache  # noqa: B019
    def _ran(self, file: str) -> dict[int, set[str]]:
        contexts = self._data.contexts_by_lineno(file)
        return {line: {context for context in found if context} for line, found in contexts.items()}


def _statement(file: str, line: int) -> range:
    """The lines of the statement at *line*; of one that has others in it, its head."""
    found = [
        range(
            node.lineno,
            max(node.body[0].lineno if hasattr(node, "body") else node.end_lineno + 1, node.lineno + 1),
        )
        for node in ast.walk(ast.parse(Path(file).read_text()))
        if isinstance(node, ast.stmt)
    ]
    return min((lines for lines in found if line in lines), key=len, default=range(line, line + 1))


def begin(place: str) -> None:
    """Go to this worker's own copy of the repository in *place*, and load what every test needs."""
    copy = Path(tempfile.mkdtemp(dir=place))
    for name in subprocess.check_output(["git", "ls-files", "-z"], text=True).split("\0")[:-1]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(name, copy / name)
    os.chdir(copy)
    os.environ["PYTHONPATH"] = f"{copy / 'scripts'}{os.pathsep}{copy}"  # of what tests start, too
    for name in LIBRARIES:
        importlib.import_module(name)
    sys.modules.pop("tests")  # the copy's own are asked
    gc.freeze()


def judged(number: int, mutant: dict, tests: dict[str, list[str]]) -> tuple[str, str]:
    """Ask *tests* about a mutant: returns what became of it, and by which test, or else the change."""
    file = Path(mutant["file"])
    original, before = file.read_text(), file.stat().st_mtime
    file.write_text(mutant["text"])
    os.utime(file, (0, before + 1 + number))  # Python knows what it has compiled by size and second
    try:
        for stage in STAGES:
            if tests[stage] and (killer := _killer(tests[stage])):
                return "time-out" if killer == "time-out" else f"killed by {stage}", killer
    finally:
        file.write_text(original)
        os.utime(file, (before, before))
    change = difflib.unified_diff(original.splitlines(), mutant["text"].splitlines(), n=3, lineterm="")
    return "survived" if any(tests.values()) else "reached by no test", "\n".join([*change][2:])


def _killer(tests: list[str]) -> str | None:
    """Run *tests* until one fails, and return its name."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "tests").write_text("\n".join(tests))
        process = FORK.Process(target=_pytest, args=(Path(place),))
        process.start()
        process.join(SECONDS)
        ended = process.exitcode
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output = Path(place, "output").read_text(errors="replace")
    if ended == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", output, re.MULTILINE)
    return "time-out" if ended is None or "Timeout (>" in output else failed[1] if failed else output[-300:]


def _pytest(place: Path) -> None:
    os.setsid()
    with (place / "output").open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.exit(
        pytest.main([*QUIET, f"--timeout={SECONDS // 3}", f"--basetemp={place}/temp", f"@{place}/tests"])
    )


def main() -> None:
    """Print what became of each mutant, the changes that no test noticed, and how many there were of each."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("sample", type=Path)
    parser.add_argument("measured", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="*", help="these of the sample, by their numbers")
    asked, fates = parser.parse_args(), defaultdict(Counter)
    sample = dict(enumerate(map(json.loads, asked.sample.read_text().splitlines())))
    sample = {number: sample[number] for number in asked.only or sample}
    measured = Measured(asked.measured)
    with (
        tempfile.TemporaryDirectory(prefix="mutants-") as place,
        ProcessPoolExecutor(asked.jobs, mp_context=FORK, initializer=begin, initargs=(place,)) as workers,
    ):
        told = {
            workers.submit(judged, number, mutant, measured.tests(mutant["file"], mutant["line"])): (
                number,
                mutant,
            )
            for number, mutant in sample.items()
        }
        for future in as_completed(told):
            (number, mutant), (fate, why) = told[future], future.result()
            fates[Path(mutant["file"]).parts[2]][fate] += 1
            print(f"{number} {mutant['file']}:{mutant['line']} {mutant['operator']}: {fate}", why, flush=True)
    for room, counts in fates.items():
        print(f"{room}:", ", ".join(f"{count} {fate}" for fate, count in counts.most_common()))


if __name__ == "__main__":
    main()
