"""Static arbitrage that quotes would really allow: bought at the ask, sold at the bid."""

from __future__ import annotations

from spx_data.quality.checks import Check, Count
from spx_data.quality.panel import Panel
from spx_data.quality.parity import Fit

CHECKS: tuple[Check, ...] = ()


def judge(panel: Panel, fit: Fit, before: tuple[Panel, Fit] | None) -> list[Count]:
    """The arbitrage in a chain, and between it and the chain *before* it (same root, earlier expiration)."""
    return []
