"""How wide the spreads are, and how long quotes stand still, by expiration and minute."""

from __future__ import annotations

from spx_data.report.day.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: how wide the spreads are, and how long quotes stand still, by expiration and minute."""
    return Section("quotes", "Quotes")
