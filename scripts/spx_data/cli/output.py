"""All that commands print: lines, tables, JSON and CSV, on streams that take whatever is printed.

JSON is one array of flat objects, CSV has one header line; both carry every field of every row in a fixed
order, dates as ISO 8601, moments in UTC, nothing where nothing is known, and neither colours nor wrapping.
`docs/output.md` lists the fields.

Every line and every table of the commands goes through this module (`say`, `ask`, `console`, `print_table`),
and no text that came from outside does anything to a person's screen from here: what would is made visible
(`text.printable`). JSON says the same in its own escapes, and a text in CSV that a spreadsheet would take
for a formula begins with an apostrophe. Commands in our own texts are as they are typed (`text.commands`).
"""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from spx_data.cli.table import Column, Row
from spx_data.text import commands, printable

if TYPE_CHECKING:
    from rich.console import Console

Format = Literal["table", "json", "csv"]
F = TypeVar("F", bound=Callable[..., Any])

# What makes a spreadsheet compute a cell, or look into it for a command; and what is a number all the same.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
VERSION = "%(prog)s, version %(version)s"
_HANDLER = "spx-data-plain"
# What stands for a character where the terminal's encoding has none such.
_PLAIN = {
    **dict.fromkeys("–—−─━╸╺", "-"),
    **dict.fromkeys("│▏", "|"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("\u00a0\u202f\u2009", " "),
    "…": "...",
    "→": "->",
    "←": "<-",
    "·": "|",
    "•": "*",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "’": "'",
}


class Choice(click.Choice[str]):
    """One of some words; what is none of them is told with the nearest."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """What is wrong, the words that are right, and which of them may be meant."""
        told = super().get_invalid_choice_message(value, ctx)
        near = difflib.get_close_matches(str(value), self.choices, 1)
        return f"{told} Did you mean {near[0]!r}?" if near else told


def format_option(*choices: str) -> Callable[[F], F]:
    """The option `--format`; table, json and csv unless *choices* say otherwise."""
    offered = choices or ("table", "json", "csv")
    for_programs = " or ".join(name.upper() for name in offered if name != "table")
    return click.option(
        "--format",
        "form",
        type=Choice(offered),
        default="table",
        show_default=True,
        help=f"Output format: a table for people, {for_programs} for programs.",
    )


def console(*, stderr: bool = False) -> Console:
    """A console on which nothing is highlighted by guess, and nothing wraps in a pipe."""
    from spx_data.cli import screen

    return screen.opened(stderr=stderr)


def say(text: str, *, err: bool = False) -> None:
    """Print a *text* for people without styles, its commands as they are typed.

    In a terminal lines end between words; in a pipe they wrap nowhere.
    """
    visible = printable.visible(text)
    if (sys.stderr if err else sys.stdout).isatty():
        width = shutil.get_terminal_size().columns
        lines = [line for each in visible.split("\n") for line in commands.wrapped(each, width)]
        click.echo("\n".join(lines), err=err)
    else:
        click.echo(commands.shown(visible), err=err)


def hand_out(text: str) -> None:
    """Print a *text* that is set already or is copied, like a path, a value or a script: it wraps nowhere."""
    click.echo(commands.shown(printable.visible(text)))


def print_words(text: str, to: Console, style: str = "") -> None:
    """Print *text* in lines that end between words where *to* is a terminal; what it marks can be copied."""
    visible = printable.visible(text)
    for line in commands.wrapped(visible, to.width) if to.is_terminal else [commands.shown(visible)]:
        to.print(line, style=style, markup=False, soft_wrap=True)


def ask(question: str, *, err: bool = False) -> None:
    """Go on if a person says yes to *question*, and end the command if not."""
    click.confirm(commands.shown(printable.line(question)), abort=True, err=err)


def agreed(question: str, *, default: bool) -> bool:
    """Whether a person says yes to *question*."""
    return click.confirm(commands.shown(printable.line(question)), default=default)


def prompt(question: str, kind: click.ParamType[Any], default: object) -> Any:
    """What a person answers to *question*, asked again until it is of the *kind*; Enter is the *default*."""
    return click.prompt(commands.shown(printable.line(question)), type=kind, default=default)


def print_json(rows: Iterable[Row]) -> None:
    """Print an array with one object on each line."""
    lines = ",\n ".join(map(json_text, rows))
    click.echo(f"[{lines}]")


def print_document(document: Any) -> None:
    """Print one JSON document over several lines."""
    click.echo(json_text(document, indent=1))


def json_text(value: Any, indent: int | None = None) -> str:
    """*value* as JSON, in ASCII; what its texts have of commands is as a person types it."""
    text = json.dumps(value, indent=indent)
    return json.dumps(printable.inside(value, commands.shown), indent=indent) if "`" in text else text


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
        return json_text(value)
    if value is None or isinstance(value, int | float):
        return value
    text = commands.shown(printable.visible(str(value)))
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def print_table(
    rows: Sequence[Row],
    columns: Sequence[Column],
    to: Console | None = None,
    *,
    instead: str = "",
    wide: bool = False,
) -> None:
    """Print a table without borders; *instead* shows the columns that the terminal has no room for."""
    from spx_data.cli.screen import Table

    (to or console()).print(Table(rows, columns, instead, wide), crop=False)


# Streams --------------------------------------------------------------------------------------------------


def make_safe() -> None:
    """Let nothing that this process prints, and those it starts, fail for its characters or its stream.

    What it warns of, and an error that nobody catches, is told without what its text could do to a screen.
    """
    _open_closed()
    if not os.environ.get("COLUMNS", "1").isdecimal() or int(os.environ.get("COLUMNS", "1")) == 0:
        del os.environ["COLUMNS"]  # nothing fits into no column; the terminal itself knows better
    codecs.register_error(_HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        encoding = str(getattr(stream, "encoding", None) or "utf-8")
        # A test's stream, or a notebook's, is none of ours to change.
        if not encoding.lower().startswith("utf") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_HANDLER)
            os.environ["PYTHONIOENCODING"] = f"{encoding}:replace"
    printable.tell_uncaught()
    if logging.lastResort is not None:  # where what the library warns of ends, in a command or in Snakemake
        logging.lastResort.setFormatter(printable.log_format())


class _Watched(io.TextIOWrapper):
    """A stream that loses what it cannot write for an error that is *lost*, and knows any other."""

    before: io.TextIOWrapper  # which would close the descriptor if it went
    lost: tuple[type[OSError], ...] = ()
    failed: OSError | None = None

    def write(self, text: str, /) -> int:
        with self._watched():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with self._watched():
            super().flush()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not isinstance(error, self.lost):
                self.failed = error
                raise


def watch_streams() -> None:
    """Let no work end because nobody can hear of it, and know what standard output does not take."""
    for name, lost in (("stdout", ()), ("stderr", (OSError,))):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:  # and not a test's, or a notebook's
            stream.flush()
            buffer = io.BufferedWriter(io.FileIO(stream.fileno(), "w", closefd=False))
            lines = stream.line_buffering
            watched = _Watched(buffer, stream.encoding, stream.errors, line_buffering=lines)
            watched.before, watched.lost = stream, lost
            setattr(sys, name, watched)


def go_on_unread() -> None:
    """Let this process go on where nobody reads its standard output any more."""
    if isinstance(sys.stdout, _Watched):
        sys.stdout.lost = (BrokenPipeError,)


def unprinted() -> OSError | None:
    """Why not all could be printed to standard output; None where nothing is known to be lost."""
    return sys.stdout.failed if isinstance(sys.stdout, _Watched) else None


def _open_closed() -> None:
    """Fill the place of a closed stream: else the next file that is opened takes it, and what is printed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unknown = error.object[error.start : error.end]
    said = "".join(_PLAIN.get(char, "?") for char in unknown)
    return said.encode(error.encoding, "replace").decode(error.encoding), error.end
