"""Every chain of the day, in figures."""

from __future__ import annotations

from spx_data.report.day.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: every chain of the day, in figures."""
    return Section("chains", "Chains")
