"""What no market allows: arbitrage outside of the spread, parity that does not hold."""

from __future__ import annotations

from spx_data.report.day.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: what no market allows: arbitrage outside of the spread, parity that does not hold."""
    return Section("findings", "Arbitrage and parity")
