"""What charts of both pages have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import altair as alt

# Thousands of marks are drawn as one picture, not as elements of the page.
CANVAS = {"embedOptions": {"renderer": "canvas"}}


Row = Mapping[str, Any]


def chart_of(rows: Iterable[Row]) -> alt.Chart:
    """A chart of a few *rows*, which stand in its own specification."""
    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))
