"""How fast dates are filled, and with how much memory."""

from __future__ import annotations

from spx_data.report.dashboard.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: how fast dates are filled, and with how much memory."""
    return Section("speed", "Speed")
