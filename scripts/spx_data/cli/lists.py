"""What all lists share: a declaration of what they show, and their options.

A list is a `List`, beside a command whose body makes the rows:

    FILES = List((Column("path", "path"), Column("size", "size", size, right=True)), empty="no files")

    @click.command()
    @FILES.options(limit="At most N, the newest.")
    @click.pass_obj
    def files(call: Call, view: View) -> None:
        view.show(FILES, rows_of(call))
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.output import F, Format, console, format_option, print_csv, print_json, print_table, say
from spx_data.cli.table import Column, Row

if TYPE_CHECKING:
    from spx_data.store.layout import Layout
    from spx_data.store.tree import Tree

_INSTEAD = "--wide or --format json"
_WIDE = click.option("--wide", is_flag=True, help="Every column, however narrow the terminal is.")


@dataclass(frozen=True)
class List:
    """What a list shows: *columns* to people, *fields* to programs (those of the columns unless told)."""

    columns: Sequence[Column]
    fields: Sequence[str] = ()  # the header of CSV where there is no row that has it
    empty: str = "nothing"  # what a person reads where there are no rows
    most: int | None = None  # rows of a table, unless --limit or --all says otherwise
    first: str = "the newest"  # which rows these are
    others: str = "--all shows the others, --limit N so many"

    def options(self, limit: str | None = None) -> Callable[[F], F]:
        """The options that give a command its `view`; *limit* is the help of --limit, if it has that."""
        options = [format_option(), _WIDE]
        if limit and self.most:
            every = f"Every row; a table has {self.most} by default."
            options.append(click.option("--all", "every_row", is_flag=True, help=every))
        if limit:
            options.append(click.option("--limit", "most_rows", type=click.IntRange(min=1), help=limit))

        def decorated(command: F) -> F:
            @functools.wraps(command)
            def viewed(*args: Any, form: Format, wide: bool, **given: Any) -> Any:
                found = View(form, wide, given.pop("most_rows", None), given.pop("every_row", False))
                return command(*args, view=found, **given)

            return functools.reduce(lambda inner, option: option(inner), options, viewed)  # type: ignore[return-value]

        return decorated


@dataclass(frozen=True)
class View:
    """How somebody wants to see a list."""

    form: Format = "table"
    wide: bool = False
    limit: int | None = None
    everything: bool = False

    @property
    def is_table(self) -> bool:
        """Whether a person looks."""
        return self.form == "table"

    def show(self, what: List, rows: Iterable[Row], below: Iterable[str] = ()) -> None:
        """Print *rows*: a table with the lines *below* it, or all their fields as JSON or CSV.

        All rows have the same fields, in their order.
        """
        found = list(rows)[: self.limit]
        if self.form == "json":
            print_json(found)
        elif self.form == "csv":
            print_csv(found, what.fields or [column.field for column in what.columns])
        else:
            self._show_table(what, found, below)

    def _show_table(self, what: List, found: Sequence[Row], below: Iterable[str]) -> None:
        out = console()
        if not found:
            out.print(what.empty, markup=False)
            return
        most = None if self.limit or self.everything else what.most
        print_table(found[:most], what.columns, out, instead=_INSTEAD, wide=self.wide)
        if most and len(found) > most:
            told = f"{most:,} of {len(found):,}, {what.first}: {what.others}"
            out.print(told, style="dim", markup=False)
        for line in below:
            out.print(line, markup=False, soft_wrap=True)


# What a list has no row for: said on stderr, so that a list stays a list ------------------------------------


def tell_of_a_missing_lake(layout: Layout) -> None:
    """Say that the lake is not there, where it was: a list of its dates would be misleading."""
    from spx_data.store import dataset

    if error := dataset.trouble(layout):
        say(f"spx-data: {error}", err=True)


def tell_of_strangers(walked: Tree) -> None:
    """Say what stands in the output tree and is no part of the lake."""
    if walked.strangers:
        say(f"spx-data: {walked.words}", err=True)
