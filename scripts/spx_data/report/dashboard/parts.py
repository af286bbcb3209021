"""How a section of trends is put together: charts where there is enough to draw, sentences where not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spx_data.report.page import Figure, Section
from spx_data.status.trends import Trend
from spx_data.words import counted

# A figure, or the sentence that stands where there is too little for one.
Part = Figure | str


def section(
    name: str, title: str, lead: str, parts: Sequence[Part] = (), template: str = "trends", **context: Any
) -> Section:
    """A section of *parts*; its template sees the sentences among them as `context.sentences`."""
    return Section(
        name,
        title,
        template,
        lead,
        figures=[part for part in parts if isinstance(part, Figure)],
        context={"sentences": [part for part in parts if isinstance(part, str)], "trends": [], **context},
    )


def in_words(trends: Sequence[Trend], periods: int, step: str) -> list[str]:
    """Where the figures are going, one sentence for each that moves; or that none does."""
    moving = [f"{_sentence(trend)}." for trend in trends if trend.moves]
    if moving:
        return moving
    if all(trend.slope is None for trend in trends):
        return [f"No trend yet: there are figures of {counted(periods, step)}, and it takes six."]
    return [f"No figure moves beyond chance, or by more than a trifle, over {counted(periods, step)}."]


def _sentence(trend: Trend) -> str:
    """A trend with its ends: Days get worse: 0.3 % a period (score: 98.2 to 95.1 points)."""
    words = trend.verdict[:1].upper() + trend.verdict[1:]
    name, unit = trend.measure.name.replace("_", " "), trend.measure.unit
    return f"{words} ({name}: {_short(trend.first)} to {_short(trend.last)} {unit})"


def _short(value: float | None) -> str:
    """A number with three digits that count, and all of those before the point."""
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
