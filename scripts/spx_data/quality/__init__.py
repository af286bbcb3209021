"""Judgements on a trading date: what its records are worth, check by check, in points and by name.

Nothing here changes, drops or invents a record: sealed rows are what the source sent. Each module looks at
one thing and says which checks it makes (`CHECKS`); `catalogue` lists them all; `judgement` puts a day's
together. Points go from 0 to 100: a check's fall with its share of hits (`Check.score`); a part has those of
its worst check; a chain or a day has the mean of its parts, weighted as the config says, over those parts
that could be judged. So a score is always its parts and the weights, and can be had anew from a passport when
weights change.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

# What a passport says of single chains and minutes stands in this field, its last: who needs the day alone
# leaves it unread (`lake.passports.read`).
DETAILS = "details"
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


def points_lost(points: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """How many points of the score each part cost; with what is left they are 100."""
    total = sum(weights.get(part, 0.0) for part in points)
    return {
        part: weights.get(part, 0.0) * (100.0 - value) / total if total else 0.0
        for part, value in points.items()
    }
