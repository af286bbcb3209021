"""Standard streams that take whatever is printed: of any encoding, or closed before this process began."""

from __future__ import annotations

import codecs
import logging
import os
import sys

from spx_data.text import printable

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
