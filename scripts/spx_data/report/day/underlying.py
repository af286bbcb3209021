"""The underlying's price through the day."""

from __future__ import annotations

from spx_data.report.day.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: the underlying's price through the day."""
    return Section("underlying", "Underlying")
