"""A terminal that one date gave up on is not asked by the others as if nothing had happened.

The job that gives up leaves a note in the temp directory. While it is there, every job asks the terminal once
how it is before it asks for data: a terminal still in trouble costs each remaining date one request and no
patience, and a terminal that is back is used at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from spx_data.errors import SpxDataError, TerminalDisconnectedError, ThetaTerminalNotRunningError
from spx_data.sources.source import Source
from spx_data.store import files, locks
from spx_data.store.layout import Layout

DOWN = (ThetaTerminalNotRunningError, TerminalDisconnectedError)


@contextmanager
def heeded(layout: Layout, source: Source) -> Iterator[None]:
    """Ask *source* for data in the block, unless it was found down and still is; note it if it goes down.

    Raises:
        ThetaTerminalNotRunningError, TerminalDisconnectedError: it is down.
    """
    try:
        if layout.terminal_down.exists():
            source.check()
            files.remove(layout.terminal_down)
        yield
    except DOWN as error:
        _note(layout, error)
        raise


def _note(layout: Layout, error: SpxDataError) -> None:
    note = {"error": type(error).__name__, "cause": error.cause}
    locks.claim_json(layout.terminal_down, note, layout.lock("outage"))
