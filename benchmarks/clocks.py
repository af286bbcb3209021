"""Clocks around functions: the CPU seconds that parts of a program take, whoever calls them."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

# What each part of a program is asked for: the owner of a function, and its name there.
Parts = Mapping[str, list[tuple[Any, str]]]


def start(parts: Parts) -> Counter[str]:
    """Put a clock around each of *parts*; returns the seconds that each has taken, which go on growing.

    The clock of one stands still while another's runs. The clock is that of the process: one part is at
    work at a time, or they take each other's seconds.
    """
    spent: Counter[str] = Counter()
    running: list[float] = []  # what was spent inside of each part that is at work

    def clocked(real: Callable[..., Any], part: str) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(*arguments: Any, **named: Any) -> Any:
            running.append(0.0)
            begun = time.process_time()
            try:
                return real(*arguments, **named)
            finally:
                took = time.process_time() - begun
                spent[part] += took - running.pop()
                if running:
                    running[-1] += took

        return call

    for part, places in parts.items():
        for owner, name in places:
            setattr(owner, name, clocked(getattr(owner, name), part))
    return spent
