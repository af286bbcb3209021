"""Two sealed versions of a date side by side: chain by chain, and each chain by stretches of strikes.

Both are in sealed order, so of either no more is in memory than was read at one go, and what the other has
not reached yet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import polars as pl

from spx_data.market import schema

# A chain's root and expiration, and its rows as `schema.RECORD`, some at a time.
ChainRows = tuple[str, dt.date, Iterator[pl.DataFrame]]


def side_by_side(
    before: Iterator[ChainRows], after: Iterator[ChainRows]
) -> Iterator[tuple[str, dt.date, Iterator[pl.DataFrame], Iterator[pl.DataFrame]]]:
    """Every chain of either, in sealed order, with its rows in each; none where it has none."""
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[:2] < new[:2]):
            assert old is not None
            yield *old, iter(())
            old = next(before, None)
        elif old is None or new[:2] < old[:2]:
            yield new[0], new[1], iter(()), new[2]
            new = next(after, None)
        else:
            yield *old, new[2]
            old, new = next(before, None), next(after, None)


class _Reel:
    """One version of a chain, sorted by strike, as far as it is read and not yet given."""

    def __init__(self, more: Iterator[pl.DataFrame]) -> None:
        self._more = more
        self.rows = pl.DataFrame(schema=schema.polars_record())
        self.last = -np.inf  # the last strike that is read; nothing comes after infinity
        self.read_on()

    def read_on(self) -> None:
        """Read some more rows."""
        found = next(self._more, None)
        if found is None:
            self.last = np.inf
        else:
            self.rows = pl.concat([self.rows, found])
            self.last = float(found["strike"][-1])

    def below(self, strike: float) -> pl.DataFrame:
        """Give the rows of lower strikes."""
        place = self.rows["strike"].search_sorted(strike)
        given, self.rows = self.rows[:place], self.rows[place:]
        return given


def stretches(
    before: Iterator[pl.DataFrame], after: Iterator[pl.DataFrame]
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Two versions of a chain by the same ranges of strikes, ascending: each as far as both are read."""
    old, new = _Reel(before), _Reel(after)
    while True:
        # Of the strike that was read last there may be more.
        whole = min(old.last, new.last)
        yield old.below(whole), new.below(whole)
        if whole == np.inf:
            return
        for reel in (old, new):
            if reel.last == whole:
                reel.read_on()
