"""What the sealed days are worth, and where that is going."""

from __future__ import annotations

from spx_data.report.dashboard.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: what the sealed days are worth, and where that is going."""
    return Section("quality", "Quality")
