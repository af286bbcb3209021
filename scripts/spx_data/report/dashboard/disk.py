"""What the lake takes of the disk, and until when there is room."""

from __future__ import annotations

from spx_data.report.dashboard.view import View
from spx_data.report.page import Section


def section(view: View) -> Section:
    """The section: what the lake takes of the disk, and until when there is room."""
    return Section("disk", "Disk")
