"""Which contracts of a chain have a record at which stamps: a census of its keys and of nothing else.

A census has the shape (2, strikes, stamps): calls, then puts; strikes and stamps ascending. Unlike a panel it
has every stamp of the lake's interval, and it can be taken batch by batch: its memory is bounded by the keys
that a chain can have, not by its records.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from spx_data.market.second_opinion import contract
from spx_data.market.window import Window
from spx_data.quality.checks import Floats, Ints, Mask
from spx_data.quality.panel import PUT, RIGHTS

if TYPE_CHECKING:
    import polars as pl


class Presence:
    """A census of one chain over a window's stamps; *strikes* are those that are known beforehand."""

    def __init__(self, window: Window, midnight_ms: int, strikes: Iterable[float]) -> None:
        self.first_ms = midnight_ms + window.start_ms  # since the epoch
        self.step_ms, self.stamps = window.step_ms, window.stamps
        self.strikes: Floats = np.unique(np.fromiter(strikes, dtype=np.float64))
        self.there: Mask = np.zeros((len(RIGHTS), len(self.strikes), self.stamps), dtype=np.bool_)

    def add_records(self, records: pl.DataFrame) -> None:
        """Count *records* (`schema.RECORD`) in."""
        put = (records["right"] == RIGHTS[PUT]).to_numpy()
        self.add(records["strike"].to_numpy(), put, records["timestamp"].to_numpy())

    def add(self, strike: Floats, put: Mask, timestamp: Ints) -> Mask:
        """Count records in, by column: strike in dollars, whether a put, ms since the epoch.

        Returns:
            Which of them are at a contract and a stamp that had none before. Records off the grid are not
            counted, and are news to nobody.
        """
        cell, on_grid = self._cells(strike, put, timestamp)
        flat = self.there.reshape(-1)
        news = np.zeros(len(strike), dtype=np.bool_)
        news[on_grid] = ~flat[cell]
        flat[cell] = True
        return news

    def lacks(self, strike: Floats, put: Mask, timestamp: Ints) -> Mask:
        """Which records are at a contract and a stamp that has none: as `add`, and nothing is counted in."""
        cell, on_grid = self._cells(strike, put, timestamp)
        news = np.zeros(len(strike), dtype=np.bool_)
        news[on_grid] = ~self.there.reshape(-1)[cell]
        return news

    def _cells(self, strike: Floats, put: Mask, timestamp: Ints) -> tuple[Ints, Mask]:
        """Where the records that are on the grid stand in the flat census; and which of them are."""
        where = self._admitted(strike)
        later = timestamp - self.first_ms
        place = later // self.step_ms
        on_grid = (place * self.step_ms == later) & (place >= 0) & (place < self.stamps)
        row = put * len(self.strikes) + where
        return (row * self.stamps + place)[on_grid], on_grid

    def _admitted(self, strike: Floats) -> Ints:
        """Where each strike stands among the census's own; room is made for those that were not known."""
        if len(self.strikes):
            place = np.minimum(np.searchsorted(self.strikes, strike), len(self.strikes) - 1)
            if (self.strikes[place] == strike).all():
                return place
        strikes = np.union1d(self.strikes, strike)
        there = np.zeros((len(RIGHTS), len(strikes), self.stamps), dtype=np.bool_)
        there[:, np.searchsorted(strikes, self.strikes)] = self.there
        self.strikes, self.there = strikes, there
        return np.searchsorted(strikes, strike)

    def listed(self, calls: Iterable[float], puts: Iterable[float]) -> Mask:
        """Which contracts stand in a listing: shape (2, strikes)."""
        return np.stack([np.isin(self.strikes, np.fromiter(of, np.float64)) for of in (calls, puts)])

    @property
    def received(self) -> Mask:
        """Which contracts have any record: shape (2, strikes)."""
        return np.asarray(self.there.any(axis=2))

    def stamp(self, place: int) -> int:
        """The stamp at an index, in ms since the epoch."""
        return self.first_ms + place * self.step_ms

    def name(self, right: int, strike: int) -> str:
        """The contract at an index: like C 4700."""
        return contract(RIGHTS[right], float(self.strikes[strike]))


def first_and_last(there: Mask) -> tuple[Ints, Ints]:
    """The first and the last place along the stamps where each contract is; nonsense where it never is."""
    stamps = there.shape[-1]
    if not stamps:
        nowhere = np.zeros(there.shape[:-1], dtype=np.int64)
        return nowhere, nowhere
    return np.argmax(there, axis=-1), stamps - 1 - np.argmax(there[..., ::-1], axis=-1)


def runs(line: Mask) -> list[tuple[int, int]]:
    """The unbroken stretches of a line that are true, each as its first and its last place."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], line, [False]]).astype(np.int8)))
    return [(int(begin), int(end) - 1) for begin, end in edges.reshape(-1, 2)]
