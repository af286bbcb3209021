"""The underlying (missing, frozen, contradictory) and the vendor's sentinels (volatilities that failed)."""

from __future__ import annotations

from spx_data.quality.checks import Check, Count
from spx_data.quality.panel import Panel

CHECKS: tuple[Check, ...] = ()


def judge(panel: Panel, closes_ms: int | None) -> list[Count]:
    """What a chain's underlying and sentinels show; *closes_ms* is the stock market's close."""
    return []
