"""The stamps of rows: which there are, and which of them each row has.

A day has hundreds of stamps and millions of rows. Stamps are mostly whole seconds of one day, so a row's
place is looked up by its second, which is much less than to search for it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Stamps = npt.NDArray[np.int64]

_SECOND, _DAY = 1_000, 86_400  # ms; seconds


def distinct(stamp: Stamps) -> Stamps:
    """Which stamps there are, in ms since the epoch, ascending."""
    if (seconds := _seconds(stamp)) is None:
        return np.unique(stamp)
    return _at(stamp, _seen(seconds))


def indexed(stamp: Stamps) -> tuple[Stamps, Stamps]:
    """Which stamps there are, as `distinct` gives them, and which of them each of the rows has."""
    if (seconds := _seconds(stamp)) is None:
        found, place = np.unique(stamp, return_inverse=True)
        return found, place
    there = _seen(seconds)
    return _at(stamp, there), (np.cumsum(there) - 1).take(seconds)


def places(stamps: Stamps, stamp: Stamps) -> Stamps:
    """Which of *stamps*, which are ascending and have them all, each of the rows has."""
    if (seconds := _seconds(stamp)) is None:
        return np.searchsorted(stamps, stamp)
    every = stamp.min() + _SECOND * np.arange(int(seconds.max()) + 1)
    return np.asarray(np.searchsorted(stamps, every).take(seconds))


def _seen(seconds: Stamps) -> npt.NDArray[np.bool_]:
    """Whether any row has it, for each second from the first stamp on."""
    there = np.zeros(int(seconds.max()) + 1, dtype=np.bool_)
    there[seconds] = True
    return there


def _at(stamp: Stamps, there: npt.NDArray[np.bool_]) -> Stamps:
    """The stamps of those seconds."""
    return np.asarray(stamp.min() + _SECOND * np.flatnonzero(there))


def _seconds(stamp: Stamps) -> Stamps | None:
    """How many seconds rows are after the first stamp; None where that is no small whole number."""
    if not len(stamp) or int(stamp.max()) - int(stamp.min()) >= _SECOND * _DAY:
        return None
    after = stamp - stamp.min()
    seconds = after // _SECOND
    return seconds if bool((seconds * _SECOND == after).all()) else None
