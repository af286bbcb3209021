"""What the sealed days are worth, and where that is going."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from spx_data.report.dashboard import parts, quality_charts, steps
from spx_data.report.dashboard.view import View
from spx_data.report.page import Section
from spx_data.status import quality as worth
from spx_data.status.outliers import Distance
from spx_data.status.quality import Day
from spx_data.text.words import counted, points

_MOST = 50  # days that a table names
_WORST_FIRST = {"fail": 0, "warn": 1, "good": 2, None: 3}

_VERDICTS = {
    "fail": "not to be used",
    "warn": "to look at",
    "good": "it needs no look",
    None: "without a verdict",
}


@dataclass(frozen=True)
class Conspicuous:
    """A day that deserves a look: its verdict is not good, or it stands out from those around it."""

    day: Day
    far: Sequence[Distance]
    page: str | None  # where its page is, seen from the dashboard

    @property
    def rank(self) -> tuple[int, float, float]:
        """The smaller, the worse."""
        z = max((abs(distance.z) for distance in self.far), default=0.0)
        score = 100.0 if self.day.score is None else self.day.score
        return _WORST_FIRST[self.day.verdict], score if self.day.verdict != "good" else 0.0, -z


def section(view: View) -> Section:
    """The section: what the sealed days are worth, and where that is going."""
    days = view.days
    if not days:
        said = (
            "No sealed day was judged."
            if view.scene.sealed
            else "Nothing is sealed yet, so nothing was judged."
        )
        return parts.section("quality", "Quality", said)
    step = steps.coarse(days[0].date, days[-1].date)
    periods = worth.periods(days, step)
    found = conspicuous(view)
    return parts.section(
        "quality",
        "Quality",
        _lead(days),
        quality_charts.parts(days, periods, view.outliers, view.settings.quality),
        template="quality",
        trends=parts.in_words(worth.trends(periods), len(periods), step),
        conspicuous=found[:_MOST],
        more=max(0, len(found) - _MOST),
        threshold=view.settings.quality.outlier_z,
    )


def _lead(days: Sequence[Day]) -> str:
    scores = [day.score for day in days if day.score is not None]
    if not scores:
        return f"{counted(len(days), 'sealed day')} judged, and nothing of them could be."
    bad = {verdict: sum(day.verdict == verdict for day in days) for verdict in ("warn", "fail")}
    told = [f"{counted(bad['warn'], 'day')} to look at"] if bad["warn"] else []
    told += [f"{counted(bad['fail'], 'day')} not to be used"] if bad["fail"] else []
    verdicts = " and ".join(told) or "none of them is below the thresholds"
    if len(scores) == 1:
        return f"One day judged, worth {points(scores[0])} of 100 points: {_VERDICTS[days[0].verdict]}."
    judged, middle = counted(len(days), "day"), points(statistics.median(scores))
    return f"{judged} judged, their median is {middle} of 100 points: {verdicts}."


def conspicuous(view: View) -> list[Conspicuous]:
    """The days that deserve a look, the worst first."""
    far = view.outliers
    found = [
        Conspicuous(day, far.get(day.date, []), view.pages.get(day.date))
        for day in view.days
        if day.verdict in {"warn", "fail"} or day.date in far
    ]
    return sorted(found, key=lambda one: (*one.rank, -one.day.date.toordinal()))
