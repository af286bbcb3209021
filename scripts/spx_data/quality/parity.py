"""Put-call parity, stamp by stamp: implied forward and discount factor, and quotes that contradict them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spx_data.quality.checks import Check, Count, Floats
from spx_data.quality.panel import Panel

CHECKS: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Fit:
    """C - P = discount * (forward - K), fitted at each stamp: arrays (stamps,), NaN where it cannot be."""

    forward: Floats  # dollars
    discount: Floats  # fraction
    r_squared: Floats


def fit(panel: Panel) -> Fit:
    """The forward and the discount factor that the quotes of *panel* imply at each stamp."""
    nothing = np.full(len(panel.stamps), np.nan)
    return Fit(nothing, nothing, nothing)


def judge(panel: Panel, fit: Fit) -> list[Count]:
    """Where the quotes of a chain contradict the line through all of them."""
    return []
