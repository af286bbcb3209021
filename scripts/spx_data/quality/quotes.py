"""Quotes by themselves: crossed, locked, without a bid, one-sided, wide, stale."""

from __future__ import annotations

from spx_data.quality.checks import Check, Count
from spx_data.quality.panel import Panel

CHECKS: tuple[Check, ...] = ()


def judge(panel: Panel) -> list[Count]:
    """What the quotes of a chain show."""
    return []
