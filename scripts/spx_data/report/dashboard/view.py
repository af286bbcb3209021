"""What the dashboard shows, read once for all of its sections."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from spx_data import status
from spx_data.lake import runs
from spx_data.lake.session_states import Kind
from spx_data.ops import gaps
from spx_data.ops.gaps import Gap, Plan
from spx_data.ops.health import Check, Scene, alerts
from spx_data.settings import Settings
from spx_data.status import Overview, Summary
from spx_data.status.outliers import Distance, standing_out
from spx_data.status.performance import Performance, performances
from spx_data.status.quality import Day
from spx_data.store import journal

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
        return gaps.plan(self.settings, self.moment, None, _CORES, found=self.gaps)

    @cached_property
    def overview(self) -> Overview:
        """The lake at a glance."""
        return Overview.of(self.dates)

    @cached_property
    def alerts(self) -> list[Check]:
        """What needs somebody, or may do so."""
        return alerts(self.scene)
