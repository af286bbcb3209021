"""What the sealed files buy: typical questions asked of them and of the same rows as CSV, and both sizes.

    PYTHONPATH=scripts python benchmarks/output.py [--every 8] [--runs 5] [--record FILE]

Two lakes of the simulated market at real size, each date one sealed file and one CSV. One lake is a single
date with all its chains. The other is a month, of which each date has the chain whose straddle is followed
and every eighth expiration of SPXW, beginning with the nearest: all chains of a month would be 29 GB of CSV.
It has fewer chains that a question can pass over, so its ratios are less than those of a real lake.

A question is asked in a process that has its libraries loaded, of files in the page cache; DuckDB gets the
same SQL for both, but for what expires today, which only sealed days have a column for. Before anything is
timed, both formats and both engines must have given the same answer.
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import results
import simulated_days
from simulated_days import Chain

from spx_data.market import sessions
from spx_data.market.dates import ZONE
from theta_simulator import Market

DATE = dt.date(2024, 1, 10)
MONTH = (dt.date(2024, 1, 1), dt.date(2024, 1, 31))
SMILING = ("SPXW", dt.date(2024, 1, 19))
FOLLOWED = ("SPX", dt.date(2024, 2, 16))
WANTED = 20.0  # times as fast as over CSV
EXPIRES = {"sealed": "dte = 0", "csv": "expiration = date"}

Answer = list[tuple[object, ...]]
Frame = pl.LazyFrame


@dataclass(frozen=True)
class Question:
    """One question: in SQL, with `{source}` for the rows, and for frames of Polars.

    `{expiring}` stands in SQL for what expires on its date (`EXPIRES`).
    """

    name: str
    lake: str  # day or month
    sql: str
    sealed: Callable[[Frame], Frame]
    csv: Callable[[Frame], Frame]


# The smile of one expiration at one minute ---------------------------------------------------------------

SMILE = """
SELECT strike, "right", implied_vol FROM {source}
WHERE root = 'SPXW' AND expiration = '2024-01-19' AND "timestamp" = '2024-01-10 10:31:00'
ORDER BY strike, "right"
"""


def smile(rows: Frame, expiration: pl.Expr, moment: pl.Expr) -> Frame:
    """Each contract's volatility, in order of strikes."""
    wanted = rows.filter(pl.col("root") == "SPXW", pl.col("expiration") == expiration)
    some = wanted.filter(pl.col("timestamp") == moment).select("strike", "right", "implied_vol")
    return some.with_columns(pl.col("right").cast(pl.String)).sort("strike", "right")


def smile_sealed(rows: Frame) -> Frame:
    """Ask sealed files."""
    moment = pl.datetime(2024, 1, 10, 10, 31, time_unit="ms", time_zone=ZONE)
    return smile(rows, pl.lit(dt.date(2024, 1, 19)), moment)


def smile_csv(rows: Frame) -> Frame:
    """Ask CSV, whose dates and stamps stay text: to parse them would take three times as long."""
    return smile(rows, pl.lit("2024-01-19"), pl.lit("2024-01-10T10:31:00.000"))


# The straddle at the money of one expiration, minute by minute through a month ----------------------------

STRADDLE = """
WITH chain AS (
    SELECT strftime("timestamp", '%Y-%m-%d %H:%M') AS minute, strike, "right", (bid + ask) / 2 AS mid,
           abs(strike - underlying_price) AS away
    FROM {source}
    WHERE root = 'SPX' AND expiration = '2024-02-16' AND abs(strike - underlying_price) < 20
)
SELECT minute, call.mid + put.mid FROM chain AS call JOIN chain AS put USING (minute, strike)
WHERE call."right" = 'C' AND put."right" = 'P'
QUALIFY row_number() OVER (PARTITION BY minute ORDER BY call.away, strike) = 1
ORDER BY minute
"""


def straddles(some: Frame, by: str) -> Frame:
    """The sum of call and put at the strike that is nearest to the underlying, for each value of *by*."""
    away = (pl.col("strike") - pl.col("underlying_price")).abs()
    near = some.filter(away < 20).with_columns(mid=(pl.col("bid") + pl.col("ask")) / 2, away=away)
    sides = [near.filter(pl.col("right") == right).drop("right") for right in "CP"]
    both = (
        sides[0].join(sides[1].select(by, "strike", put="mid"), on=[by, "strike"]).sort(by, "away", "strike")
    )
    first = both.unique(by, keep="first", maintain_order=True)
    return first.select(by, pl.col("mid") + pl.col("put")).sort(by)


def straddle_sealed(rows: Frame) -> Frame:
    """Ask sealed files."""
    some = rows.filter(pl.col("root") == "SPX", pl.col("expiration") == dt.date(2024, 2, 16))
    found = straddles(some, "timestamp")
    return found.with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%d %H:%M"))


def straddle_csv(rows: Frame) -> Frame:
    """Ask CSV."""
    some = rows.filter(pl.col("root") == "SPX", pl.col("expiration") == "2024-02-16")
    minute = pl.col("timestamp").str.slice(0, 16).str.replace("T", " ")
    return straddles(some, "timestamp").with_columns(minute)


# The straddle of each date's own expiration at ten o'clock -----------------------------------------------

# An hour in New York is the dearest to compute, so it is asked of what is left.
EXPIRING = """
WITH chain AS (
    SELECT date, strike, "right", (bid + ask) / 2 AS mid, abs(strike - underlying_price) AS away
    FROM {source}
    WHERE root = 'SPXW' AND {expiring} AND abs(strike - underlying_price) < 20
      AND hour("timestamp") = 10 AND minute("timestamp") = 0
)
SELECT date::VARCHAR, call.mid + put.mid FROM chain AS call JOIN chain AS put USING (date, strike)
WHERE call."right" = 'C' AND put."right" = 'P'
QUALIFY row_number() OVER (PARTITION BY date ORDER BY call.away, strike) = 1
ORDER BY date
"""


def expiring_sealed(rows: Frame) -> Frame:
    """Ask sealed files."""
    some = rows.filter(
        pl.col("root") == "SPXW",
        pl.col("dte") == 0,
        pl.col("timestamp").dt.time() == dt.time(10),
    )
    return straddles(some, "date").with_columns(pl.col("date").cast(pl.String))


def expiring_csv(rows: Frame) -> Frame:
    """Ask CSV."""
    some = rows.filter(
        pl.col("root") == "SPXW",
        pl.col("expiration") == pl.col("date"),
        pl.col("timestamp").str.slice(11, 5) == "10:00",
    )
    return straddles(some, "date")


QUESTIONS = (
    Question("the smile of one expiration at one minute", "day", SMILE, smile_sealed, smile_csv),
    Question("one expiration's ATM straddle, each minute", "month", STRADDLE, straddle_sealed, straddle_csv),
    Question("each date's expiring ATM straddle at 10:00", "month", EXPIRING, expiring_sealed, expiring_csv),
)


# The lakes ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lake:
    """The same rows as sealed files and as CSV, by their patterns, and what they take."""

    name: str
    dates: int
    rows: int
    sealed: str
    csv: str
    sealed_bytes: int
    csv_bytes: int


def make(
    folder: Path,
    name: str,
    dates: list[dt.date],
    chosen: Callable[[list[Chain]], list[Chain]],
    *,
    as_csv: bool = True,
) -> Lake:
    """Write the chains of each of *dates* that are *chosen* among those listed."""
    market, rows = Market(size="real"), 0
    for date in dates:
        parquet, csv = (folder / name / kind / f"{date}.{kind}" for kind in ("parquet", "csv"))
        chains = chosen(simulated_days.listed(market, date))
        rows += simulated_days.write(market, date, chains, parquet, csv if as_csv else None)
    patterns = [folder / name / kind / f"*.{kind}" for kind in ("parquet", "csv")]
    sizes = [sum(path.stat().st_size for path in pattern.parent.glob("*")) for pattern in patterns]
    return Lake(name, len(dates), rows, str(patterns[0]), str(patterns[1]), *sizes)


def some_of(every: int) -> Callable[[list[Chain]], list[Chain]]:
    """Choose the chains that are asked for, and every so-many-th expiration of SPXW."""

    def chosen(chains: list[Chain]) -> list[Chain]:
        some = [chain for chain in chains if chain[0] == "SPXW"][::every]
        return [chain for chain in chains if chain in (SMILING, FOLLOWED, *some)]

    return chosen


# Asking -------------------------------------------------------------------------------------------------


def ways(question: Question, lake: Lake) -> dict[tuple[str, str], Callable[[], Answer]]:
    """How to ask, by engine and format."""
    connection = duckdb.connect()
    connection.execute(f"SET TimeZone = '{ZONE}'")

    def sql(source: str, kind: str) -> Answer:
        asked = question.sql.format(source=source, expiring=EXPIRES[kind])
        return connection.execute(asked).fetchall()

    return {
        ("DuckDB", "sealed"): lambda: sql(f"read_parquet('{lake.sealed}')", "sealed"),
        ("DuckDB", "csv"): lambda: sql(f"read_csv('{lake.csv}')", "csv"),
        ("Polars", "sealed"): lambda: question.sealed(pl.scan_parquet(lake.sealed)).collect().rows(),
        ("Polars", "csv"): lambda: question.csv(pl.scan_csv(lake.csv)).collect().rows(),
    }


@dataclass(frozen=True)
class Taken:
    """What one way to ask takes: seconds by the clock and CPU seconds, medians of all runs."""

    seconds: float
    cpu: float


def ask(question: Question, lake: Lake, runs: int) -> dict[tuple[str, str], Taken]:
    """What each way to ask takes; the ways take turns."""
    asked = ways(question, lake)
    answers = {way: answer() for way, answer in asked.items()}
    first, *others = answers.values()
    assert first, question.name
    assert all(other == first for other in others), f"{question.name}: the answers differ"
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {way: [] for way in asked}
    for _ in range(runs):
        for way, answer in asked.items():
            begun, busy = time.perf_counter(), time.process_time()
            answer()
            taken[way].append((time.perf_counter() - begun, time.process_time() - busy))
    return {way: Taken(*map(statistics.median, zip(*found, strict=True))) for way, found in taken.items()}


# The report ---------------------------------------------------------------------------------------------


def sizes(lakes: list[Lake]) -> str:
    """What the rows take in both formats."""
    lines = ["| lake | dates | records | sealed | CSV | ratio |", "| --- |" + " ---: |" * 5]
    for lake in lakes:
        each = f"{lake.sealed_bytes / 1e6:,.0f} MB | {lake.csv_bytes / 1e6:,.0f} MB"
        ratio = f"{lake.csv_bytes / lake.sealed_bytes:.1f} : 1"
        lines.append(f"| {lake.name} | {lake.dates} | {lake.rows:,} | {each} | {ratio} |")
    return "\n".join(lines)


def report(lakes: list[Lake], runs: int) -> str:
    """Ask every question and tell what it took, in Markdown."""
    titles = ["question", "lake", "engine", "sealed", "CSV", "× faster", "sealed, CPU", "CSV, CPU", "× less"]
    lines = [f"| {' | '.join(titles)} |", "| --- | --- | --- |" + " ---: |" * 6]
    for question in QUESTIONS:
        (lake,) = (lake for lake in lakes if lake.name == question.lake)
        taken = ask(question, lake, runs)
        for engine in ("DuckDB", "Polars"):
            sealed, csv = taken[engine, "sealed"], taken[engine, "csv"]
            cells = [question.name, lake.name, engine, *_held(sealed.seconds, csv.seconds)]
            lines.append(f"| {' | '.join([*cells, *_held(sealed.cpu, csv.cpu)])} |")
    machine = results.machine("pyarrow", "duckdb", "polars")
    how = f"Medians of {runs} runs; in bold what is not {WANTED:.0f} times as fast."
    return "\n\n".join([sizes(lakes), how, machine, "\n".join(lines)]) + "\n"


def _held(sealed: float, csv: float) -> list[str]:
    """Seconds of both formats and their ratio, as cells."""
    ratio = f"{csv / sealed:,.0f}"
    return [
        f"{sealed * 1e3:,.0f} ms",
        f"{csv * 1e3:,.0f} ms",
        ratio if csv / sealed >= WANTED else f"**{ratio}**",
    ]


def main() -> None:
    """Make the lakes, ask, print and, where asked, keep the tables."""
    parser = argparse.ArgumentParser(description="Questions to sealed files and to CSV.")
    parser.add_argument("--every", type=int, default=8, help="how many expirations of SPXW a step is")
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each question")
    parser.add_argument(
        "--brief", action="store_true", help="three dates of three chains, to see that it works"
    )
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the tables here")
    given = parser.parse_args()
    dates = [session.date for session in sessions.between("NYSE", *MONTH)]
    some = some_of(99 if given.brief else given.every)
    with tempfile.TemporaryDirectory() as name:
        print("making the lakes …", flush=True)
        lakes = [
            make(Path(name), "day", [DATE], some if given.brief else list),
            make(Path(name), "month", dates[:2] if given.brief else dates, some),
        ]
        text = report(lakes, given.runs)
    print(f"\n{text}", end="")
    if given.record:
        call = f"`benchmarks/output.py --every {given.every} --runs {given.runs}`"
        results.keep(given.record, "What the sealed files buy", call, text)


if __name__ == "__main__":
    main()
