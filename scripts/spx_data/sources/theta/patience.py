"""How long an answer is waited for, by what this process has seen; and how long the terminal says to wait."""

from __future__ import annotations

import threading
import time
from email.utils import parsedate_to_datetime

from spx_data.sources.theta.errors import Stage

_BRIEF = (Stage.STATUS, Stage.CALENDAR, Stage.EXPIRATIONS)
_LONG = 86_400.0  # seconds, of what a header may say
_MOST = 1_500.0  # seconds; answers after 1,400 s were seen (docs/wire.md, 16)


class Patience:
    """How long answers of each kind are waited for, by what was seen since this process began.

    A request that is given up stays at work in the terminal, so asking again with the same patience would
    fail again, and hold another of its slots.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[tuple[str, Stage], float] = {}

    def of(self, base_url: str, stage: Stage, at_least: float) -> float:
        """The seconds of silence that a request is given."""
        with self._lock:
            return max(at_least, self._seconds.get((base_url, stage), 0.0))

    def grown(self, base_url: str, stage: Stage, waited: float) -> float | None:
        """The seconds for the next request, after one *waited* in vain; None where they do not grow."""
        if stage in _BRIEF or waited >= _MOST:
            return None
        with self._lock:
            found = max(self._seconds.get((base_url, stage), 0.0), min(2 * waited, _MOST))
            self._seconds[base_url, stage] = found
            return found


def seconds_told(header: str) -> float | None:
    """The seconds that a Retry-After header asks for: a number, or a date (RFC 9110, section 10.2.3)."""
    if header.isascii() and header.replace(".", "", 1).isdigit():
        return min(float(header), _LONG)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError, TypeError, IndexError):  # it raises what the parts of a date raise
        return None
    return min(max(0.0, moment.timestamp() - time.time()), _LONG)
