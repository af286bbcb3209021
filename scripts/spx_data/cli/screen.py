"""Rich's console, on which nothing but our own styles does anything to the screen; and tables on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from spx_data.cli.table import Column, Row, laid_out
from spx_data.text import commands, printable

# Pipes have no width: nothing wraps there.
_UNLIMITED = 10_000
_SECONDS_BETWEEN_LINES = 30


class SafeConsole(Console):
    """A console that makes visible what texts hold beside text; styles and Rich's own controls come after."""

    def render_str(self, text: str, **styled: Any) -> Text:
        """*text* as Rich has it, its commands as typed; it would drop some controls without a word."""
        return super().render_str(commands.shown(printable.visible(text)), **styled)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of *renderable*: each text of them `printable.visible`."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable.visible(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Tell the command, which takes it for what it is: nobody wants to read on."""
        raise BrokenPipeError


def opened(*, stderr: bool) -> SafeConsole:
    """A console on which nothing is highlighted by guess, and nothing wraps in a pipe."""
    found = SafeConsole(highlight=False, stderr=stderr)
    return found if found.is_terminal else SafeConsole(highlight=False, stderr=stderr, width=_UNLIMITED)


@dataclass
class Table:
    """Rows on a console; in a terminal as wide as that, and the last line says which columns had no room."""

    rows: Sequence[Row]
    columns: Sequence[Column]
    instead: str = ""  # what shows the columns that had none
    wide: bool = False  # whatever the width

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give the lines; none where there are no rows."""
        if not self.rows:
            return
        width = None if self.wide or not console.is_terminal else options.max_width
        layout = laid_out(self.rows, self.columns, width)
        for line in layout.lines:
            yield from (Segment(text, Style.parse(style) if style else None) for text, style in line)
            yield Segment.line()
        if layout.left_out:
            instead = f" (see {self.instead})" if self.instead else ""
            yield Text(commands.shown(f"no room for {', '.join(layout.left_out)}{instead}"), style="dim")


@contextmanager
def growing(rows: Sequence[Row], columns: Sequence[Column], to: Console) -> Iterator[Callable[[], None]]:
    """A table of *rows*, to which somebody adds in the block: what is given shows those of now.

    Where nothing can be drawn again, as in a pipe, the table comes at the end, whatever ends the block.
    """
    table = Table(rows, columns)
    if to.is_terminal:
        with Live(table, console=to, auto_refresh=False) as live:
            yield live.refresh
        return
    try:
        yield lambda: None
    finally:
        to.print(table, crop=False)


@contextmanager
def bar(what: str, unit: str, to: Console) -> Iterator[Callable[[int, int, str], None]]:
    """A bar below what the block prints; what is given is told how many are done, of how many, and more.

    Where nothing can be drawn again there is a line every half minute instead, and none if it is over sooner.
    """
    if not to.is_terminal:
        told_at = time.monotonic()

        def line(done: int, total: int, more: str = "") -> None:
            nonlocal told_at
            if (now := time.monotonic()) - told_at >= _SECONDS_BETWEEN_LINES:
                told_at = now
                to.print(f"{what}: {done:,} of {total:,} {unit}{more and f', {more}'}")

        yield line
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    words = (TextColumn(f"{unit}{{task.fields[more]}}"), TimeRemainingColumn())
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), *words)
    with Progress(*columns, console=to, transient=True) as shown:
        task = shown.add_task(what, total=None, more="")

        def show(done: int, total: int, more: str = "") -> None:
            shown.update(task, completed=done, total=total, more=more and f", {more}")

        yield show
