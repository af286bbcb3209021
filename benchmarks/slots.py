"""How much of the terminal a fill uses: the request slots that are busy, of those there are.

    PYTHONPATH=scripts python benchmarks/slots.py [--dates 8] [--service-ms 250,1000] [--runs 5]

`snakemake --cores 4` fills dates with as many chains as real ones, but with a stamp an hour (--interval), so
that waiting counts and computing does not. A request takes the service time, in which it holds one of the
terminal's four places; then as long as its body takes. Use is the time that all requests took, by the
terminal's own log, over four times the time from the first to the last. What comes before and after
(Snakemake's start, the last merge) is the rest of the time in all.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import programs
import results
import yaml

LIMIT = 4
_DATES = [f"2024-11-{number:02}" for number in (*range(4, 9), *range(11, 16), *range(18, 23), *range(25, 28))]


@dataclass(frozen=True)
class Use:
    """One fill: seconds in all, from the first to the last request, and of all requests together."""

    wall: float
    span: float
    busy: float
    most: int

    @property
    def share(self) -> float:
        """The share of the slots that was in use while anything was asked."""
        return self.busy / (LIMIT * self.span)


def fill(given: argparse.Namespace, service_ms: int, folder: Path) -> Use:
    """Fill an empty lake in *folder* and read the terminal's log."""
    log, dates = folder / "requests.jsonl", _DATES[: given.dates]
    settings = {"size": given.size, "outstanding": LIMIT, "latency_ms": service_ms, "request_log": log}
    with programs.terminal(given.bodies, **settings) as url:
        document = {
            "thetadata": {"base_url": url, "max_concurrent_requests": LIMIT},
            "processing": {"start_date": dates[0], "end_date": dates[-1], "interval": given.interval},
        }
        (folder / "config").mkdir()
        (folder / "config" / "config.yaml").write_text(yaml.safe_dump(document))
        used = programs.run(programs.snakemake("--quiet", "all"), folder)
    asked = [entry for line in log.open() if (entry := json.loads(line))["counted"] and entry["started"]]
    return Use(
        used.seconds,
        max(entry["finished"] for entry in asked) - min(entry["started"] for entry in asked),
        sum(entry["finished"] - entry["started"] for entry in asked),
        max(entry["in_flight"] for entry in asked),
    )


def measured(given: argparse.Namespace, service_ms: int) -> Use:
    """The fill with the median use of some, after one that builds the terminal's bodies."""
    found = []
    for run in range(given.runs + 1):
        with tempfile.TemporaryDirectory() as name:
            found.append(fill(given, service_ms, Path(name)))
        print(f"{service_ms} ms: {'bodies are built' if run == 0 else found[-1]}", flush=True)
    some = found[1:]
    return min(some, key=lambda use: abs(use.share - median(each.share for each in some)))


def table(uses: Sequence[tuple[int, Use]]) -> str:
    """The findings in Markdown."""
    lines = [
        "| service time of a request | slots in use | most in flight | first to last request | in all |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {service_ms} ms | {use.share:.0%} | {use.most} | {use.span:.0f} s | {use.wall:.0f} s |"
        for service_ms, use in uses
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print, and keep the table where --record says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dates", type=int, default=8, choices=range(1, len(_DATES) + 1), metavar="DATES")
    parser.add_argument(
        "--service-ms", type=lambda text: [int(each) for each in text.split(",")], default=[250, 1000]
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--size", default="real")
    parser.add_argument("--interval", default="1h")
    parser.add_argument("--bodies", type=Path, default=Path(tempfile.gettempdir()) / "spx-data-bodies")
    parser.add_argument("--record", type=Path, help="keep the table in this file")
    given = parser.parse_args()

    uses = [(service_ms, measured(given, service_ms)) for service_ms in given.service_ms]

    text = f"{table(uses)}\n\n{given.dates} dates, {results.machine('snakemake')}"
    print(text)
    if given.record:
        results.keep(given.record, "Request slots in use", "`python benchmarks/slots.py`", text)


if __name__ == "__main__":
    main()
