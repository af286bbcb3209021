"""Every check there is, in the order of reports."""

from __future__ import annotations

from spx_data.quality import arbitrage, greeks, parity, quotes, smile, underlying
from spx_data.quality.checks import Check

CHECKS: tuple[Check, ...] = (
    *quotes.CHECKS,
    *underlying.CHECKS,
    *arbitrage.CHECKS,
    *parity.CHECKS,
    *smile.CHECKS,
    *greeks.CHECKS,
)
