"""Lists as a person reads them, and as JSON and CSV for whatever reads them next.

JSON is one array of flat objects, CSV has one header line; both carry every field of every row in a fixed
order, dates as ISO 8601, moments in UTC, nothing where nothing is known, and neither colours nor wrapping.
`docs/output.md` lists the fields.

Every line and every table of the commands goes through this module (`say`, `ask`, `emit`, `console`), and no
text that came from outside does anything to a person's screen from here: what would is made visible
(`text.printable`). JSON says the same in its own escapes, and a text in CSV that a spreadsheet would take
for a formula begins with an apostrophe.
"""

from __future__ import annotations

import csv
import functools
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from spx_data.text import printable

if TYPE_CHECKING:
    from rich.console import Console

Format = Literal["table", "json", "csv"]
Row = Mapping[str, Any]
F = TypeVar("F", bound=Callable[..., Any])

# Pipes have no width: nothing wraps there, and nothing is cut off.
_UNLIMITED = 10_000
# What makes a spreadsheet compute a cell, or look into it for a command; and what is a number all the same.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
# Rows of a table that Rich lays out at once, without a wait.
_MANY = 200


@dataclass(frozen=True)
class Column:
    """One column of a table: which field it shows, under which heading, and how."""

    field: str
    heading: str
    show: Callable[[Any], str] = str
    right: bool = False
    style: Callable[[Row], str] | None = None
    fold: bool = False  # may break over lines where the terminal is narrow


def format_option(*choices: str) -> Callable[[F], F]:
    """The option `--format`; table, json and csv unless *choices* say otherwise."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(choices or ("table", "json", "csv")),
        default="table",
        show_default=True,
        help="How to print: for people, or for programs.",
    )


def console(*, stderr: bool = False) -> Console:
    """A console on which nothing is highlighted by guess, and nothing wraps in a pipe."""
    from spx_data.cli.screen import SafeConsole

    class Plain(SafeConsole):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # which `main` takes for what it is: nobody wants to read on

    found = Plain(highlight=False, stderr=stderr)
    return found if found.is_terminal else Plain(highlight=False, stderr=stderr, width=_UNLIMITED)


def say(text: str, *, err: bool = False) -> None:
    """Print *text* as it is, without wrapping or styles."""
    click.echo(printable.visible(text), err=err)


def ask(question: str, *, err: bool = False) -> None:
    """Go on if a person says yes to *question*, and end the command if not."""
    click.confirm(printable.line(question), abort=True, err=err)


def emit(
    rows: Sequence[Row],
    columns: Sequence[Column],
    form: Format,
    *,
    empty: str = "nothing",
    fields: Sequence[str] = (),
) -> None:
    """Print *rows*: *columns* of them as a table, or all their fields as JSON or CSV.

    *empty* is what a person reads where there are no rows; *fields* is the header that CSV has then, unless
    it is that of *columns*. All rows have the same fields.
    """
    if form == "json":
        print_json(rows)
    elif form == "csv":
        print_csv(rows, fields or [column.field for column in columns])
    elif rows:
        print_table(rows, columns)
    else:
        console().print(empty, markup=False)


def print_json(rows: Iterable[Row]) -> None:
    """Print an array with one object on each line."""
    lines = ",\n ".join(map(json.dumps, rows))
    say(f"[{lines}]")


def print_document(document: Any) -> None:
    """Print one JSON document over several lines."""
    say(json.dumps(document, indent=1))


def print_csv(rows: Sequence[Row], fields: Sequence[str]) -> None:
    """Print a header and one line for each row; *fields* name the columns where there is no row to do so."""
    names = list(rows[0]) if rows else list(fields)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in names])


def _cell(value: Any) -> Any:
    """A value as CSV has it; a text that a spreadsheet would compute is a text there too."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value)
    if value is None or isinstance(value, int | float):
        return value
    text = printable.visible(str(value))
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def print_table(rows: Sequence[Row], columns: Sequence[Column], to: Console | None = None) -> None:
    """Print a table without borders."""
    to = to or console()
    if len(rows) > _MANY:
        _print_long(rows, columns, to)
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column.heading,
            justify="right" if column.right else "left",
            no_wrap=not column.fold,
            overflow="fold",
        )
    for row in rows:
        cells = []
        for column in columns:
            text, style = escape(_text(row, column)), _style(row, column)
            cells.append(f"[{style}]{text}[/]" if style else text)
        table.add_row(*cells)
    to.print(table)


def _print_long(rows: Sequence[Row], columns: Sequence[Column], to: Console) -> None:
    """Print a table of any length: Rich takes a second for every thousand rows.

    It looks the same but for long lines, which wrap where the terminal wraps them.
    """
    texts = [[_text(row, column) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip([c.heading for c in columns], *texts, strict=True)]
    last = len(columns) - 1

    def line(cells: Sequence[str], styles: Sequence[str]) -> str:
        padded = [
            text.rjust(width) if column.right else text if number == last else text.ljust(width)
            for number, (text, width, column) in enumerate(zip(cells, widths, columns, strict=True))
        ]
        return "  ".join(paint(text, style) for text, style in zip(padded, styles, strict=True)).rstrip()

    paint = _painter(to)
    lines = [line([column.heading for column in columns], ["bold"] * len(columns))]
    lines += [
        line(cells, [_style(row, column) for column in columns])
        for row, cells in zip(rows, texts, strict=True)
    ]
    to.file.write("\n".join([*lines, ""]))


def _painter(to: Console) -> Callable[[str, str], str]:
    """What puts a style on a text, where *to* shows any."""
    from rich.console import COLOR_SYSTEMS
    from rich.style import Style

    if not to.is_terminal or to.no_color or to.color_system is None:
        return lambda text, _: text
    system, known = COLOR_SYSTEMS[to.color_system], functools.cache(Style.parse)
    return lambda text, style: known(style).render(text, color_system=system) if style else text


def _text(row: Row, column: Column) -> str:
    value = row[column.field]
    return "–" if value is None or value == "" else printable.visible(column.show(value), keep="\n")


def _style(row: Row, column: Column) -> str:
    return column.style(row) if column.style else ""
