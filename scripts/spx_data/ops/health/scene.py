"""What the checks look at, read once for all of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from spx_data.lake import calendar
from spx_data.lake.runs import Run
from spx_data.lake.session_states import Kind
from spx_data.ops.health.asking import Answer
from spx_data.settings import Settings
from spx_data.status import Summary, Trouble
from spx_data.status.quality import Day, days
from spx_data.store import tree, volumes
from spx_data.store.tree import Tree
from spx_data.store.volumes import Volume


@dataclass(frozen=True)
class Scene:
    """One lake at one *moment*: its dates, the run at work, and the terminal's answer if it was asked."""

    settings: Settings
    moment: dt.datetime
    summaries: Sequence[Summary] = ()
    run: Run | None = None
    answer: Answer | None = None
    walked: Tree | None = None  # the output tree, for who has walked it already

    @cached_property
    def wanted(self) -> frozenset[dt.date]:
        """The sessions that the settings ask for."""
        return frozenset(session.date for session in calendar.wanted(self.settings, self.moment))

    @cached_property
    def tree(self) -> Tree:
        """What stands in the output tree."""
        return self.walked or tree.walk(self.settings.layout)

    @cached_property
    def sealed(self) -> list[Summary]:
        """The sealed dates, oldest first."""
        return self.of_kind(Kind.SEALED)

    @cached_property
    def judged(self) -> list[Day]:
        """The sealed dates that were judged, oldest first."""
        return days(self.summaries, self.settings.quality)

    @cached_property
    def volumes(self) -> Sequence[Volume]:
        """The volumes under the lake; raises where one cannot be written to."""
        return volumes.of_lake(self.settings.layout)

    @property
    def last_activity(self) -> dt.datetime | None:
        """When something last happened to any date."""
        last = max((at for summary in self.summaries if (at := summary.facts.updated_at)), default=None)
        return dt.datetime.fromisoformat(last) if last else None

    @property
    def at_work(self) -> frozenset[dt.date]:
        """The dates that the run at work set out to do."""
        return frozenset(self.run.dates) if self.run else frozenset()

    def of_kind(self, *kinds: Kind) -> list[Summary]:
        """The dates of these kinds, oldest first."""
        return [summary for summary in self.summaries if summary.state.kind in kinds]

    def since(self, days: int) -> str:
        """The moment *days* ago, spelt as journals spell theirs, so that the two compare as text."""
        return (self.moment - dt.timedelta(days)).astimezone(dt.UTC).isoformat(timespec="milliseconds")

    def worked_on(self, days: int) -> list[Summary]:
        """The dates that were tried within the last *days*."""
        since = self.since(days)
        return [summary for summary in self.summaries if _last_try(summary) >= since]

    def troubles(self, days: int) -> list[Trouble]:
        """Failures and retries of the last *days*, by date."""
        since = self.since(days)
        return [
            trouble for summary in self.summaries for trouble in summary.facts.troubles if trouble.at >= since
        ]


def _last_try(summary: Summary) -> str:
    """The last moment at which the workflow worked on a date; empty where it never did."""
    facts = summary.facts
    moments = (facts.started_at, facts.completed_at, facts.sealed_at, *(one.at for one in facts.troubles))
    return max((at for at in moments if at), default="")
