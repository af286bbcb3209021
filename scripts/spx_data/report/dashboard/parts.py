"""How a section of trends is put together: charts where there is enough to draw, sentences where not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spx_data.report.page import Figure, Section
from spx_data.status.trends import Trend
from spx_data.text.words import counted

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
    """Where the figures are going by each *step*, a sentence for each that moves; or that none does."""
    moving = [_sentence(trend, step) for trend in trends if trend.moves]
    if moving:
        return moving
    if all(trend.slope is None for trend in trends):
        return [f"A trend takes six {step}s; there are figures of {counted(periods, step)}."]
    return [f"No figure moves beyond chance, or by more than a trifle, over {counted(periods, step)}."]


# What is not the name of its measure, spelt apart.
_NAMES = {
    "duration_seconds": "duration",
    "memory_peak_mb": "memory peak",
    "requests_failed_percent": "requests that fail",
    "iv_level": "volatility at 30 days",
}


def _sentence(trend: Trend, step: str) -> str:
    """A trend with its ends: Days get worse: 0.3 % a month (score: 98.2 to 95.1 points)."""
    words = trend.verdict[:1].upper() + trend.verdict[1:].replace("a period", f"a {step}")
    measure = trend.measure
    name = _NAMES.get(measure.name, measure.name.replace("_", " "))
    times, unit = (100.0, "%") if measure.unit == "fraction" else (1.0, measure.unit)
    first, last = (_short((value or 0.0) * times) for value in (trend.first, trend.last))
    return f"{words} ({name}: {first} to {last} {unit})."


def _short(value: float) -> str:
    """A number with three digits that count, and all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
