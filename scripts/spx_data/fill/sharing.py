"""How the terminal's limit of requests is shared out, and in which order dates are filled.

The limit N is one number in the config. Dates run side by side; inside a date k requests are in flight.
Snakemake holds the total with a resource of `WHOLE` parts, of which a job takes ⌊WHOLE·k/N⌋: that many jobs
fit exactly, and one more does not, for every N a terminal allows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

WHOLE = 100_000


def requests_per_date(limit: int, dates: int, cores: int) -> int:
    """Requests a date may have in flight, so that the dates running side by side use the *limit* up.

    A long backfill runs many dates with one request each, a single date gets the whole limit.
    """
    side_by_side = max(1, min(dates, cores))
    return max(1, limit // side_by_side)


def share(requests: int, limit: int) -> int:
    """The parts of `WHOLE` that a job with so many *requests* in flight takes."""
    return WHOLE * requests // limit


def priorities(order: Sequence[dt.date]) -> dict[dt.date, int]:
    """Snakemake's priority of each date of *order*, the first one's the highest, the last one's 1."""
    return {date: len(order) - place for place, date in enumerate(order)}


def priority(priorities: Mapping[dt.date, int], date: dt.date) -> int:
    """Snakemake's priority of *date*; dates without one of their own come before all others, newest first."""
    return priorities.get(date) or len(priorities) + date.toordinal()
