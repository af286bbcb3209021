"""What the source of a lake always does, as its passports have it: told once, and held against no day.

A check that costs points in nearly all chains of nearly all judged days says more of our model than of the
days. It is a notice of the lake: the days are scored without it, but for those that it hits much more than
usual. What is missing or was rejected is no habit: only an explanation makes it one, and then costs nothing.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from spx_data.status.digest import Digest
from spx_data.text.words import percent

_FEWEST_DAYS = 5
_NEARLY_ALL = 0.9  # of the judged days
_MOST = 0.5  # of the chains that a check could look at, more than that
_TWICE, _DEVIATIONS = 2.0, 5.0  # how far above the usual share of hits a day differs
_NEVER = frozenset({"missing", "rejected"})
_WHOLE = 100.0  # points


class Lost(NamedTuple):
    """A check that cost points on one day, as a digest keeps it."""

    check: str
    hits: int
    of: int
    unit: str
    score: float
    part: str
    chains: int  # with hits
    chains_of: int  # that it could look at

    @property
    def share(self) -> float:
        """Hits of all that was looked at."""
        return self.hits / self.of


@dataclass(frozen=True)
class Habit:
    """One check that costs points in nearly all chains of nearly all days."""

    check: str
    part: str
    unit: str
    days: int  # that have it
    judged: int  # days in all
    share: float  # of hits, the median of these days
    limit: float  # a day with a greater share differs from the habit

    @property
    def meaning(self) -> str:
        """What the check finds, in words."""
        from spx_data.quality.catalogue import CHECKS  # numpy, for the few who are told

        return next((check.meaning for check in CHECKS if check.code == self.check), self.check)

    def __str__(self) -> str:
        usual = f"{percent(self.share)} of {self.unit}, in {self.days:,} of {self.judged:,} judged days"
        return f"this source does {self.check} ({usual}): {self.meaning}"


Habits = Mapping[str, Habit]


def of(digests: Iterable[Digest | None]) -> Habits:
    """The habits in the *digests* of all judged days of a lake, by check; the order makes no difference."""
    met: dict[str, list[Lost]] = defaultdict(list)
    judged = 0
    for digest in digests:
        if digest is not None:
            judged += 1
            for lost in map(Lost._make, digest["lost"]):
                if lost.chains > _MOST * lost.chains_of and lost.check not in _NEVER:
                    met[lost.check].append(lost)
    fewest = max(_FEWEST_DAYS, _NEARLY_ALL * judged)
    return {code: _habit(found, judged) for code, found in sorted(met.items()) if len(found) >= fewest}


def _habit(found: Sequence[Lost], judged: int) -> Habit:
    shares = [lost.share for lost in found]
    usual = statistics.median(shares)
    spread = statistics.median(abs(share - usual) for share in shares)
    far = max(min(_TWICE * usual, (1.0 + usual) / 2), usual + _DEVIATIONS * spread)
    return Habit(found[0].check, found[0].part, found[0].unit, len(found), judged, usual, far)


def is_habit(check: str, hits: int, of: int, habits: Habits) -> bool:
    """Whether *hits* of a day are what the source always does."""
    return check in habits and 0 < hits <= of * habits[check].limit


def beyond(digest: Digest, habits: Habits) -> tuple[dict[str, float], list[Any]]:
    """The points of each part, and the checks that cost any, of a day but for what its source always does."""
    points: dict[str, float] = dict(digest["parts"])
    if not habits:
        return points, list(digest["lost"])
    every = [Lost._make(lost) for lost in digest["lost"]]
    left = [lost for lost in every if not is_habit(lost.check, lost.hits, lost.of, habits)]
    for part in {lost.part for lost in every} - {lost.part for lost in left}:
        points[part] = _WHOLE
    for part in {lost.part for lost in left}:
        points[part] = min(lost.score for lost in left if lost.part == part)
    return points, left
