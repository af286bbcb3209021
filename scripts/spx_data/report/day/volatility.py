"""Smiles, term structure and surface, at any minute of a few."""

from __future__ import annotations

from spx_data.report.day.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: smiles, term structure and surface, at any minute of a few."""
    return Section("volatility", "Volatility")
