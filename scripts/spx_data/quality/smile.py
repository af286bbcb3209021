"""The smile: implied volatilities in range and smooth across strikes, delta falling with the strike."""

from __future__ import annotations

from spx_data.quality.checks import Check, Count
from spx_data.quality.panel import Panel
from spx_data.quality.parity import Fit

CHECKS: tuple[Check, ...] = ()


def judge(panel: Panel, fit: Fit) -> list[Count]:
    """What the implied volatilities and deltas of a chain show."""
    return []
