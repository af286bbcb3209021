"""Every check there is, in the order of reports."""

from __future__ import annotations

from spx_data.quality import (
    arbitrage,
    completeness,
    early_exercise,
    greeks,
    hours,
    parity,
    quotes,
    smile,
    underlying,
)
from spx_data.quality.checks import Check

CHECKS: tuple[Check, ...] = (
    *completeness.CHECKS,
    *hours.CHECKS,
    *completeness.ROW_CHECKS,
    *quotes.CHECKS,
    *underlying.CHECKS,
    *arbitrage.CHECKS,
    *parity.CHECKS,
    *early_exercise.CHECKS,
    *smile.CHECKS,
    *greeks.CHECKS,
)
