"""What sealed days are worth: score and verdict by the settings of now, less what their source always does.

A passport keeps the points of each part and check; the score is made of them anew, so edited weights count at
once. A check that costs points in nearly all chains of nearly all judged days says more of our model than of
the days. It is a habit, a notice of the lake: the days are scored without it, but for those that it hits much
more than usual. What is missing or was rejected is no habit: only an explanation makes it one, and then costs
nothing.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from spx_data.lake.session_states import Kind
from spx_data.quality import Part, weighted
from spx_data.settings import Quality
from spx_data.status.digest import Digest
from spx_data.status.summary import Summary
from spx_data.status.trends import Measure
from spx_data.text.words import percent

S = TypeVar("S")  # a stretch of time

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


def habits_of(digests: Iterable[Digest | None]) -> Habits:
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


Verdict = Literal["good", "warn", "fail"]

PARTS = tuple(part.value for part in Part)

_BALANCE = ("expected", "received", "explained", "missing")
_CONTRACTS = tuple(f"contracts_{name}" for name in _BALANCE)
_STAMPS = tuple(f"stamps_{name}" for name in _BALANCE)
_NONE: Habits = {}
_REJECTS = ("rejected", "duplicates_dropped", "conflicts")


@dataclass(frozen=True)
class Day:
    """One sealed date that was judged: points are of 100, None is what could not be judged or told."""

    date: dt.date
    score: float | None
    verdict: Verdict | None
    completeness: float | None
    quotes: float | None
    underlying: float | None
    arbitrage: float | None
    parity: float | None
    smile: float | None
    greeks: float | None
    complete: bool | None  # nothing was expected, not received and not explained
    contracts_expected: int | None
    contracts_received: int | None
    contracts_explained: int | None
    contracts_missing: int | None
    stamps_expected: int | None  # stamps of contracts: a contract at a stamp is one
    stamps_received: int | None
    stamps_explained: int | None
    stamps_missing: int | None
    rejected: int | None  # bad records
    duplicates_dropped: int | None
    conflicts: int | None
    rows: int
    rows_per_minute: float | None  # of the session
    spread_median: float | None  # of the mid
    iv_level: float | None  # at 30 days
    findings: tuple[str, ...]  # checks that cost points, in words, the costliest first
    session_findings: tuple[str, ...]  # where calendars and records disagree

    @property
    def counted_on(self) -> dt.date:
        """The trading date."""
        return self.date


MEASURES = (
    Measure("score", "points", "days get better", "days get worse"),
    *(Measure(part, "points", f"{part} gets better", f"{part} gets worse") for part in PARTS),
    Measure("rows_per_minute", "rows/min", "days have more rows", "days have fewer rows"),
    Measure("contracts_received", "contracts", "days have more contracts", "days have fewer contracts"),
    Measure("spread_median", "fraction", "spreads get wider", "spreads get narrower", digits=5),
    Measure("iv_level", "fraction", "implied volatility rises", "implied volatility falls", digits=5),
)


def days(summaries: Iterable[Summary], rules: Quality) -> list[Day]:
    """The sealed dates that were judged, oldest first."""
    found = judged(summaries)
    habits = habits_of(digest for _, digest in found)
    return [day(summary.date, digest, rules, habits) for summary, digest in found]


def habits(summaries: Iterable[Summary]) -> Habits:
    """What the source does on nearly all of the sealed dates that were judged, by check."""
    return habits_of(digest for _, digest in judged(summaries))


def judged(summaries: Iterable[Summary]) -> list[tuple[Summary, Digest]]:
    """Each sealed date that was judged, oldest first, with the digest of its judgement."""
    return [
        (summary, digest)
        for summary in summaries
        if summary.state.kind is Kind.SEALED and (digest := summary.facts.quality) is not None
    ]


def day(date: dt.date, digest: Digest, rules: Quality, habits: Habits = _NONE) -> Day:
    """What *date* is worth by the *digest* of its passport, but for the *habits* of the lake's source."""
    found, told = standing(digest, rules, habits)
    points, lost = beyond(digest, habits)
    per_minute = digest["rows"] / digest["minutes"] if digest["minutes"] else None
    values: dict[str, Any] = {
        **{part: points.get(part) for part in PARTS},
        **dict(zip(_CONTRACTS, digest["contracts"], strict=True)),
        **dict(zip(_STAMPS, digest["stamps"], strict=True)),
        **dict(zip(_REJECTS, digest["rejects"], strict=True)),
    }
    return Day(
        date=date,
        score=found,
        verdict=told,
        complete=digest["complete"],
        rows=digest["rows"],
        rows_per_minute=per_minute and round(per_minute, 1),
        spread_median=digest["spread_median"],
        iv_level=digest["iv_level"],
        findings=tuple(map(words, lost)),
        session_findings=tuple(digest["findings"]),
        **values,
    )


def standing(
    digest: Digest | None, rules: Quality, habits: Habits = _NONE
) -> tuple[float | None, Verdict | None]:
    """The score and the verdict of a date, but for the *habits* of the lake's source.

    None where it was not judged, or nothing of it could be.
    """
    if digest is None:
        return None, None
    points, _ = beyond(digest, habits)
    found = weighted(points, rules.weights)
    return found, verdict(found, points, rules, complete=digest["complete"] is not False)


def verdict(
    found: float | None, points: Mapping[str, float], rules: Quality, *, complete: bool = True
) -> Verdict | None:
    """What a score means by the thresholds of the settings; None where there is no score.

    A part of which so little is left that a day would fail is a warning whatever its weight: the mean of the
    parts must not hide one. A day that is not *complete* is never good, though what is there were perfect.
    """
    if found is None:
        return None
    if found < rules.fail_below:
        return "fail"
    ruined = any(rules.weights.get(part) and value < rules.fail_below for part, value in points.items())
    return "warn" if found < rules.warn_below or ruined or not complete else "good"


def words(lost: Sequence[Any]) -> str:
    """A check that cost points, as a person reads it: like `crossed: 12 of 4,000 quotes (0.3 %)`."""
    code, hits, of, unit, *_ = lost
    return f"{code}: {hits:,} of {of:,} {unit} ({percent(hits / of)})"


@dataclass(frozen=True)
class Balance:
    """What judged days were to have, and what of it came, in stamps of contracts."""

    days: int
    contracts: float  # received on a day, on average
    expected: int
    received: int
    explained: int  # not received, and the source says why
    missing: int

    def percent(self, count: int) -> float:
        """What *count* is of a hundred expected ones."""
        return 100 * count / self.expected if self.expected else 0.0


def balances(days: Iterable[Day], of: Callable[[dt.date], S]) -> dict[S, Balance]:
    """The balance of each stretch of time; without days of which nobody knows what was expected."""
    found: dict[S, list[Day]] = {}
    for day in days:
        if day.stamps_expected:
            found.setdefault(of(day.date), []).append(day)
    return {stretch: _balance(members) for stretch, members in found.items()}


def _balance(days: Sequence[Day]) -> Balance:
    return Balance(
        days=len(days),
        contracts=sum(day.contracts_received or 0 for day in days) / len(days),
        expected=sum(day.stamps_expected or 0 for day in days),
        received=sum(day.stamps_received or 0 for day in days),
        explained=sum(day.stamps_explained or 0 for day in days),
        missing=sum(day.stamps_missing or 0 for day in days),
    )
