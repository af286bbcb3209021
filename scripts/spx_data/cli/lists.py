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
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from spx_data.cli.call import Call
from spx_data.cli.output import (
    F,
    Format,
    console,
    format_option,
    json_text,
    print_csv,
    print_document,
    print_json,
    print_table,
    print_words,
    say,
)
from spx_data.cli.table import Column, Row
from spx_data.errors import SpxDataError
from spx_data.text import commands, printable

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
    order: str = ""  # the field by which the rows of several lakes are sorted, with a minus the highest first
    same: bool = False  # whether a row that is the same for every lake is told once

    def options(self, limit: str | None = None, *, of_lakes: bool = True) -> Callable[[F], F]:
        """The options that give a command its `view`; *limit* is the help of --limit, if it has that.

        Of several lakes the command is done in each, and shows one list, unless it is not *of_lakes*.
        """
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
                shown = functools.partial(command, *args, view=found, **given)
                return gathered(shown) if of_lakes else shown()

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

        All rows have the same fields, in their order. Those of several lakes are printed together.
        """
        if gathering := _gathering():
            gathering.show(self, what, rows, below)
            return
        found = list(rows)[: self.limit]
        if self.form == "json":
            print_json(found)
        elif self.form == "csv":
            print_csv(found, what.fields or [column.field for column in what.columns])
        else:
            self._show_table(what, found, below)

    def tell(self, line: str, style: str = "") -> None:
        """Print a *line* below a table."""
        if gathering := _gathering():
            gathering.tell(line, style)
        else:
            print_words(line, console(), style)

    def _show_table(self, what: List, found: Sequence[Row], below: Iterable[str]) -> None:
        out = console()
        if not found:
            out.print(what.empty, markup=False)
            return
        most = None if self.limit or self.everything else what.most
        print_table(found[:most], what.columns, out, instead=_INSTEAD, wide=self.wide)
        if most and len(found) > most:
            told = f"{most:,} of {len(found):,}, {what.first}: {what.others}"
            print_words(told, out, "dim")
        for line in below:
            print_words(line, out)


# The lists of several lakes ---------------------------------------------------------------------------------


@dataclass
class _Shown:
    """What is shown at one place of each lake's output."""

    view: View
    what: List
    rows: list[Row] = field(default_factory=list)

    def show(self, lakes: int) -> None:
        """Print it as one list, with the symbol first."""
        what, rows = self.what, self.rows
        if what.order:
            key = what.order.removeprefix("-")
            rows = sorted(rows, key=lambda row: row[key] or type(row[key])(), reverse=what.order != key)
        if what.same:
            rows = _once(rows, lakes)
        whole = replace(
            what, columns=(_SYMBOL, *what.columns), fields=what.fields and (_SYMBOL.field, *what.fields)
        )
        self.view.show(whole, rows)


_SYMBOL = Column("symbol", "symbol")


def _once(rows: Sequence[Row], lakes: int) -> list[Row]:
    """*rows*, of which one that all *lakes* have alike stands once, without a symbol."""
    without = [json_text({name: row[name] for name in row if name != "symbol"}) for row in rows]
    found: dict[str, Row] = {}
    for row, text in zip(rows, without, strict=True):
        if without.count(text) == lakes:
            found.setdefault(text, {**row, "symbol": None})
        else:
            found[f"{row['symbol']} {text}"] = row
    return list(found.values())


class _Line(NamedTuple):
    """What is told of one lake, below the lists."""

    symbol: str
    text: str
    style: str

    @property
    def marked(self) -> str:
        """The text with the symbol; so have the commands in it."""
        return f"{self.symbol}: {commands.of_symbol(self.text, self.symbol)}" if self.text else ""


class _Gathering:
    """What is shown of several lakes, kept until all have shown theirs: it is one list then."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._shown: list[_Shown] = []
        self._lines: list[_Line] = []
        self._documents: dict[str, Any] = {}
        self._place = 0

    def begin(self) -> None:
        """Go on with the next lake."""
        self._place = 0

    def show(self, view: View, what: List, rows: Iterable[Row], below: Iterable[str]) -> None:
        """Keep the *rows* of the lake at which the work is."""
        symbol = str(self._call.at)
        if self._place == len(self._shown):
            self._shown.append(_Shown(view, what))
        place = self._shown[self._place]
        self._place += 1
        marked = functools.partial(commands.of_symbol, symbol=symbol)
        place.rows += [{"symbol": symbol, **printable.inside(dict(row), marked)} for row in rows]
        if view.is_table:
            for line in below:
                self.tell(line, "")

    def tell(self, line: str, style: str) -> None:
        """Keep a *line* for below the lists, where one that all lakes have alike stands once."""
        self._lines.append(_Line(str(self._call.at), line, style))

    def document(self, document: Any) -> None:
        """Keep the one *document* of a lake."""
        marked = functools.partial(commands.of_symbol, symbol=str(self._call.at))
        self._documents[str(self._call.at)] = printable.inside(document, marked)

    def end(self) -> None:
        """Print all that was kept."""
        for shown in self._shown:
            shown.show(len(self._call.lakes))
        alike = Counter((line.text, line.style) for line in self._lines)
        for text, style in dict.fromkeys(
            (line.text if alike[line.text, line.style] == len(self._call.lakes) else line.marked, line.style)
            for line in self._lines
        ):
            print_words(text, console(), style)
        if self._documents:
            print_document(self._documents)


_GATHERING = "spx_data.gathering"  # in the context of a command


def _gathering() -> _Gathering | None:
    ctx = click.get_current_context(silent=True)
    return ctx.meta.get(_GATHERING) if ctx else None


def gathered(command: Callable[[], Any]) -> Any:
    """Do *command* in each lake of the call; what it shows of several is shown together, the symbol first."""
    ctx = click.get_current_context()
    call: Call = ctx.obj
    if not _is_about_several(call):
        return command()
    gathering = _Gathering(call)

    def work() -> Any:
        gathering.begin()
        return command()

    ctx.meta[_GATHERING] = gathering
    try:
        code = call.in_each(work)
    finally:
        del ctx.meta[_GATHERING]
    gathering.end()
    return ctx.exit(code)


def in_each_lake(command: F) -> F:
    """Let *command*, which is no list, do its work in each lake of the call, under its symbol."""

    @functools.wraps(command)
    def everywhere(*args: Any, **given: Any) -> Any:
        ctx = click.get_current_context()
        call: Call = ctx.obj
        if given.get("form", "table") != "table":
            return gathered(lambda: command(*args, **given))
        if not call.several:
            return command(*args, **given)

        def work() -> Any:
            say(f"{call.at}:")
            return command(*args, **given)

        return ctx.exit(call.in_each(work))

    return everywhere  # type: ignore[return-value]


def _is_about_several(call: Call) -> bool:
    """Whether it is; settings that are wrong are the command's to say."""
    try:
        return call.several
    except SpxDataError:
        return False


def show_document(document: Any) -> None:
    """Print the one *document* of a lake; of several lakes later, with those of the others by symbol."""
    if gathering := _gathering():
        gathering.document(document)
    else:
        print_document(document)


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
