"""A run's progress as a picture for the terminal, and as one line for a log file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from spx_data.cli.table import Column, Row, laid_out
from spx_data.ops.progress import DateProgress, Progress
from spx_data.text import commands
from spx_data.text.words import count, counted, duration, size

STARTING = "starting"

_LONGEST_BAR, _SHORTEST_BAR, _BAR_OF_A_DATE = 30, 4, 6
_IN_A_LINE = 4  # dates at work that are named in one line
_REASONS = 2  # for which dates failed, told below the picture
_BARS = ("━", "─")  # told apart without colours too
_ASCII_BARS = ("#", "-")


# One line ------------------------------------------------------------------------------------------------


def line(progress: Progress | None) -> str:
    """The whole progress in one line that needs no other to be understood."""
    if progress is None:
        return STARTING
    shown = [_words(date) for date in progress.at_work[:_IN_A_LINE]]
    if len(progress.at_work) > _IN_A_LINE:
        shown.append(f"{len(progress.at_work) - _IN_A_LINE} more dates")
    parts = [
        f"dates {count(progress.done)} of {count(progress.planned)} done{_unlucky(progress)}",
        *([progress.outage.words()] if progress.outage else []),
        ", ".join(shown) or "no date in progress",
        f"{count(progress.speed.records)} records/min, {_megabytes(progress.speed.bytes)} MB/min",
        *_troubles(progress),
        *([f"memory {size(progress.memory)}"] if progress.memory else []),
        *([] if progress.outage else [f"ETA {_eta(progress)}{_span(progress)}"]),
    ]
    return "; ".join(parts)


def _words(date: DateProgress) -> str:
    parts = [date.name, date.stage]
    if date.listed is not None and date.stage != "list":
        parts.append(f"{date.done} of {date.listed} expirations")
    if date.current:
        parts.append(f"({date.current})")
    return " ".join(parts)


def _unlucky(progress: Progress) -> str:
    failed = f", {count(progress.failed)} failed" if progress.failed else ""
    return failed + (f", {count(progress.no_data)} without data" if progress.no_data else "")


def _troubles(progress: Progress) -> list[str]:
    failed, retries = progress.requests_failed, progress.retries
    words = [f"{counted(failed, 'request')} failed"] * bool(failed) + [f"{count(retries)} retried"] * bool(
        retries
    )
    return [", ".join(words)] if words else []


def _eta(progress: Progress) -> str:
    if progress.eta is None:
        return "unknown yet"
    return duration(progress.eta) if progress.eta >= 1 else "any moment"


def _span(progress: Progress) -> str:
    """Between which times four of five such guesses would be right, where the run tells that."""
    span = progress.eta_span
    return f" ({duration(span.p10)} to {duration(span.p90)})" if span and span.p10 >= 1 else ""


def _megabytes(value: float) -> str:
    return f"{value / 1e6:,.1f}"


# The picture ---------------------------------------------------------------------------------------------


# What goes where the terminal is too narrow for everything: the highest rank first.
_COLUMNS = (
    Column("date", "date"),
    Column("stage", "stage", rank=1),
    Column("expirations", "expirations", rank=2, style=lambda _: "green"),
    Column("current", "current", rank=3),
    Column("rows", "records", count, rank=6, right=True),
    Column("records", "records/min", count, rank=5, right=True),
    Column("bytes", "MB/min", lambda value: _megabytes(value), rank=7, right=True),
    Column("retries", "retries", count, rank=4, right=True),
)


@dataclass(frozen=True)
class Picture:
    """What stands at the bottom of the terminal while a run is at work; never wider than it."""

    progress: Progress | None
    note: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give the lines of the picture, each cut to the width of the terminal."""
        bars = _ASCII_BARS if options.ascii_only else _BARS
        lines = [Text(STARTING, style="dim")]
        if self.progress is not None:
            lines = [
                Text(bars[1] * options.max_width, style="dim"),
                _head(self.progress, options.max_width, bars),
                *_away(self.progress, options.max_width),
                *_dates(self.progress.at_work, options.max_width, bars),
                *_foot(self.progress),
                *_failures(self.progress, options.max_width),
            ]
        if self.note:
            lines.append(Text(self.note, style="bold yellow"))
        for text in lines:
            text.no_wrap, text.overflow = True, "ellipsis"
            text.truncate(options.max_width, overflow="ellipsis")
            yield text


def _head(progress: Progress, width: int, bars: tuple[str, str]) -> Text:
    text = Text(f"{count(progress.done)} of {count(progress.planned)} dates done", style="bold")
    if progress.failed:
        text.append(f", {count(progress.failed)} failed", style="bold red")
    if progress.no_data:
        text.append(f", {count(progress.no_data)} without data", style="cyan")
    text.append(f", {count(progress.left)} left", style="not bold")
    end = "" if progress.outage else f"  ETA {_eta(progress)}"
    room = min(_LONGEST_BAR, width - len(text) - len(end) - 2)
    if room >= _SHORTEST_BAR:
        bar = _bar(progress.planned - progress.left, progress.planned, room, bars)
        text.append("  ").append(bar, style="not bold green")
    return text.append(end)


def _away(progress: Progress, width: int) -> list[Text]:
    """What is said of a terminal that does not answer."""
    lines = commands.wrapped(progress.outage.words(), width) if progress.outage else []
    return [Text(text, style="bold yellow") for text in lines]


def _failures(progress: Progress, width: int) -> list[Text]:
    """Why dates failed and what helps, those that failed alike together; the most frequent reasons."""
    lines: list[Text] = []
    for failure in progress.failures[:_REASONS]:
        said = f"{counted(len(failure.dates), 'date')} failed: {failure.cause}"
        lines += [Text(text, style="bold red") for text in commands.wrapped(said, width)]
        lines += map(Text, commands.wrapped(f"→ {failure.cure}", width) if failure.cure else [])
    if more := sum(len(failure.dates) for failure in progress.failures[_REASONS:]):
        lines.append(Text(f"{counted(more, 'date')} failed for other reasons", style="bold red"))
    return lines


def _bar(done: int, total: int, width: int, bars: tuple[str, str]) -> str:
    filled = round(width * done / total) if total else 0
    return bars[0] * filled + bars[1] * (width - filled)


def _foot(progress: Progress) -> list[Text]:
    done = (
        f"{count(progress.expirations_done)} of {count(progress.expirations_known)} listed expirations, "
        f"{count(progress.rows)} records staged in {size(progress.bytes)}"
    )
    now = [
        f"{count(progress.speed.records)} records/min",
        f"{_megabytes(progress.speed.bytes)} MB/min",
        *([f"memory {size(progress.memory)}"] if progress.memory else []),
        f"{_clock(progress.elapsed)} elapsed",
    ]
    return [Text(done), Text(", ".join(now)), *(Text(words, style="yellow") for words in _troubles(progress))]


def _clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds: a figure that moves shows that the run is alive."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _dates(dates: Sequence[DateProgress], width: int, bars: tuple[str, str]) -> list[Text]:
    """The dates at work: a heading, and a line for each."""
    if not dates:
        return [Text("no date in progress", style="dim")]
    figures = [f"{date.done} of {date.listed}" if date.listed else "" for date in dates]
    widest = max(map(len, figures))
    rows: list[Row] = [
        {
            "date": date.name,
            "stage": date.stage,
            "expirations": date.listed
            and f"{_bar(date.done or 0, date.listed, _BAR_OF_A_DATE, bars)} {told:>{widest}}",
            "current": date.current,
            "rows": date.rows or None,
            "records": date.speed.records if date.stage == "download" else None,
            "bytes": date.speed.bytes if date.stage == "download" else None,
            "retries": date.retries or None,
        }
        for date, told in zip(dates, figures, strict=True)
    ]
    shown = [
        column for column in _COLUMNS if column.field != "retries" or any(date.retries for date in dates)
    ]
    return [Text.assemble(*line) for line in laid_out(rows, shown, width).lines]
