"""What the day is worth: its score, the parts of it, and what cost points."""

from __future__ import annotations

from spx_data.report.day.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: what the day is worth: its score, the parts of it, and what cost points."""
    return Section("verdict", "Verdict")
