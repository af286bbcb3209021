"""A run's progress as a picture for the terminal, and as one line for a log file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from spx_data.ops.progress import DateProgress, Progress
from spx_data.text.words import count, duration, size

STARTING = "starting"

_LONGEST_BAR, _SHORTEST_BAR = 30, 4
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
        f"{count(progress.speed.records)} records/min, {_megabytes(progress.speed.bytes)} MB/min",
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
                Text(bars[1] * options.max_width, style="dim"),
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
    text.append(f"{count(progress.done)} of {count(progress.planned)} dates done", style="bold")
    if progress.failed:
        text.append(f", {count(progress.failed)} failed", style="bold red")
    if progress.no_data:
        text.append(f", {count(progress.no_data)} without data", style="cyan")
    text.append(f", {count(progress.left)} left")
    end = f"ETA {_eta(progress)}"
    room = min(_LONGEST_BAR, width - len(text) - len(end) - 4)
    if room >= _SHORTEST_BAR:
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
        f"{count(progress.speed.records)} records/min",
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

    def cell(self, number: int) -> Text:
        """The heading (0) or a cell, as wide as the column."""
        text = self.cells[number - 1] if number else self.heading
        return Text(text.rjust(self.width) if self.right else text.ljust(self.width))


@dataclass(frozen=True)
class _Expirations(_Column):
    """A column that has a bar before the figures."""

    shares: tuple[tuple[int, int], ...] = ()
    bar: int = 0
    bars: tuple[str, str] = _BARS

    @property
    def figures(self) -> int:
        return max(map(len, self.cells))

    @property
    def width(self) -> int:
        return max(len(self.heading), self.figures + (self.bar + 1 if self.bar else 0))

    def cell(self, number: int) -> Text:
        if not number or not self.bar or not self.cells[number - 1]:
            return super().cell(number)
        bar = _bar(*self.shares[number - 1], self.width - self.figures - 1, self.bars)
        return bar.append(f" {self.cells[number - 1]:>{self.figures}}")


# What goes first where the terminal is too narrow for everything.
_DISPENSABLE = ("MB/min", "records", "records/min", "retries", "current")


def _table(dates: Sequence[DateProgress], width: int, bars: tuple[str, str]) -> list[Text]:
    """The dates at work: a heading, and a line for each."""
    if not dates:
        return [Text("no date at work just now", style="dim")]
    columns = _columns(dates)
    dispensable = list(_DISPENSABLE)
    while _width(columns, 1) > width and dispensable:
        unwanted = dispensable.pop(0)
        columns = [column for column in columns if column.heading != unwanted]
    columns, gap = _with_bars(columns, width, bars)
    lines = [
        Text(" " * gap).join(column.cell(number) for column in columns) for number in range(len(dates) + 1)
    ]
    for text in lines:
        text.rstrip()
    lines[0].stylize("bold")
    return lines


def _with_bars(columns: list[_Column], width: int, bars: tuple[str, str]) -> tuple[list[_Column], int]:
    """The columns with a bar in the width that is left over, and the gap between them."""
    for gap, shortest in ((2, 2 * _SHORTEST_BAR), (1, _SHORTEST_BAR)):
        others = [column for column in columns if not isinstance(column, _Expirations)]
        found = [column for column in columns if isinstance(column, _Expirations)]
        taken = _width(others, gap) + gap + sum(column.figures + 1 for column in found)
        bar = min(_LONGEST_BAR // 2, width - taken)
        if bar >= shortest and any(column.figures for column in found):
            return [
                replace(column, bar=bar, bars=bars) if isinstance(column, _Expirations) else column
                for column in columns
            ], gap
    return columns, 2 if _width(columns, 2) <= width else 1


def _columns(dates: Sequence[DateProgress]) -> list[_Column]:
    loading = [date if date.stage == "download" else None for date in dates]
    columns = [
        _Column("date", tuple(date.date.isoformat() for date in dates)),
        _Column("stage", tuple(date.stage for date in dates)),
        _Expirations(
            "expirations",
            tuple(f"{date.done} of {date.listed}" if date.listed else "" for date in dates),
            shares=tuple((date.done or 0, date.listed or 0) for date in dates),
        ),
        _Column("current", tuple(date.current or "" for date in dates)),
        _Column("records", tuple(count(date.rows) if date.rows else "" for date in dates), True),
        _Column("records/min", tuple(count(date.speed.records) if date else "" for date in loading), True),
        _Column("MB/min", tuple(_megabytes(date.speed.bytes) if date else "" for date in loading), True),
    ]
    if any(date.retries for date in dates):
        retries = tuple(count(date.retries) if date.retries else "" for date in dates)
        columns.append(_Column("retries", retries, True))
    return columns


def _width(columns: Sequence[_Column], gap: int) -> int:
    """The width of a line."""
    return sum(column.width for column in columns) + gap * (len(columns) - 1)
