"""The vendor's greeks, cross-examined: recomputed from the row's own quote, volatility and underlying.

The rate is not on the wire: it is inferred from the day's own deltas, and then all greeks of all chains must
agree with it. Samples are kept per chain, because short chains cannot tell the rate and long ones can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spx_data.quality.checks import Check, Count
from spx_data.quality.panel import Panel

CHECKS: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Sample:
    """Some records of one chain, at most a few thousand."""


@dataclass(frozen=True)
class Examined:
    """What came of a day's samples: counts for each, in their order, and the day's figures."""

    counts: Sequence[Sequence[Count]]
    figures: dict[str, Any]


def sample(panel: Panel) -> Sample:
    """The records of *panel* that are examined."""
    return Sample()


def examine(samples: Sequence[Sample], greeks_version: str) -> Examined:
    """Recompute the greeks of a day's *samples* by the conventions of *greeks_version*."""
    return Examined([[] for _ in samples], {})
