"""How many dates are at work side by side, at the terminal and in memory, and in which order they are filled.

How many requests are in flight is no business of the schedule (`sources.slots`). Snakemake holds the number
of jobs that may ask, and that of jobs which fit into memory, with a resource of `WHOLE` parts each, of which
a job takes its share: that many jobs fit, and one more does not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T", bound=Hashable)

WHOLE = 100_000
# Bytes that a job takes at most, whatever the date (docs/how-it-works.md), and that Snakemake takes with the
# process that jobs are forked from.
JOB, BESIDE = 700 << 20, 350 << 20


def side_by_side(limit: int, cores: int) -> int:
    """Dates whose jobs may ask the terminal at the same time, with a *limit* of requests on so many *cores*.

    One uses the whole limit up, the others are ready to go on when it ends. A core is left for merging; where
    there are but two, a merge goes before the next date by its priority.
    """
    return min(cores, max(2, min(cores - 1, limit)))


def fit(memory: int) -> int:
    """Jobs that fit side by side into so many bytes of *memory*, at least one."""
    return max(1, (memory - BESIDE) // JOB)


def share(jobs: int) -> int:
    """The parts of `WHOLE` that each takes where so many *jobs* may be at work."""
    return WHOLE // jobs


def priorities(order: Sequence[T]) -> dict[T, int]:
    """Snakemake's priority of each of *order*, the first one's the highest, the last one's 1."""
    return {each: len(order) - place for place, each in enumerate(order)}


def priority(priorities: Mapping[T, int], each: T, date: dt.date) -> int:
    """Snakemake's priority of *each*, of *date*; what has none of its own comes first, the newest first."""
    return priorities.get(each) or len(priorities) + date.toordinal()
