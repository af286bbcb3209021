"""The columns of a day's charts: its stamps, or its minutes where the lake has finer stamps than that."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spx_data.market.chains import midnight_ms
from spx_data.market.window import Window
from spx_data.quality.checks import Floats, Ints
from spx_data.quality.panel import MINUTE_MS

_MOMENTS_APART_MS = 15 * MINUTE_MS  # of those at which volatilities are drawn
_FEW = 30  # columns that are all moments


@dataclass(frozen=True)
class Grid:
    """The session of one date: so many *columns* from the start of its *window* on, *step_ms* apart."""

    date: dt.date
    window: Window
    first_stamp: int  # of those of the window, the first at which records are expected
    columns: int

    @classmethod
    def of(cls, passport: Mapping[str, Any]) -> Grid:
        """The grid of a date, to the last stamp that was expected or received."""
        dataset, session = passport["dataset"], passport["session"]
        start, end = (dt.time.fromisoformat(dataset[name]) for name in ("start_time", "end_time"))
        date = dt.date.fromisoformat(passport["date"])
        window = Window(start, end, dataset["interval"])
        step_ms = max(window.step_ms, MINUTE_MS)
        if session is None:  # no calendar has the date
            return cls(date, window, 0, (window.end_ms - window.start_ms) // step_ms + 1)

        def later(name: str) -> int:
            return _ms(session[name]) - midnight_ms(date) - window.start_ms

        first = later("first_stamp_expected") // window.step_ms
        ends = ("last_stamp_expected", "last_stamp_received")
        last = max(later(name) // step_ms for name in ends if session[name])
        return cls(date, window, first, last + 1)

    @property
    def step_ms(self) -> int:
        """Milliseconds between two columns."""
        return max(self.window.step_ms, MINUTE_MS)

    @property
    def midnight_ms(self) -> int:
        """Midnight in New York, ms since the epoch."""
        return midnight_ms(self.date)

    def places(self, stamps: Ints) -> Ints:
        """The column of each stamp (ms since the epoch)."""
        later = stamps - self.midnight_ms - self.window.start_ms
        return np.asarray(np.clip(later // self.step_ms, 0, self.columns - 1))

    def line(self, stamps: Ints, values: Floats) -> Floats:
        """*values* at their stamps as a line over all columns; NaN where there is none."""
        line = np.full(self.columns, np.nan)
        line[self.places(stamps)] = values
        return line

    def begins_ms(self, column: int) -> int:
        """When a column begins, in ms since midnight."""
        return self.window.start_ms + column * self.step_ms

    @property
    def moments(self) -> list[int]:
        """A few columns over the session: near its open, at its quarter hours, at its end."""
        first = self.first_stamp * self.window.step_ms // self.step_ms
        every = range(first, self.columns)
        if len(every) <= _FEW:
            return list(every)
        # One column after the open, where the underlying has no price yet.
        quarters = {column for column in every if self.begins_ms(column) % _MOMENTS_APART_MS == 0}
        return sorted({first + 1, *quarters, self.columns - 1} - {first})


def _ms(moment: str) -> int:
    return int(dt.datetime.fromisoformat(moment).timestamp()) * 1000
