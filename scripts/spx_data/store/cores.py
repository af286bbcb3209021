"""How many cores a process may keep busy: those of the machine, less what is withheld; and work for all."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from spx_data.store import groups

_T = TypeVar("_T")
_R = TypeVar("_R")


def usable() -> int:
    """The cores that this process may use, at least one; what is left of a whole one counts as one."""
    # A Mac knows no affinity.
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([there, *map(math.ceil, _quotas())]))


def each_of(work: Callable[[_T], _R], of: Iterable[_T], workers: int = 0) -> dict[_T, _R]:
    """What *work* gives for each, in their order: by so many threads at a time, or as many as are usable.

    The first error is raised, and what has not begun by then does not.
    """
    every = [*of]
    with ThreadPoolExecutor(workers or usable(), thread_name_prefix="each") as pool:
        try:
            return dict(zip(every, pool.map(work, every), strict=True))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _quotas() -> list[float]:
    """What the control groups of this process allow, in cores: its own and those above it; a Mac has none."""
    found = []
    for folder in groups.folders("cpu"):
        told = groups.words(folder / "cpu.max") or [
            *groups.words(folder / "cpu.cfs_quota_us"),
            *groups.words(folder / "cpu.cfs_period_us"),
        ]
        if len(told) == 2 and all(map(str.isdecimal, told)) and int(told[1]):
            found.append(int(told[0]) / int(told[1]))
    return found
