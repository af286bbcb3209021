"""A run's progress as a picture for the terminal, and as one line for a log file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from spx_data.cli.output import count, duration, size
from spx_data.progress import DateProgress, Progress

STARTING = "starting"

_LONGEST_BAR = 30
_IN_A_LINE = 4  # dates at work that are named in one line
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
        ", ".join(shown) or "no date at work",
        f"{_records(progress.speed.records)} records/min, {_megabytes(progress.speed.bytes)} MB/min",
        *_troubles(progress),
        *([f"memory {size(progress.memory)}"] if progress.memory else []),
        f"ETA {_eta(progress)}",
    ]
    return "; ".join(parts)


def _words(date: DateProgress) -> str:
    parts = [date.date.isoformat(), date.stage]
    if date.listed is not None and date.stage != "list":
        parts.append(f"{date.done} of {date.listed} expirations")
    if date.current:
        parts.append(f"({date.current})")
    return " ".join(parts)


def _unlucky(progress: Progress) -> str:
    failed = f", {count(progress.failed)} failed" if progress.failed else ""
    return failed + (f", {count(progress.no_data)} without data" if progress.no_data else "")


def _troubles(progress: Progress) -> list[str]:
    found = {"requests failed": progress.requests_failed, "retried": progress.retries}
    words = ", ".join(f"{count(number)} {what}" for what, number in found.items() if number)
    return [words] if words else []


def _eta(progress: Progress) -> str:
    if progress.eta is None:
        return "unknown yet"
    return duration(progress.eta) if progress.eta >= 1 else "any moment"


def _records(value: float) -> str:
    return count(value)


def _megabytes(value: float) -> str:
    return f"{value / 1e6:,.1f}"


# The picture ---------------------------------------------------------------------------------------------


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
                _head(self.progress, options.max_width, bars),
                *_table(self.progress.at_work, options.max_width, bars),
                *_foot(self.progress),
            ]
        if self.note:
            lines.append(Text(self.note, style="bold yellow"))
        for text in lines:
            text.no_wrap, text.overflow = True, "ellipsis"
            text.truncate(options.max_width, overflow="ellipsis")
            yield text


def _head(progress: Progress, width: int, bars: tuple[str, str]) -> Text:
    text = Text()
    text.append(f"{count(progress.done)} of {count(progress.planned)} dates", style="bold")
    if progress.failed:
        text.append(f", {count(progress.failed)} failed", style="bold red")
    if progress.no_data:
        text.append(f", {count(progress.no_data)} without data", style="cyan")
    text.append(f", {count(progress.left)} left")
    end = f"ETA {_eta(progress)}"
    room = min(_LONGEST_BAR, width - len(text) - len(end) - 4)
    if room >= 4:
        text.append("  ").append(_bar(progress.planned - progress.left, progress.planned, room, bars))
    return text.append("  ").append(end, style="bold")


def _bar(done: int, total: int, width: int, bars: tuple[str, str]) -> Text:
    filled = round(width * done / total) if total else 0
    return Text().append(bars[0] * filled, style="green").append(bars[1] * (width - filled), style="dim")


def _foot(progress: Progress) -> list[Text]:
    done = Text(
        f"{count(progress.expirations_done)} of {count(progress.expirations_known)} listed expirations, "
        f"{count(progress.rows)} records staged in {size(progress.bytes)}"
    )
    now = [
        f"{_records(progress.speed.records)} records/min",
        f"{_megabytes(progress.speed.bytes)} MB/min",
        *([f"memory {size(progress.memory)}"] if progress.memory else []),
        f"{_clock(progress.elapsed)} elapsed",
    ]
    troubles = [Text(words, style="yellow") for words in _troubles(progress)]
    return [done, Text(", ".join(now)), *troubles]


def _clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds: a figure that moves shows that the run is alive."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


@dataclass(frozen=True)
class _Column:
    heading: str
    cells: tuple[str, ...]
    right: bool = False

    @property
    def width(self) -> int:
        return max(map(len, (self.heading, *self.cells)))


# What goes first where the terminal is too narrow for everything.
_DISPENSABLE = ("MB/min", "records", "records/min", "retries", "current")


def _table(dates: Sequence[DateProgress], width: int, bars: tuple[str, str]) -> list[Text]:
    """The dates at work: a heading, and a line for each; bars take the width that is left over."""
    if not dates:
        return [Text("no date at work just now", style="dim")]
    columns = _columns(dates)
    dispensable = list(_DISPENSABLE)
    while _width(columns) > width and dispensable:
        unwanted = dispensable.pop(0)
        columns = [column for column in columns if column.heading != unwanted]
    gap = 2 if _width(columns) + len(columns) - 1 <= width else 1
    room = min(_LONGEST_BAR // 2, width - _width(columns) - (gap - 1) * (len(columns) - 1) - 1)
    lines = [Text(style="bold"), *(Text() for _ in dates)]
    for column in columns:
        bar_here = column.heading == "expirations" and room >= 4
        for number, text in enumerate(lines):
            if len(text):
                text.append(" " * gap)
            if bar_here:
                date = dates[number - 1] if number else None
                text.append(_date_bar(date, room, bars)).append(" ")
            cell = column.cells[number - 1] if number else column.heading
            text.append(cell.rjust(column.width) if column.right else cell.ljust(column.width))
    for text in lines:
        text.rstrip()
    return lines


def _date_bar(date: DateProgress | None, width: int, bars: tuple[str, str]) -> Text:
    if date is None or not date.listed:
        return Text(" " * width)
    return _bar(date.done or 0, date.listed, width, bars)


def _columns(dates: Sequence[DateProgress]) -> list[_Column]:
    loading = [date.stage == "download" for date in dates]
    columns = [
        _Column("date", tuple(date.date.isoformat() for date in dates)),
        _Column("stage", tuple(date.stage for date in dates)),
        _Column("expirations", tuple(f"{d.done} of {d.listed}" if d.listed else "" for d in dates), True),
        _Column("current", tuple(date.current or "" for date in dates)),
        _Column("records", tuple(count(date.rows) if date.rows else "" for date in dates), True),
        _Column(
            "records/min",
            tuple(_records(d.speed.records) if on else "" for d, on in zip(dates, loading, strict=True)),
            True,
        ),
        _Column(
            "MB/min",
            tuple(_megabytes(d.speed.bytes) if on else "" for d, on in zip(dates, loading, strict=True)),
            True,
        ),
    ]
    if any(date.retries for date in dates):
        columns.append(_Column("retries", tuple(count(d.retries) if d.retries else "" for d in dates), True))
    return columns


def _width(columns: Sequence[_Column]) -> int:
    """The width of a line with one space between columns."""
    return sum(column.width for column in columns) + len(columns) - 1
