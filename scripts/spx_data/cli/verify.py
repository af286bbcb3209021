"""`spx-data verify`: what is sealed, held against its checksums; how far that is, and what it found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import Call, dates_argument
from spx_data.cli.lists import List, View, in_each_lake, tell_of_strangers
from spx_data.cli.output import Choice, Format, console, format_option, print_words, say
from spx_data.cli.publish import verify_published
from spx_data.market.dates import Dates
from spx_data.store import cores
from spx_data.text.words import counted, size

if TYPE_CHECKING:
    from rich.console import Console

    from spx_data.lake.verify import Day, Observer, Report
    from spx_data.lake.verify.witnesses import Depth

DAYS = List((), ("date", "standing", "damages", "findings", "beside", "quarantine", "error"))


@click.command(short_help="Re-check every byte of sealed dates.")
@dates_argument()
@click.option("--all", "everything", is_flag=True, help="Every sealed date; the default.")
@click.option(
    "--depth",
    type=Choice(["pages", "bytes"]),
    help="bytes: hash each file; pages: also read every page and row. Default: verify.depth.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Days checked in parallel; default: one per core."
)
@click.option("--published", is_flag=True, help="Read back what `spx-data publish` copied, instead.")
@format_option()
@in_each_lake
@click.pass_context
def verify(
    ctx: click.Context,
    dates: Dates | None,
    everything: bool,
    depth: Depth | None,
    workers: int | None,
    published: bool,
    form: Format,
) -> None:
    r"""Re-check every byte of sealed dates; a damaged one goes to quarantine and becomes a gap.

    DATES are days, months, years, ranges like 2024-01-02..2024-02-01, or words like "last 30 days". The exit
    code is 1 when something was damaged: a day, its file of bad records, or the lake's dataset.json. With
    --published the copies are read back, and nothing is moved.

    \b
    Examples:
      spx-data verify
      spx-data verify 2024-03 2024-05-01
      spx-data verify "last 30 days" --depth bytes
    """
    from spx_data.lake.verify import verify as look

    if dates and everything:
        raise click.UsageError("name dates or give --all, not both", ctx)
    call: Call = ctx.obj
    if published and (depth or form != "table"):
        raise click.UsageError("--published reads every byte, and lists what is otherwise in lines", ctx)
    if published:
        ctx.exit(verify_published(call, dates, workers or 4))
    view = View(form)
    with watching(console(stderr=not view.is_table)) as observer:
        report = look(
            call.settings,
            dates,
            depth=depth,
            workers=workers or cores.usable(),
            observer=observer,
        )
    if view.is_table:
        print_report(report)
    else:
        view.show(DAYS, map(_row, report.days))
        tell_of_strangers(report.tree)
        for wrong in report.dataset:
            say(f"spx-data: {wrong}", err=True)
    ctx.exit(int(not report.all_is_well))


def _row(day: Day) -> dict[str, Any]:
    examination = day.examination
    values = (
        day.date.isoformat(),
        str(examination.standing) if examination else None,
        [str(damage) for damage in examination.damages] if examination else [],
        [str(finding) for finding in examination.findings] if examination else [],
        [str(finding) for finding in examination.beside] if examination else [],
        day.folder,
        None if day.error is None else f"{type(day.error).__name__}: {day.error}",
    )
    return dict(zip(DAYS.fields, values, strict=True))


@contextmanager
def watching(to: Console | None = None) -> Iterator[Observer]:
    """An observer for `verify`: a bar on a terminal, elsewhere at most a line every half minute."""
    from spx_data.cli.screen import bar

    with bar("verifying", "days", to or console()) as show:
        yield lambda now: show(now.days, now.days_total, f"{size(now.bytes)} of {size(now.bytes_total)}")


def print_report(report: Report, to: Console | None = None) -> None:
    """Print what was verified, each damaged day with its damages and its new place, and the roots."""
    to = to or console()
    for line, style in _lines(report):
        print_words(line, to, style)


def _lines(report: Report) -> Iterator[tuple[str, str]]:
    """Each line with its style."""
    healthy, seconds = len(report.digests), max(report.seconds, 1e-9)
    how = "every byte and every page" if report.depth == "pages" else "every byte"
    rate = f"{size(report.bytes)} in {seconds:,.1f} s, {size(report.bytes / seconds)}/s"
    if report.days:
        yield f"{counted(len(report.days), 'day')} looked at, {how}: {rate}", ""
    else:
        yield f"no day {'of these dates ' if report.within else ''}was ever sealed", "yellow"
    if healthy:
        yield f"{counted(healthy, 'day')} as sealed", "green"
    for day in report.days:
        yield from _of(day)
    if any(day.folder for day in report.days):
        yield "A damaged date is a gap now: the next run fetches it again.", ""
    yield from ((wrong, "bold red") for wrong in report.dataset)
    if report.tree.strangers:
        yield report.tree.words, "yellow"
    yield from ((f"root {year}  {root}", "") for year, root in report.roots_by_year.items())
    if healthy:
        yield f"root {'of these days' if report.within else 'of the lake'}  {report.root}", ""


def _of(day: Day) -> Iterator[tuple[str, str]]:
    """What is to be said about one day; nothing about a healthy one."""
    from spx_data.lake.verify import Damage, Standing

    examination, date = day.examination, day.date.isoformat()
    if examination and examination.standing is Standing.DAMAGED:
        yield f"{date} damaged: {', '.join(examination.damages)}", "bold red"
        yield from ((f"    {finding}", "") for finding in examination.findings)
    if examination and examination.beside:
        yield f"{date} is as sealed, and what lies beside it is not:", "bold red"
        yield from ((f"    {finding}", "") for finding in examination.beside)
    if day.folder:
        all_lost = {Damage.SIDECAR_LOST, Damage.PARQUET_LOST, Damage.PASSPORT_LOST}
        gone = examination is not None and set(examination.damages) == all_lost
        yield f"    {'nothing is left to move, the report is in' if gone else 'moved to'} {day.folder}", ""
    if day.error is not None:
        what = "could not be moved away" if examination else "could not be examined"
        yield f"{date} {what}: {type(day.error).__name__}: {day.error}", "bold red"
    if examination and examination.standing is Standing.UNFINISHED:
        yield f"{date} unfinished: it was interrupted while sealing; the next run seals it again", "yellow"
    if examination and examination.standing is Standing.ABSENT:
        yield f"{date} is not sealed: nothing to verify", "dim"
