"""What comparing two versions of a real-size trading date costs: seconds, and the largest resident set.

    PYTHONPATH=scripts python benchmarks/compare_days.py

Synthetic days of 50 chains with 410 contracts at 391 stamps, 8 million rows, written by the library's own
writer. Each comparison is a process of its own that does nothing else.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from spx_data.market import columns, schema
from spx_data.ops.recheck.compare import compare
from spx_data.store.parquet import DayWriter

DATE = dt.date(2024, 1, 2)
GREEKS = schema.newest(columns.GREEKS)
MEASURES = [column.name for column in GREEKS.measures]
CHAINS, STRIKES, STAMPS = 50, 205, 391
OPENING = 1_704_205_800_000  # 09:30 in New York
VERSIONS = {
    "same": "the same records",
    "few": "a bid in a thousand changed, in 5 chains",
    "all": "every price and greek changed",
    "fewer": "every tenth row gone",
}


def write(path: Path, version: str) -> None:
    """Write one version of the day."""
    random = np.random.default_rng(1)
    with path.open("wb") as stream, DayWriter(stream, GREEKS, {}) as writer:
        for number in range(CHAINS):
            records = chain(random)
            if version == "few" and number % 10 == 0:
                changed = pl.int_range(pl.len()) % 1000 == 0
                records = records.with_columns(bid=pl.col("bid") + pl.when(changed).then(0.05).otherwise(0.0))
            elif version == "all":
                records = records.with_columns(pl.col(MEASURES) + 0.0001)
            elif version == "fewer":
                records = records.filter(pl.int_range(pl.len()) % 10 != 0)
            expiration = DATE + dt.timedelta(days=number)
            writer.add("SPXW", expiration, [GREEKS.table(DATE, "SPXW", expiration, records)])
        written = writer.close()
    print(f"{version}: {written.rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB", flush=True)


def chain(random: np.random.Generator) -> pl.DataFrame:
    """One chain's records, in sealed order, with four decimals as the vendor sends."""
    stamps = np.tile(OPENING + 60_000 * np.arange(STAMPS), 2 * STRIKES)
    values = {name: np.round(random.normal(0, 1, len(stamps)), 4) for name in MEASURES}
    return pl.DataFrame(
        {
            "strike": np.repeat(3000.0 + 5 * np.arange(STRIKES), 2 * STAMPS),
            "right": np.tile(np.repeat(["C", "P"], STAMPS), STRIKES),
            "timestamp": stamps,
            **values,
            "underlying_timestamp": stamps,
            "underlying_price": np.full(len(stamps), 4700.0),
        },
        schema=schema.polars_record(GREEKS.record.names),
    )


def measure(before: Path, after: Path) -> None:
    """Compare in this process and print what it took."""
    begun = time.monotonic()
    found = compare(before, after)
    seconds = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    cells = sum(change.cells for change in found.columns.values())
    print(
        f"{VERSIONS[after.stem]}: {seconds:.1f} s, {peak:,.0f} MB; {found.rows_changed:,} rows changed, "
        f"{found.rows_removed:,} removed, {cells:,} cells"
    )


def main() -> None:
    """Write the versions, then compare each with the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="one to write here, or two to compare here")
    files = parser.parse_args().files
    if files:
        measure(*files) if len(files) == 2 else write(files[0], files[0].stem)
        return
    with tempfile.TemporaryDirectory() as name:
        paths = [f"{name}/{version}.parquet" for version in VERSIONS]
        # This process stays small: a child's largest resident set begins with its parent's.
        for arguments in [*([path] for path in paths), *([paths[0], path] for path in paths)]:
            subprocess.run([sys.executable, __file__, *arguments], check=True)


if __name__ == "__main__":
    main()
