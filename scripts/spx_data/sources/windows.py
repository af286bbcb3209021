"""A chain's history in as many requests as the terminal wants (570: the answer would be too large)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from spx_data.errors import ApiDataNotFoundError, LargeRequestError
from spx_data.market.sessions import Window

if TYPE_CHECKING:
    import pyarrow as pa

    from spx_data.market.chains import ListedChain
    from spx_data.market.records import Rejects
    from spx_data.sources.source import Source


def history(
    source: Source, entry: ListedChain, windows: list[Window], rejects: Rejects | None = None
) -> Iterator[pa.RecordBatch]:
    """The records of a listed chain in each of *windows*, joined; see `joined` and `Source.history`."""
    return joined(
        lambda window: source.history(entry.chain, window, rejects, contracts=entry.contracts), windows
    )


def joined(
    ask: Callable[[Window], Iterator[pa.RecordBatch]], windows: list[Window]
) -> Iterator[pa.RecordBatch]:
    """What *ask* gives for each of *windows* in turn.

    A window that is too large for one answer is replaced in *windows* by its halves, so that whoever asks
    again does not ask for the whole once more. One without data beside others that have some is asked once
    more, after them.

    Raises:
        LargeRequestError: a single stamp is too large.
        ApiDataNotFoundError: there is no record in any of them.
    """
    position, empty = 0, list[Window]()
    while position < len(windows):
        try:
            yield from ask(windows[position])
        except LargeRequestError:
            # It comes instead of an answer, so no record of this window was given yet.
            if not (halves := windows[position].halves()):
                raise
            windows[position : position + 1] = halves
            continue
        except ApiDataNotFoundError:
            empty.append(windows[position])
            if len(empty) == len(windows):
                raise
        position += 1
    for window in empty:
        with suppress(ApiDataNotFoundError):
            yield from ask(window)
