"""What went wrong, when, and what became of it."""

from __future__ import annotations

from spx_data.report.dashboard.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: what went wrong, when, and what became of it."""
    return Section("failures", "Failures")
