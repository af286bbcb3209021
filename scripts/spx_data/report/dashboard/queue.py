"""What is missing, in the order in which it will be filled."""

from __future__ import annotations

from spx_data.report.dashboard.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: what is missing, in the order in which it will be filled."""
    return Section("queue", "Gaps")
