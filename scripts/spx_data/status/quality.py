"""What sealed days are worth: score and verdict by the settings of now, and where their figures are going.

A passport keeps the points of each part and check; the score is made of them anew, so edited weights count at
once, and what the source of the lake always does (`status.habits`) costs no day anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from spx_data.lake.session_states import Kind
from spx_data.quality import Part, weighted
from spx_data.settings import Quality
from spx_data.status import habits as of_the_source
from spx_data.status import trends as over_time
from spx_data.status.digest import Digest
from spx_data.status.habits import Habits
from spx_data.status.summary import Summary
from spx_data.status.trends import Measure, Period, Step, Trend
from spx_data.text.words import percent

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
    habits = of_the_source.of(digest for _, digest in found)
    return [day(summary.date, digest, rules, habits) for summary, digest in found]


def habits(summaries: Iterable[Summary]) -> Habits:
    """What the source does on nearly all of the sealed dates that were judged, by check."""
    return of_the_source.of(digest for _, digest in judged(summaries))


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
    points, lost = of_the_source.beyond(digest, habits)
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
    points, _ = of_the_source.beyond(digest, habits)
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


def periods(found: Iterable[Day], step: Step) -> list[Period]:
    """The days by the month or the week (ISO 8601) of their trading date, oldest first."""
    return over_time.periods(found, MEASURES, _date, step)


def _date(line: Day) -> dt.date:
    return line.date


def trends(found: Sequence[Period]) -> list[Trend]:
    """Where each measure is going over the periods *found*, oldest first."""
    return over_time.trends(found, MEASURES)
