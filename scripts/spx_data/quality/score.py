"""Points from 0 to 100: of a check, of a part, of a chain and of a day.

A check's points fall with its share of hits (`Check.score`); a part has the points of its worst check; a
chain or a day has the mean of its parts, weighted as the config says, over those parts that could be judged.
So a score is always its parts and the weights, and can be had anew from a passport when weights change.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

DIGITS = 2  # of a score


class Part(StrEnum):
    """The parts of a score; each has a weight in the config (`quality.weights`)."""

    COMPLETENESS = "completeness"
    QUOTES = "quotes"
    UNDERLYING = "underlying"
    ARBITRAGE = "arbitrage"
    PARITY = "parity"
    SMILE = "smile"
    GREEKS = "greeks"


def weighted(points: Mapping[str, float], weights: Mapping[str, float]) -> float | None:
    """The score of *points* by part; None where no part with a weight was judged."""
    total = sum(weights.get(part, 0.0) for part in points)
    if not total:
        return None
    return round(sum(weights.get(part, 0.0) * value for part, value in points.items()) / total, DIGITS)


def lost(points: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """How many points of the score each part cost; with what is left they are 100."""
    total = sum(weights.get(part, 0.0) for part in points)
    return {
        part: weights.get(part, 0.0) * (100.0 - value) / total if total else 0.0
        for part, value in points.items()
    }
