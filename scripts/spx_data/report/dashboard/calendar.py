"""Every session as a cell of a calendar, coloured by its state."""

from __future__ import annotations

from spx_data.report.dashboard.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: every session as a cell of a calendar, coloured by its state."""
    return Section("calendar", "Calendar")
