"""Text from outside as a person may see it: what would do something to a screen becomes characters.

What comes in (answers of the terminal, files of a lake, settings, arguments) may hold escape sequences that
move the cursor, name the window or clear the screen, and marks that turn the order of letters round. Two
places make that visible: where an error is made (`spx_data.errors`), and, whatever way a text came, where
this project prints (`cli.output`) and logs (`jobs.process`). JSON escapes it by itself.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from spx_data.text import commands

if TYPE_CHECKING:
    import logging
    from types import TracebackType

_LAYOUT = "\n\t"


def visible(text: str, keep: str = _LAYOUT) -> str:
    r"""*text* with each control, format, private, unassigned and lone surrogate as `\x1b`, `\u202e`.

    So are the separators of lines and paragraphs; blanks stay, and so does what *keep* holds. What came out
    of it once stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep or unicodedata.category(char) == "Zs" else _escaped(char)
        for char in text
    )


def line(text: str) -> str:
    """*text* in one line: ends of lines and tabs are blanks, and `visible` of everything else."""
    return visible(" ".join(visible(text, keep="\r\n\t").split()))


def inside(value: Any, mend: Callable[[str], str] = visible) -> Any:
    """*value* with each of its texts as *mend* has it, those in lists, tuples, sets and mappings too."""
    if isinstance(value, str):
        return mend(value)
    if isinstance(value, Mapping):
        return {inside(name, mend): inside(one, mend) for name, one in value.items()}
    kind = next((kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind)), None)
    return value if kind is None else kind(inside(one, mend) for one in value)


def log_format(form: str = "%(message)s") -> logging.Formatter:
    """What writes each record of a log, its traceback too, `visible` and without marks (`commands`)."""
    import logging

    class Visible(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return visible(commands.plain(super().format(record)))

    return Visible(form)


def tell_uncaught() -> None:
    """Let this process tell an error that nobody catches as Python does, but `visible`."""

    def told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        import traceback

        with suppress(OSError, ValueError, AttributeError):  # there may be nothing to write to
            sys.stderr.write(visible("".join(traceback.format_exception(kind, error, trace))))

    sys.excepthook = told


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
