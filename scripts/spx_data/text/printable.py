"""Text from outside as a person may see it: what would do something to a screen becomes characters.

What comes in (answers of the terminal, files of a lake, settings, arguments) may hold escape sequences that
move the cursor, name the window or clear the screen, and marks that turn the order of letters round. Two
places make that visible: where an error is made (`spx_data.errors`), and, whatever way a text came, where
this project prints (`cli.output`) and logs (`jobs.process`). JSON escapes it by itself. Bytes of the wire are
quoted as one short line of text, or by the name of what is none (`excerpt`).
"""

from __future__ import annotations

import sys
import traceback
import unicodedata
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from spx_data.text import commands

if TYPE_CHECKING:
    import logging

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
    """What writes each record of a log, its traceback too, `visible` and with commands as typed."""
    import logging

    class Visible(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return visible(commands.shown(super().format(record)))

    return Visible(form)


def tell_uncaught() -> None:
    """Let this process tell an error that nobody catches as Python does, but `visible`."""

    def told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        tell("".join(traceback.format_exception(kind, error, trace)))

    sys.excepthook = told


def tell(text: str) -> None:
    """Write *text* to standard error, `visible`, if there is one that takes it."""
    with suppress(OSError, ValueError, AttributeError):  # there may be nothing to write to
        sys.stderr.write(visible(text))


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


EXCERPT = 200  # characters

_MAGIC = ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip"), (b"PAR1", "Parquet"), (b"\x28\xb5\x2f\xfd", "zstd"))
_GZIP = _MAGIC[0][0]
_ODD = 0.25  # of the characters, in what is text still


def excerpt(body: bytes, size: int | None = None) -> str:
    """The beginning of *body* as one line of text; what is no text is named, by its *size* and its kind."""
    if body.startswith(_GZIP):
        body = _unpacked(body)
    start = body[: 4 * EXCERPT]
    text = start.decode(errors="replace").removeprefix("\ufeff")
    if sum(map(_is_odd, text[:-1])) > _ODD * len(text):  # the last character may be cut in two
        kind = next((f", {name}" for magic, name in _MAGIC if start.startswith(magic)), "")
        return f"{_amount(len(body) if size is None else size)} of binary{kind}"
    return shown(text).lstrip(":")


def shown(text: str) -> str:
    """*text* as one short line that does nothing to the screen: what would is visible (`printable`)."""
    return line(text[: 8 * EXCERPT])[:EXCERPT]


def _is_odd(character: str) -> bool:
    """Whether a character stands for none, or controls something."""
    return character == "\N{REPLACEMENT CHARACTER}" or (
        unicodedata.category(character) == "Cc" and not character.isspace()
    )


def _unpacked(body: bytes) -> bytes:
    """The beginning of what is packed in *body*; the body itself where it is damaged."""
    try:
        return zlib.decompressobj(wbits=31).decompress(body, 4 * EXCERPT) or body
    except zlib.error:
        return body


def _amount(size: int) -> str:
    return (
        f"{size} bytes"
        if size < 1000
        else f"{size / 1000:.0f} kB"
        if size < 10**6
        else f"{size / 1e6:.1f} MB"
    )
