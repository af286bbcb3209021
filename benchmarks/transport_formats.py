"""What one history answer costs the client in each transport format.

    PYTHONPATH=scripts python benchmarks/transport_formats.py

One real-size expiration from the simulator, fetched and parsed by `Source.history` and dropped batch by
batch, as the staging room would take it. Every figure comes from a process of its own that does nothing
else; the variants take turns, so a busy machine is busy for all of them: believe the ratios, not the
seconds. Before anything is timed, all formats must have given the same records.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import results

if TYPE_CHECKING:
    from spx_data.sources.source import Exchange, Source

VARIANTS = (("v3", "csv"), ("v3", "ndjson"), ("v3", "json"), ("v2", "csv"), ("v2", "json"))
ROOT, DATE, EXPIRATION = "SPXW", dt.date(2024, 1, 2), dt.date(2024, 1, 5)
FAILED = 100.0  # iv_error of a row whose volatility was not found
_START_SECONDS = 60


# The measured process -----------------------------------------------------------------------------------


@contextlib.contextmanager
def source(api: str, kind: str, url: str, exchanges: list[Exchange]) -> Iterator[Source]:
    """Open the project's own line to the terminal at *url*; *exchanges* gets what it observes."""
    from spx_data import config
    from spx_data.settings import Settings
    from spx_data.sources import access

    document = config.resolve(
        {
            # v2 has no other model of the greeks: with this one the two APIs can be compared.
            "thetadata": {"base_url": url, "api": api, "format": kind, "greeks_version": "1"},
            "processing": {"start_date": DATE.isoformat()},
        },
        environment={},
    )
    terminal = Settings.of(document).terminal
    with tempfile.TemporaryDirectory() as scratch:
        found = access.connect(terminal, Path(scratch), exchanges.append)
        try:
            yield found
        finally:
            found.close()


def history(found: Source) -> Iterator[Any]:
    """Return the expiration's records, batch by batch."""
    from spx_data.market.chains import Chain
    from spx_data.market.sessions import Window

    return found.history(
        Chain(ROOT, EXPIRATION, DATE, EXPIRATION), Window(dt.time(9, 30), dt.time(16, 0), "1m")
    )


def measure(api: str, kind: str, url: str) -> dict[str, float]:
    """Fetch and parse once; imports are paid before the clock starts."""
    import pyarrow.csv
    import pyarrow.json  # noqa: F401

    exchanges: list[Exchange] = []
    with source(api, kind, url, exchanges) as found:
        idle, begun = peak_mb(), time.process_time()
        rows = sum(batch.num_rows for batch in history(found))
        ended = time.process_time()
    return {
        "rows": rows,
        "bytes": sum(exchange.bytes for exchange in exchanges),
        "cpu": ended - begun,
        "peak_mb": peak_mb(),
        "idle_mb": idle,
    }


def digests(api: str, kind: str, url: str) -> dict[str, str]:
    """Return the digest of all records, and of those that both APIs have alike."""
    import polars as pl

    from spx_data.market import columns, schema

    greeks = schema.newest(columns.GREEKS)
    with source(api, kind, url, []) as found:
        records = pl.concat([pl.DataFrame(batch) for batch in history(found)])
    # v2 has no row before the index is known, and another leftover guess where no volatility was found
    # (docs/wire.md, 2.1 and 2.2).
    common = records.filter(pl.col("underlying_price") > 0, pl.col("iv_error") < FAILED)
    answer = {}
    for name, rows in {"all": records, "common": common}.items():
        digest = schema.RecordsDigest(greeks)
        digest.add(ROOT, EXPIRATION, greeks.table(DATE, ROOT, EXPIRATION, rows.sort(schema.RECORD_KEY)))
        answer[name] = digest.hexdigest()
    return answer


def peak_mb() -> float:
    """Return the most memory this process has held so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


# The measuring process: light, because a child may inherit its parent's peak -----------------------------


@contextlib.contextmanager
def simulator(api: str) -> Iterator[str]:
    """Run a real-size terminal in a process of its own, and give its base URL."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        words = ["--api", api, "--size", "real", "--ready-file", str(ready)]
        process = subprocess.Popen(
            [sys.executable, "-m", "theta_simulator", *words], stdout=subprocess.DEVNULL, env=_environment()
        )
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the simulator did not start")
                time.sleep(0.05)
            yield ready.read_text().strip()
        finally:
            process.terminate()
            process.wait()


def _environment() -> dict[str, str]:
    library = str(Path(__file__).resolve().parents[1] / "scripts")
    return {**os.environ, "PYTHONPATH": library}


def ask(task: str, api: str, kind: str, url: str) -> dict[str, Any]:
    """Return what a fresh process answers to *task*."""
    done = subprocess.run(
        [sys.executable, __file__, "--task", task, api, kind, url],
        check=True,
        stdout=subprocess.PIPE,
        env=_environment(),
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def check_equal(urls: dict[str, str]) -> None:
    """Stop unless the formats of an API gave the same records, and the two APIs where they can."""
    found = {variant: ask("digests", *variant, urls[variant[0]]) for variant in VARIANTS}
    for api in urls:
        same = {answer["all"] for variant, answer in found.items() if variant[0] == api}
        assert len(same) == 1, f"the formats of {api} differ: {found}"
        print(f"equal records in all formats of {api}: digest {same.pop()[:12]}")
    same = {answer["common"] for answer in found.values()}
    assert len(same) == 1, f"the APIs differ: {found}"
    print(f"equal records in both APIs wherever a volatility was found: digest {same.pop()[:12]}")


def table(found: dict[tuple[str, str], list[dict[str, float]]]) -> str:
    """Medians of all rounds, with their ratio to the CSV of the same API."""

    def median(variant: tuple[str, str], name: str) -> float:
        return statistics.median(result[name] for result in found[variant])

    lines = ["| variant | rows | MB on the wire | ratio | CPU s (min-max) | ratio | peak MB (idle) |"]
    lines.append("|---" * 7 + "|")
    for api, kind in VARIANTS:
        this, csv = (api, kind), (api, "csv")
        spent = [result["cpu"] for result in found[this]]
        cells = [
            f"{api} {kind}",
            f"{median(this, 'rows'):,.0f}",
            f"{median(this, 'bytes') / 1e6:.1f}",
            f"{median(this, 'bytes') / median(csv, 'bytes'):.2f}",
            f"{median(this, 'cpu'):.2f} ({min(spent):.2f}-{max(spent):.2f})",
            f"{median(this, 'cpu') / median(csv, 'cpu'):.1f}",
            f"{median(this, 'peak_mb'):.0f} ({median(this, 'idle_mb'):.0f})",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def compare(rounds: int) -> None:
    """Check, then measure every variant in turn, *rounds* times, and print the table."""
    print(results.machine("pyarrow", "requests"))
    with simulator("v3") as v3, simulator("v2") as v2:
        urls = {"v3": v3, "v2": v2}
        check_equal(urls)  # this also builds the answers: the terminals send them from memory from now on
        measured: dict[tuple[str, str], list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
        for _ in range(rounds):
            for api, kind in VARIANTS:
                measured[api, kind].append(ask("measure", api, kind, urls[api]))
    print(f"{ROOT} {EXPIRATION} on {DATE}, medians of {rounds} rounds\n")
    print(table(measured))


def main(argv: Sequence[str] | None = None) -> None:
    """Compare, or do one task of a comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each variant")
    parser.add_argument("--task", nargs=4, metavar=("TASK", "API", "FORMAT", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.task:
        task, *words = options.task
        print(json.dumps({"measure": measure, "digests": digests}[task](*words)))
    else:
        compare(options.rounds)


if __name__ == "__main__":
    main()
