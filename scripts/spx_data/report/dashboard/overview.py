"""The lake at a glance: a few figures, and what needs somebody."""

from __future__ import annotations

from spx_data.ledger import Kind
from spx_data.report.dashboard.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section with the lake's leading figures and its alerts."""
    return Section(
        "overview",
        "Overview",
        template="overview",
        context={
            "overview": view.overview,
            "alerts": view.alerts,
            "sealed": view.overview.count(Kind.SEALED),
        },
    )
