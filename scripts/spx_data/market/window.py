"""The stamps of a session that a lake holds."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

_STEPS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000}


@dataclass(frozen=True)
class Window:
    """The stamps of a session: from *start* to *end*, both inclusive, *step_ms* apart; New York time."""

    start: dt.time
    end: dt.time
    interval: str

    @property
    def step_ms(self) -> int:
        """Milliseconds between two stamps."""
        return int(self.interval[:-1]) * _STEPS_MS[self.interval[-1]]

    @property
    def start_ms(self) -> int:
        """The first stamp, in milliseconds since midnight."""
        return _ms(self.start)

    @property
    def end_ms(self) -> int:
        """The end, in milliseconds since midnight."""
        return _ms(self.end)

    @property
    def stamps(self) -> int:
        """Number of stamps."""
        return (self.end_ms - self.start_ms) // self.step_ms + 1

    def stamp_before(self, ms: int) -> int:
        """The last stamp that is not later than *ms* since midnight (the first one, where all are)."""
        last = min(ms, self.end_ms) - self.start_ms
        return self.start_ms + max(0, last // self.step_ms) * self.step_ms

    def halves(self) -> list[Window]:
        """Two windows that have the same stamps between them; none where there is only one stamp."""
        if self.stamps < 2:
            return []
        middle = self.start_ms + self.stamps // 2 * self.step_ms
        return [
            Window(self.start, _time(middle - self.step_ms), self.interval),
            Window(_time(middle), self.end, self.interval),
        ]


def _ms(time: dt.time) -> int:
    return (time.hour * 3600 + time.minute * 60 + time.second) * 1000


def _time(ms: int) -> dt.time:
    return dt.time(ms // 3_600_000, ms // 60_000 % 60, ms // 1000 % 60)
