"""How much of the range is sealed, month by month."""

from __future__ import annotations

from spx_data.report.dashboard.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: how much of the range is sealed, month by month."""
    return Section("coverage", "Coverage")
