"""What charts of several sections share: one row for each date."""

from __future__ import annotations

from spx_data.report.dashboard.view import View
from spx_data.report.page import Columns

NAME = "dates"


def columns(view: View) -> Columns:
    """The dates of the lake by columns."""
    return {"date": [summary.date.isoformat() for summary in view.dates]}
