"""A verification on the terminal: how far it is, and what it found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from spx_data.cli.screen import SafeConsole
from spx_data.lake.verify import Damage, Day, Progress, Report, Standing
from spx_data.lake.verify.verification import Observer

_SECONDS_BETWEEN_LINES = 30
_ALL_LOST = {Damage.SIDECAR_LOST, Damage.PARQUET_LOST, Damage.PASSPORT_LOST}


@contextmanager
def watching(console: Console | None = None) -> Iterator[Observer]:
    """An observer for `verify`: a bar on a terminal, elsewhere a line every half minute at the most."""
    console = console or SafeConsole(highlight=False)
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("verifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days,"),
        TextColumn("{task.fields[read]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("verify", total=None, read="")

        def show(progress: Progress) -> None:
            read = f"{_size(progress.bytes)} of {_size(progress.bytes_total)}"
            bar.update(task, completed=progress.days, total=progress.days_total, read=read)

        yield show


class _Lines:
    """Says now and then how far it is; nothing at all where that is over sooner."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self._said < _SECONDS_BETWEEN_LINES:
            return
        self._said = time.monotonic()
        days = f"{progress.days:,} of {progress.days_total:,} days"
        self._console.print(f"verifying: {days}, {_size(progress.bytes)} of {_size(progress.bytes_total)}")


def print_report(report: Report, console: Console | None = None) -> None:
    """Print what was verified, each damaged day with its damages and its new place, and the roots."""
    console = console or SafeConsole(highlight=False)
    for line in _lines(report):
        console.print(line, soft_wrap=True)


def _lines(report: Report) -> Iterator[str]:
    healthy, seconds = len(report.digests), max(report.seconds, 1e-9)
    how = "every byte and every page" if report.depth == "pages" else "every byte"
    rate = f"{report.bytes / 1e9 / seconds:,.2f} GB/s"
    yield f"{_days(len(report.days))} looked at, {how}: {_size(report.bytes)} in {seconds:,.1f} s, {rate}"
    if healthy:
        yield f"[green]{_days(healthy)} as sealed[/]"
    for day in report.days:
        yield from _of(day)
    if any(day.folder for day in report.days):
        yield "A damaged date is a gap now: the next run fetches it again."
    for wrong in report.dataset:
        yield f"[bold red]{escape(wrong)}[/]"
    if report.tree.strangers:
        yield f"[yellow]{escape(report.tree.words)}[/]"
    for year, root in report.roots_by_year.items():
        yield f"root {year}  {root}"
    name = "of these days" if report.within else "of the lake"
    if healthy:
        yield f"root {name}  {report.root}"


def _of(day: Day) -> Iterator[str]:
    """What is to be said about one day; nothing about a healthy one."""
    examination, date = day.examination, day.date.isoformat()
    if examination and examination.standing is Standing.DAMAGED:
        kinds = ", ".join(examination.damages)
        yield f"[bold red]{date} damaged: {kinds}[/]"
        for finding in examination.findings:
            yield f"    {escape(str(finding))}"
    if examination and examination.beside:
        yield f"[bold red]{date} is as sealed, and what lies beside it is not:[/]"
        for finding in examination.beside:
            yield f"    {escape(str(finding))}"
    if day.folder:
        all_lost = examination is not None and set(examination.damages) == _ALL_LOST
        what = "nothing is left to move, the report is in" if all_lost else "moved to"
        yield f"    {what} {escape(day.folder)}"
    if day.error is not None:
        what = "could not be moved away" if examination else "could not be examined"
        yield f"[bold red]{date} {what}: {escape(f'{type(day.error).__name__}: {day.error}')}[/]"
    if examination and examination.standing is Standing.UNFINISHED:
        yield f"[yellow]{date} unfinished: its publication never ended, the next run does it again[/]"
    if examination and examination.standing is Standing.ABSENT:
        yield f"[dim]{date} is not sealed: nothing to verify[/]"


def _days(count: int) -> str:
    return f"{count:,} day{'' if count == 1 else 's'}"


def _size(count: float) -> str:
    """Bytes as a person reads them, in decimal units."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.2f} GB"
