"""What each way to encode the sealed file costs: its size, and the CPU time to write and to read it.

    PYTHONPATH=scripts python benchmarks/encodings.py [--chains 8] [--rounds 5] [--record FILE]

Some chains of a real-size date, from the nearest expiration to one years away, written by `store.parquet`
with one option changed at a time, and by other writers as they come, which are told no more than zstd. The
variants take turns in one process, so a busy machine is busy for all of them. Reading is all of the file: by
pyarrow with page checksums, by DuckDB (the sum of each column of numbers) and by Polars.
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import results
import simulated_days

from spx_data.market import columns, schema
from spx_data.store import parquet
from theta_simulator import Market

DATE = dt.date(2024, 1, 3)
GREEKS = schema.newest(columns.GREEKS)
OURS = "as sealed"
NUMBERS = [*(column.name for column in GREEKS.measures), "underlying_price"]

Tables = list[pa.Table]
Write = Callable[[Tables, Path], object]

# What is changed of `parquet.OPTIONS`.
CHANGES: dict[str, Mapping[str, Any]] = {
    OURS: {},
    "dictionary for every column": {"use_dictionary": True},
    "the same, level 1, pages of 20,000 rows": {
        "use_dictionary": True,
        "compression_level": 1,
        "max_rows_per_page": 20_000,
    },
    "no dictionary": {"use_dictionary": False},
    "dictionary for no timestamp": {
        "use_dictionary": [name for name in parquet.OPTIONS["use_dictionary"] if name != "timestamp"]
    },
    "dictionary for both timestamps": {
        "use_dictionary": [*parquet.OPTIONS["use_dictionary"], "underlying_timestamp"]
    },
    "dictionary for implied_vol and delta too": {
        "use_dictionary": [*parquet.OPTIONS["use_dictionary"], "implied_vol", "delta"]
    },
    "timestamp as deltas": {
        "use_dictionary": [name for name in parquet.OPTIONS["use_dictionary"] if name != "timestamp"],
        "column_encoding": {"timestamp": "DELTA_BINARY_PACKED"},
    },
    "bid and ask split by bytes": {"column_encoding": dict.fromkeys(("bid", "ask"), "BYTE_STREAM_SPLIT")},
    "every number split by bytes": {
        "use_dictionary": ["date", "root", "expiration", "strike", "right"],
        "column_encoding": dict.fromkeys(NUMBERS, "BYTE_STREAM_SPLIT"),
    },
    **{f"level {level}": {"compression_level": level} for level in (1, 2, 4, 6, 9)},
    "pages of 20,000 rows": {"max_rows_per_page": 20_000},
    "pages of 65,536 rows": {"max_rows_per_page": 1 << 16},
    "pages of 4 MB": {"max_rows_per_page": 1 << 20, "data_page_size": 4 << 20},
    "data pages of version 2": {"data_page_version": "2.0"},
    "row groups of 65,536 rows": {"row_group_size": 1 << 16},
    "without page checksums": {"write_page_checksum": False},
    "without page index and statistics": {"write_page_index": False, "write_statistics": False},
}


def write_ours(changes: Mapping[str, Any], chains: Tables, path: Path) -> None:
    """Write as the sealed file is, but for *changes*."""
    options = dict(changes)
    rows = options.pop("row_group_size", schema.PIECE_ROWS)
    with path.open("wb") as stream, parquet.writer(stream, GREEKS.day, **options) as writer:
        for chain in chains:
            writer.write_table(chain, row_group_size=rows)


# Writers as they come -----------------------------------------------------------------------------------


def write_pyarrow(chains: Tables, path: Path) -> None:
    """Write with pyarrow's defaults."""
    pq.write_table(pa.concat_tables(chains), path, compression="zstd")


def write_pandas(chains: Tables, path: Path) -> None:
    """Write with pandas' defaults."""
    pa.concat_tables(chains).to_pandas().to_parquet(path, compression="zstd")


def write_polars(chains: Tables, path: Path) -> None:
    """Write with Polars' defaults, which are zstd."""
    pl.DataFrame(pa.concat_tables(chains)).write_parquet(path)


def write_duckdb(chains: Tables, path: Path) -> None:
    """Write with DuckDB's defaults."""
    relation = duckdb.from_arrow(pa.concat_tables(chains))
    relation.write_parquet(str(path), compression="zstd")


def in_order_of_arrival(write: Write, chains: Tables, path: Path) -> None:
    """Write the contracts of each chain in no order, as an answer may have them; stamps stay in theirs."""
    number = pl.struct("strike", "right").hash(seed=1)
    shuffled = [pl.DataFrame(chain).sort(number, maintain_order=True).to_arrow() for chain in chains]
    write([table.cast(GREEKS.day) for table in shuffled], path)


OTHERS: dict[str, Write] = {
    "pyarrow's defaults": write_pyarrow,
    "pandas' defaults": write_pandas,
    "Polars' defaults": write_polars,
    "DuckDB's defaults": write_duckdb,
    "pyarrow's defaults, contracts in no order": partial(in_order_of_arrival, write_pyarrow),
    "Polars' defaults, contracts in no order": partial(in_order_of_arrival, write_polars),
}
WRITERS: dict[str, Write] = {name: partial(write_ours, changes) for name, changes in CHANGES.items()} | OTHERS


# Measuring ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figures:
    """One measurement: bytes, and CPU seconds of the writer and of three readers."""

    size: int
    write: float
    pyarrow: float
    duckdb: float
    polars: float


def read_pyarrow(path: Path) -> None:
    """Read all of it, each page with its checksum."""
    with parquet.opened(path, page_checksum_verification=True) as file:
        file.read()


def read_duckdb(path: Path) -> None:
    """Add up each column of numbers."""
    sums = ", ".join(f'sum("{name}")' for name in NUMBERS)
    duckdb.execute(f"SELECT {sums} FROM read_parquet('{path}')").fetchall()


def cpu(work: Callable[[], object]) -> float:
    """The CPU seconds that *work* takes, in all threads of this process."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def measure(write: Write, chains: Tables, path: Path) -> Figures:
    """Write *chains* to *path* and read them in three ways."""
    written = cpu(partial(write, chains, path))
    found = pl.read_parquet(path).height
    assert found == sum(map(len, chains)), f"{found} rows came back"
    readers = (read_pyarrow, read_duckdb, pl.read_parquet)
    return Figures(path.stat().st_size, written, *(cpu(partial(read, path)) for read in readers))


def table(measured: Mapping[str, list[Figures]], rows: int, csv: int) -> str:
    """The medians of all rounds as a table in Markdown, for a record and for a million."""
    titles = ["", "bytes a record", "of ours", "CSV is", "write", "pyarrow", "DuckDB", "Polars"]
    lines = [f"| {' | '.join(titles)} |", "| --- |" + " ---: |" * (len(titles) - 1)]
    ours = measured[OURS][0].size
    for name, rounds in measured.items():
        size = rounds[0].size
        cells = [name, f"{size / rows:.2f}", f"{size / ours:.0%}", f"{csv / size:.1f} ×"]
        for part in ("write", "pyarrow", "duckdb", "polars"):
            seconds = statistics.median(getattr(figures, part) for figures in rounds)
            cells.append(f"{seconds / rows * 1e6:.3f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def compare(chains: Tables, rounds: int) -> str:
    """Measure every writer in turn, *rounds* times; returns what to print."""
    rows = sum(map(len, chains))
    csv = sum(len(simulated_days.as_csv(chain).write_csv().encode()) for chain in chains)
    measured: dict[str, list[Figures]] = {name: [] for name in WRITERS}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            for name, write in WRITERS.items():
                found = measure(write, chains, Path(folder) / "day.parquet")
                if number:  # the first round warms up
                    measured[name].append(found)
    what = f"{rows:,} records in {len(chains)} chains of {DATE}, {csv / rows:.0f} bytes each as CSV"
    how = f"medians of {rounds} runs, CPU seconds for a million records"
    machine = results.machine("pyarrow", "duckdb", "polars", "pandas")
    return f"{what}; {how}.\n\n{machine}\n\n{table(measured, rows, csv)}\n"


def main() -> None:
    """Measure, print and, where asked, keep the table."""
    parser = argparse.ArgumentParser(description="What each way to encode the sealed file costs.")
    parser.add_argument("--chains", type=int, default=8, help="of the date's 73")
    parser.add_argument("--rounds", type=int, default=5, help="measured runs of each")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the table here")
    given = parser.parse_args()
    market = Market(size="real")
    some = simulated_days.spread(simulated_days.listed(market, DATE), given.chains)
    text = compare([rows for _, rows in simulated_days.tables(market, DATE, some)], given.rounds)
    print(text, end="")
    if given.record:
        call = f"`benchmarks/encodings.py --chains {given.chains} --rounds {given.rounds}`"
        results.keep(given.record, "How the sealed file is encoded", call, text)


if __name__ == "__main__":
    main()
