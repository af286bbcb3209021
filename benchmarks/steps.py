"""Where the CPU of a fill goes: every step of a real-size date, from the wire to the sealed file.

    PYTHONPATH=scripts python benchmarks/steps.py [--chains 12] [--runs 5] [--bodies DIR] [--record FILE]

Some chains of one date are downloaded and merged, each stage in a process of its own as in its job, but one
chain after the other: so the clock around a step counts no other's seconds. What is left over is Python, the
loading of libraries, journal and receipts.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import clocks
import judging
import programs
import results
from clocks import Parts

LIST, DOWNLOAD, MERGE = "list", "download", "merge"
REST = "libraries, Python, journal, receipts"
Figures = Mapping[str, Any]


def _download_parts() -> Parts:
    from spx_data.quality.panel import Presence
    from spx_data.sources.theta import wire_rows
    from spx_data.sources.theta.blocks import CsvBlock
    from spx_data.sources.theta.transport import Transport
    from spx_data.store import record_lines, staging

    return {
        "fetch the body into a scratch file": [(Transport, "_exchange")],
        "parse it": [(CsvBlock, "typed")],
        "look at every row": [(wire_rows, "validated")],
        "count contracts and stamps": [(Presence, "add")],
        "write records as NDJSON": [
            (record_lines, name) for name in ("_counted", "_contracts", "_stamps", "_dumped", "_rows")
        ],
        "SHA-256, and the checkpoint's file": [(staging, "write_records")],
    }


def _merge_parts() -> Parts:
    import pyarrow.parquet as pq

    from spx_data.fill import merge
    from spx_data.fill.chunks import Account
    from spx_data.market import schema
    from spx_data.quality import panel
    from spx_data.quality.judgement import Judge
    from spx_data.store.record_lines import Reader

    return {
        "parse the NDJSON": [(Reader, "frame")],
        "settle: sort, find what comes twice": [(merge, "settle")],
        "count contracts and stamps again": [(Account, "add")],
        "rows of the day": [(schema.Schema, "table")],
        "encode and write Parquet": [(pq.ParquetWriter, "write_table"), (pq.ParquetWriter, "close")],
        "digest of the records, twice": [(schema.RecordsDigest, "add")],
        "read every page back": [(merge, "read_back")],
        "judge": [(panel, "judged"), (Judge, "add"), (Judge, "finish")],
        "SHA-256 of checkpoints and file, reading them": [(merge, "_write"), (merge.reads, "digest")],
    }


# A stage in this process --------------------------------------------------------------------------------


class _InTurn:
    """A pool that does what it is given at once."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> _InTurn:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, call: Any, *words: Any) -> Future[Any]:
        """Do it."""
        done: Future[Any] = Future()
        done.set_result(call(*words))
        return done


def stage(folder: Path, name: str, url: str, chains: int) -> None:
    """Do a stage here, and print what its steps took."""
    from spx_data.market import sessions
    from spx_data.store import reads

    settings, date = judging.settings_of(folder, url), judging.DATE
    layout = settings.layout
    spent: Counter[str] = Counter()
    if name == LIST:
        from spx_data.fill.survey import fetch_expirations

        fetch_expirations(settings, date, layout.listing(date))
        judging.cut_down(layout.listing(date), chains)
    elif name == DOWNLOAD:
        from spx_data.fill import download

        download.ThreadPoolExecutor = _InTurn  # type: ignore[attr-defined]
        spent = clocks.start(_download_parts())
        download.download_expirations(settings, date, layout.listing(date), layout.manifest(date))
    else:
        from spx_data.fill import merge

        (session,) = sessions.between("NYSE", date, date)
        spent = clocks.start(_merge_parts())
        merge.merge_date(settings, date, layout.manifest(date), layout.parquet(date), session=session)
        spent["rows"] = reads.read_json(layout.passport(date))["rows"]
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "steps": dict(spent)}))


# The report ---------------------------------------------------------------------------------------------


def measured(bodies: Path, chains: int, size: str) -> dict[str, Figures]:
    """The figures of each stage, one after the other in an empty lake."""
    found = {}
    with tempfile.TemporaryDirectory() as name, programs.terminal(bodies, size=size) as url:
        for each in (LIST, DOWNLOAD, MERGE):
            words = ["--stage", each, "--folder", name, "--url", url, "--chains", str(chains)]
            found[each] = json.loads(programs.told(programs.python("steps.py", *words), Path(name)))
    return found


def report(runs: list[dict[str, Figures]], chains: int) -> str:
    """The table of steps, in Markdown."""
    rows = runs[0][MERGE]["steps"]["rows"]

    def million(figures: list[float]) -> float:
        return statistics.median(figures) / rows * 1e6

    whole = million([sum(run[name]["cpu"] for name in run) for run in runs])
    lines = ["| stage | step | CPU seconds a million records | |", "| --- | --- | ---: | ---: |"]
    for name in runs[0]:
        steps = [step for step in runs[0][name]["steps"] if step != "rows"]
        figures = {step: million([run[name]["steps"][step] for run in runs]) for step in steps}
        rest = million([run[name]["cpu"] for run in runs]) - sum(figures.values())
        for step, figure in {**figures, REST: rest}.items():
            lines.append(f"| {name} | {step} | {figure:.3f} | {figure / whole:.0%} |")
    lines.append(f"| | together | {whole:.2f} | |")
    counted = f"{chains} chains of {judging.DATE}, {rows:,} records; medians of {len(runs)} runs."
    return "\n\n".join((counted, results.machine("polars", "pyarrow"), "\n".join(lines))) + "\n"


def main() -> None:
    """Measure, print and, where asked, keep the table."""
    parser = argparse.ArgumentParser(description="Where the CPU of a fill goes.")
    parser.add_argument("--chains", type=int, default=12, help="of the date's 73, evenly spread")
    parser.add_argument("--runs", type=int, default=5, help="measured runs")
    parser.add_argument("--size", default="real", help="of the simulated market")
    parser.add_argument("--bodies", type=Path, metavar="DIR", help="where the terminal keeps its answers")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the table here")
    for name, kind in (("--stage", str), ("--folder", Path), ("--url", str)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        stage(given.folder, given.stage, given.url, given.chains)
        return
    with tempfile.TemporaryDirectory() as name:
        bodies = (given.bodies or Path(name)).resolve()
        # The first run builds the bodies; a single one is a trial, and measured.
        unmeasured = int(given.runs > 1)
        runs = [measured(bodies, given.chains, given.size) for _ in range(unmeasured + given.runs)]
        runs = runs[unmeasured:]
    text = report(runs, given.chains)
    print(text, end="")
    if given.record:
        call = f"`benchmarks/steps.py --chains {given.chains} --runs {given.runs}`"
        results.keep(given.record, "Where the CPU of a fill goes", call, text)


if __name__ == "__main__":
    main()
