"""What is there, expiration by expiration and minute by minute."""

from __future__ import annotations

from spx_data.report.day.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: what is there, expiration by expiration and minute by minute."""
    return Section("presence", "Completeness")
