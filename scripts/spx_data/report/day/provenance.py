"""Where the day's records came from, and what vouches for them."""

from __future__ import annotations

from spx_data.report.day.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section about the day's source, its requests and its hashes."""
    return Section("provenance", "Provenance", template="provenance", context=view.dossier["provenance"])
