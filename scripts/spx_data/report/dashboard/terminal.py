"""How soon the terminal answers, and how often it does not."""

from __future__ import annotations

from spx_data.report.dashboard.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: how soon the terminal answers, and how often it does not."""
    return Section("terminal", "Terminal")
