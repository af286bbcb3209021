"""Dates that are looked at one after the other, on the terminal: a table that grows, then the details."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from rich.console import Console
from rich.live import Live
from rich.table import Table


class Dated(Protocol):
    """What became of one date."""

    @property
    def date(self) -> dt.date:
        """The trading date."""
        ...


T = TypeVar("T", bound=Dated)


def printed(
    outcomes: Iterable[T],
    console: Console,
    *,
    headings: Sequence[str],
    cells: Callable[[T], Sequence[str]],
    details: Callable[[T], Iterable[str]],
) -> list[T]:
    """Print each outcome as it comes, then what there is to tell of each; returns them.

    *cells* gives its date, what was found, and one cell for each of *headings*.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("date", no_wrap=True)
    table.add_column("found", no_wrap=True)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    done = []
    with Live(table, console=console, auto_refresh=False) as live:
        for outcome in outcomes:
            table.add_row(*cells(outcome))
            live.refresh()
            done.append(outcome)
    if not console.is_terminal:
        console.line()  # which Live leaves out there
    for outcome in done:
        for line in details(outcome):
            about = "" if str(outcome.date) in line else f"{outcome.date}: "
            console.print(f"{about}{line}", style="dim", markup=False, soft_wrap=True)
    return done
