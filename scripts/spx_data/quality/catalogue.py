"""Every check there is, in the order of reports."""

from __future__ import annotations

from spx_data.quality import (
    activity,
    arbitrage,
    completeness,
    greeks,
    hours,
    parity,
    quotes,
    row_counts,
    smile,
    underlying,
)
from spx_data.quality.checks import Check

CHECKS: tuple[Check, ...] = (
    *completeness.CHECKS,
    *hours.CHECKS,
    *row_counts.CHECKS,
    *quotes.CHECKS,
    *activity.CHECKS,
    *underlying.CHECKS,
    *arbitrage.CHECKS,
    *parity.CHECKS,
    *smile.CHECKS,
    *greeks.CHECKS,
)
