"""The questions of `output.py`, asked of its month's rows laid out in other ways than they are sealed.

    PYTHONPATH=scripts python benchmarks/layouts.py [--every 8] [--runs 5] [--record FILE]

Each layout is written as `store.parquet` writes with one thing changed, or by Polars as it comes. Every
layout must give the answers of the sealed files; layouts and engines take turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import output
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import results
from output import EXPIRES, QUESTIONS, Answer, Question

from spx_data.market import sessions
from spx_data.market.dates import ZONE
from spx_data.market.schema import PIECE_ROWS
from spx_data.store import parquet

OURS = "as sealed"
POLARS = "by Polars as it comes"
ENGINES = ("DuckDB", "Polars")
_MINUTES_FIRST = ("timestamp", "strike", "right")
_FILTERED = ("root", "expiration", "strike", "timestamp")


@dataclass(frozen=True)
class Layout:
    """How rows lie in a file."""

    name: str
    group: int = PIECE_ROWS
    sort: tuple[str, ...] = ()  # other than the sealed order
    whole: bool = False  # row groups span chains
    categories: bool = False  # words are declared as dictionaries
    options: dict[str, Any] = field(default_factory=dict)

    def write(self, sealed: Path, there: Path) -> None:
        """Write the rows of a *sealed* file so."""
        with parquet.opened(sealed) as file:
            rows = file.read()
        with there.open("wb") as stream, self._writer(stream, rows.schema) as writer:
            for some in [rows] if self.whole else _chains(rows):
                ordered = _sorted(some, self.sort) if self.sort else some.combine_chunks()
                writer.write_table(ordered, row_group_size=self.group)

    def _writer(self, stream: BinaryIO, columns: pa.Schema) -> pq.ParquetWriter:
        if self.categories:
            return pq.ParquetWriter(stream, columns, **parquet.OPTIONS | self.options)
        return parquet.writer(stream, columns, **self.options)


LAYOUTS = (
    Layout("words declared as dictionaries", categories=True),
    Layout("row groups of 131,072", group=1 << 17),
    Layout("row groups of 32,768", group=1 << 15),
    Layout("row groups of 16,384", group=1 << 14),
    Layout("minutes first in a chain, row groups of 16,384", group=1 << 14, sort=_MINUTES_FIRST),
    Layout("minutes first in a chain, row groups of 65,536", group=1 << 16, sort=_MINUTES_FIRST),
    Layout(
        "minutes first in a day, row groups of 131,072",
        group=1 << 17,
        sort=("timestamp", "root", "expiration", "strike", "right"),
        whole=True,
    ),
    Layout("pages of 8,192 rows", options={"max_rows_per_page": 1 << 13}),
    Layout("Bloom filters", options={"bloom_filter_options": dict.fromkeys(_FILTERED, True)}),
    Layout("no statistics", options={"write_statistics": False, "write_page_index": False}),
)


def _chains(rows: pa.Table) -> Iterator[pa.Table]:
    """The rows of each chain: they stand together."""
    frame = pl.DataFrame(rows.select(["root", "expiration"])).with_columns(pl.col("root").cast(pl.String))
    first = 0
    for count in frame.group_by("root", "expiration", maintain_order=True).len()["len"]:
        yield rows.slice(first, count)
        first += count


def _sorted(rows: pa.Table, by: tuple[str, ...]) -> pa.Table:
    keys = pl.DataFrame(rows.select(list(by))).with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    return rows.take(keys.with_row_index().sort(*by)["index"].to_arrow()).combine_chunks()


def make(folder: Path, lake: output.Lake) -> dict[str, Path]:
    """Write the days of a *lake* in every layout; return where, by the layout's name."""
    found = {OURS: Path(lake.sealed).parent}
    for number, layout in enumerate(LAYOUTS):
        found[layout.name] = folder / lake.name / f"layout-{number}"
        found[layout.name].mkdir()
        for sealed in sorted(found[OURS].iterdir()):
            layout.write(sealed, found[layout.name] / sealed.name)
    found[POLARS] = folder / lake.name / "polars"
    found[POLARS].mkdir()
    for sealed in sorted(found[OURS].iterdir()):
        pl.read_parquet(sealed).write_parquet(found[POLARS] / sealed.name)
    return found


def ways(question: Question, files: Path) -> dict[str, Callable[[], Answer]]:
    """How to ask what lies in a folder, by the engine."""
    connection = duckdb.connect()
    connection.execute(f"SET TimeZone = '{ZONE}'")
    source = f"read_parquet('{files}/*.parquet')"
    return {
        "DuckDB": lambda: connection.execute(
            question.sql.format(source=source, expiring=EXPIRES["sealed"])
        ).fetchall(),
        "Polars": lambda: question.sealed(pl.scan_parquet(f"{files}/*.parquet")).collect().rows(),
    }


def ask(question: Question, layouts: dict[str, Path], runs: int) -> dict[str, dict[str, float]]:
    """CPU seconds of a question, medians of all runs, by the layout and the engine."""
    asked = {
        (name, engine): way
        for name, files in layouts.items()
        for engine, way in ways(question, files).items()
    }
    answers = [answer() for answer in asked.values()]
    assert answers[0] and all(answer == answers[0] for answer in answers), f"{question.name}: they differ"
    taken: dict[tuple[str, str], list[float]] = {way: [] for way in asked}
    for _ in range(runs):
        for way, answer in asked.items():
            busy = time.process_time()
            answer()
            taken[way].append(time.process_time() - busy)
    return {name: {engine: statistics.median(taken[name, engine]) for engine in ENGINES} for name in layouts}


def report(lake: output.Lake, layouts: dict[str, Path], runs: int) -> str:
    """Ask every question of every layout and tell what it took, in Markdown."""
    taken = [ask(question, layouts, runs) for question in QUESTIONS]
    size = {name: sum(each.stat().st_size for each in files.iterdir()) for name, files in layouts.items()}
    told = "; ".join(f"{number}: {question.name}" for number, question in enumerate(QUESTIONS, 1))
    heads = [f"{number}, {engine}" for number in range(1, len(QUESTIONS) + 1) for engine in ENGINES]
    lines = [f"| layout | size | {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) + 1)]
    for name in layouts:
        cells = [f"{each[name][engine] * 1e3:,.0f} ms" for each in taken for engine in ENGINES]
        lines.append(f"| {name} | {size[name] / size[OURS]:.0%} | {' | '.join(cells)} |")
    how = f"{lake.rows:,} rows of {lake.dates} dates; CPU, medians of {runs} runs. Questions: {told}."
    return "\n\n".join([how, results.machine("pyarrow", "duckdb", "polars"), "\n".join(lines)]) + "\n"


def main() -> None:
    """Write the layouts, ask, print and, where asked, keep the table."""
    parser = argparse.ArgumentParser(description="Questions to rows that lie in other ways.")
    parser.add_argument("--every", type=int, default=8, help="how many expirations of SPXW a step is")
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each question")
    parser.add_argument("--brief", action="store_true", help="one date of three chains")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the table here")
    given = parser.parse_args()
    dates = [session.date for session in sessions.between("NYSE", *output.MONTH)]
    some = output.some_of(99 if given.brief else given.every)
    with tempfile.TemporaryDirectory() as name:
        print("writing the layouts …", flush=True)
        asked = [output.DATE] if given.brief else dates
        lake = output.make(Path(name), "month", asked, some, as_csv=False)
        text = report(lake, make(Path(name), lake), given.runs)
    print(f"\n{text}", end="")
    if given.record:
        call = f"`benchmarks/layouts.py --every {given.every} --runs {given.runs}`"
        results.keep(given.record, "How else the rows could lie", call, text)


if __name__ == "__main__":
    main()
