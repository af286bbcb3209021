"""What the dashboard shows, read once for all of its sections, and the dates that its charts share."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spx_data import status
from spx_data.lake import runs
from spx_data.lake.session_states import Kind
from spx_data.ops import gaps
from spx_data.ops.gaps import Gap, Plan
from spx_data.ops.health import Check, Scene, alerts
from spx_data.report import drawing
from spx_data.report.page import Columns
from spx_data.settings import Settings
from spx_data.status import Overview, Summary
from spx_data.status.neighbours import Distance, standing_out
from spx_data.status.quality import Day
from spx_data.status.trends import Performance, performances
from spx_data.store import journal
from spx_data.text.words import minute

# Of the run that times are estimated for, as in `spx-data gaps`.
_CORES = 4


@dataclass(frozen=True)
class View:
    """One lake at one moment: its dates, the run at work, its gaps by priority."""

    scene: Scene
    gaps: Sequence[Gap]
    live: bool = False  # served: the page of any sealed day is made when it is asked for

    @classmethod
    def of(cls, settings: Settings, moment: dt.datetime, *, live: bool = False) -> View:
        """The view of the lake of *settings* at *moment*.

        Raises:
            ConfigurationValidationError: there is no such calendar.
        """
        run = runs.current(settings.layout)
        if run and run.name == os.environ.get(journal.RUN_VARIABLE):
            run = None  # it ends with this page
        summaries = status.summaries(settings, moment)
        scene = Scene(settings, moment, summaries, run)
        return cls(scene, gaps.find(settings, moment, summaries=summaries), live)

    @property
    def settings(self) -> Settings:
        """The settings of the lake."""
        return self.scene.settings

    @property
    def moment(self) -> dt.datetime:
        """When it is looked at."""
        return self.scene.moment

    @property
    def dates(self) -> Sequence[Summary]:
        """Every wanted session and every other date that the tree knows, oldest first."""
        return self.scene.summaries

    @cached_property
    def in_range(self) -> Sequence[Summary]:
        """Those of `dates` that lie in the configured range: one date outside of it stretches no axis."""
        return [summary for summary in self.dates if self.settings.covers(summary.date)]

    @property
    def days(self) -> list[Day]:
        """The sealed dates that were judged, oldest first."""
        return self.scene.judged

    @cached_property
    def pages(self) -> Mapping[dt.date, str]:
        """Where the pages of sealed dates are, seen from the dashboard; of those that have one."""
        layout = self.settings.layout
        there = {path.stem for path in layout.day_pages()}
        return {
            summary.date: layout.day_page(summary.date).relative_to(layout.dashboard.parent).as_posix()
            for summary in self.dates
            if summary.state.kind is Kind.SEALED and (self.live or summary.date.isoformat() in there)
        }

    @cached_property
    def day_of(self) -> Mapping[dt.date, Day]:
        """The judged days by their date."""
        return {day.date: day for day in self.days}

    @cached_property
    def outliers(self) -> Mapping[dt.date, list[Distance]]:
        """The figures of judged days that stand out from those around them, by date."""
        return standing_out(self.days, self.settings.quality.outlier_z)

    @cached_property
    def performances(self) -> list[Performance]:
        """What each sealed date took, newest first."""
        return performances(self.dates)

    @cached_property
    def gap_of(self) -> Mapping[dt.date, Gap]:
        """The gaps by their date, in the order of their priority."""
        return {gap.date: gap for gap in self.gaps}

    @cached_property
    def plan(self) -> Plan:
        """What the next run is going to do."""
        return gaps.plan(self.settings, self.moment, None, _CORES, found=self.gaps, summaries=self.dates)

    @cached_property
    def overview(self) -> Overview:
        """The lake at a glance."""
        return Overview(self.dates)

    @cached_property
    def alerts(self) -> list[Check]:
        """What needs a person, or may do so."""
        return alerts(self.scene)


# The shared dates ----------------------------------------------------------------------------------------

_LOST = 2  # checks that cost points, of those a tooltip names


def tables(view: View) -> Mapping[str, Columns]:
    """What charts of several sections share: one row for each date, oldest first.

    Moments are UTC to the minute, and None is what is not known: a date that is not sealed has little more
    than its name.
    """
    took = {line.date: line for line in view.performances}
    far = view.outliers
    lines = [
        {"date": one.date.isoformat()}
        | _sealing(took.get(one.date))
        | _worth(view.day_of.get(one.date), far.get(one.date, []))
        for one in view.dates
    ]
    return {drawing.DATES: {name: [line[name] for line in lines] for name in _NAMES}}


_SEALING = ("sealed", "mb", "seconds", "rows_a_minute", "memory")
_WORTH = ("score", "verdict", "lost", "spread", "iv", "far")
_NAMES = ("date", *_SEALING, *_WORTH)


def _sealing(line: Performance | None) -> dict[str, Any]:
    """When it was sealed, the megabytes of its Parquet, what that took in seconds and megabytes of memory."""
    if line is None:
        return dict.fromkeys(_SEALING)
    return {
        "sealed": minute(line.sealed_at),
        "mb": _significant(line.bytes / 1e6),
        "seconds": _significant(line.duration_seconds),
        "rows_a_minute": _significant(line.records_per_minute),
        "memory": _significant(line.memory_peak_mb),
    }


def _worth(day: Day | None, far: list[Distance]) -> dict[str, Any]:
    """What a judged date is worth; spread and volatility in percent, and what of it stands out."""
    if day is None:
        return dict.fromkeys(_WORTH)
    return {
        "score": None if day.score is None else round(day.score, 2),
        "verdict": day.verdict,
        "lost": _lost(day),
        "spread": _significant(day.spread_median, 100),
        "iv": _significant(day.iv_level, 100),
        "far": ", ".join(map(str, far)) or None,
    }


def _lost(day: Day) -> str | None:
    """What cost points, the costliest first."""
    more = len(day.findings) - _LOST
    named = [*day.findings[:_LOST], *([f"and {more} more"] if more > 0 else [])]
    return "; ".join(named) or None


def _significant(value: float | None, times: float = 1) -> float | None:
    """A number with four digits that count, as short as JSON can spell it."""
    if value is None:
        return None
    short = float(f"{value * times:.4g}")
    return int(short) if short.is_integer() else short
