"""What pages cost: how long they take to make, how large they are, and how soon a browser has opened them.

    PYTHONPATH=scripts python benchmarks/pages.py [--days 2500] [--size real] [--runs 5] [--record FILE]

The dashboard is that of a lake of ten years, the day's page that of a date of real size, filled from the
simulated terminal. Both are made by the installed command, cold. Opening is a new tab of headless Chromium,
from the disk: until the document is loaded, and until every chart on the first screen is drawn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import big_lake
import programs
import results
import yaml
from playwright.sync_api import Browser
from programs import Usage

from spx_data.market import sessions

sys.path.insert(0, str(programs.ROOT))

from tests.browser import chromium

DATE = "2024-01-03"
_LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
# Every chart on the first screen has something drawn in it.
_DRAWN = """() => [...document.querySelectorAll('figure.chart .plot')]
  .filter((plot) => plot.getBoundingClientRect().top < innerHeight)
  .every((plot) => plot.querySelector('svg, canvas'))"""


@dataclass(frozen=True)
class Measured:
    """One page: what making it took, its bytes, and the seconds until it was open."""

    name: str
    made: Sequence[Usage]
    bytes: int
    loaded: Sequence[float]
    drawn: Sequence[float]


def measure(
    name: str, page: Path, folder: Path, words: Sequence[str], runs: int, browser: Browser
) -> Measured:
    """Make the *page* of the lake in *folder* with `spx-data` *words*, and open it."""
    command = [str(programs.BIN / "spx-data"), *words]
    programs.run(command, folder)  # unmeasured: it fills the caches that it may fill
    made = [programs.run(command, folder) for _ in range(runs)]
    opened = [opening(page, browser) for _ in range(runs)]
    loaded, drawn = zip(*opened, strict=True)
    return Measured(name, made, page.stat().st_size, loaded, drawn)


def opening(page: Path, browser: Browser) -> tuple[float, float]:
    """Seconds until *page* is loaded, and until what is seen first is drawn."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    try:
        tab.goto(page.as_uri(), wait_until="load")
        tab.wait_for_function(_DRAWN)
        return tab.evaluate(_LOADED) / 1000, tab.evaluate("performance.now()") / 1000
    finally:
        tab.close()


def dashboard(folder: Path, given: argparse.Namespace, browser: Browser) -> Measured:
    """The dashboard of a big lake, looked at when it was made; without any day's page."""
    layout = big_lake.make(folder, given.days, given.failed).layout
    overlay = folder / "pages.yaml"
    overlay.write_text(yaml.safe_dump({"report": {"day_pages": 0}}))
    os.environ[sessions.NOW_VARIABLE] = big_lake.MOMENT
    words = ["--configfile", str(overlay), "report"]
    try:
        return measure(
            f"dashboard, {given.days:,} days", layout.dashboard, folder, words, given.runs, browser
        )
    finally:
        del os.environ[sessions.NOW_VARIABLE]


def day(folder: Path, given: argparse.Namespace, browser: Browser) -> Measured:
    """The page of a day that is filled from the simulated terminal."""
    (folder / "config").mkdir(parents=True)
    with programs.terminal(given.bodies, size=given.size) as url:
        document = {
            "thetadata": {"base_url": url},
            "processing": {"start_date": DATE, "end_date": DATE},
        }
        (folder / "config" / "config.yaml").write_text(yaml.safe_dump(document))
        programs.run(programs.snakemake(), folder)
    page = folder / "data" / "report" / "days" / f"{DATE}.html"
    return measure(f"day, {given.size} size", page, folder, ["report", DATE], given.runs, browser)


def report(measured: Sequence[Measured], runs: int) -> str:
    """The results as a table in Markdown."""
    lines = [
        f"Medians of {runs} runs.",
        "",
        results.machine("altair", "vl-convert-python", "playwright"),
        "",
        "| page | made in, s | CPU seconds | largest process, MB | MB | loaded, s | first screen drawn, s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for page in measured:
        seconds, cpu, peak = (
            statistics.median(getattr(each, name) for each in page.made)
            for name in ("seconds", "cpu", "peak")
        )
        loaded, drawn = statistics.median(page.loaded), statistics.median(page.drawn)
        lines.append(
            f"| {page.name} | {seconds:.2f} | {cpu:.2f} | {peak:,.0f} | {page.bytes / 1e6:.2f} "
            f"| {loaded:.2f} | {drawn:.2f} |"
        )
    lines += [
        "",
        "Wanted: a dashboard of 2,500 days of at most 3 MB, open in less than 1 s, and a day's page of",
        "real size of at most 5 MB that is made in less than 10 s.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the lakes, measure, print and, where asked, keep the table."""
    parser = argparse.ArgumentParser(description="What pages cost.")
    parser.add_argument("--days", type=int, default=2500, help="sealed dates of the dashboard's lake")
    parser.add_argument("--failed", type=int, default=50, help="failed dates of it")
    parser.add_argument("--size", default="real", help="of the simulated market on the day that has a page")
    parser.add_argument("--runs", type=int, default=5, help="measured runs")
    parser.add_argument("--bodies", type=Path, metavar="DIR", help="where the terminal keeps its answers")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the table here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, chromium.started() as browser:
        folder = Path(name).resolve()
        given.bodies = (given.bodies or folder / "bodies").resolve()
        print("making the lakes …", flush=True)
        measured = [dashboard(folder / "big", given, browser), day(folder / "real", given, browser)]
    text = report(measured, given.runs)
    print(text, end="")
    if given.record:
        call = f"`benchmarks/pages.py --days {given.days} --size {given.size} --runs {given.runs}`"
        results.keep(given.record, "What pages cost", call, text)


if __name__ == "__main__":
    main()
