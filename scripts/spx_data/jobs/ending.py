"""How a process of ours ends: at once, as soon as its work is done and what it said is written."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

from spx_data.text import printable


def end(status: int) -> NoReturn:
    """End the process with *status*, or with 1 where what it printed could not be written.

    The interpreter is not taken down first. Libraries have threads of their own, and one that gives back a
    buffer of Python's meanwhile is ended amid its C++, which aborts the process: "terminate called without an
    active exception", SIGABRT, for work that was done. So nothing may be left to the end: what must be
    written, unlocked or removed stands in a block that has ended.
    """
    unwritten = _unwritten()
    with suppress(OSError, ValueError):  # a log that takes nothing more says so nowhere
        sys.stderr.flush()
    os._exit(status or unwritten)


def _unwritten() -> int:
    """Whether what was printed could not be written, told; where nobody reads it any more, without a word."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        if not isinstance(error, BrokenPipeError):
            printable.tell(f"spx-data: not all could be printed: {error}\n")
        return 1
    return 0
