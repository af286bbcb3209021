"""The dashboard: the state of the lake, its trends, and what needs a person.

`View` is what it shows, read once; each of its sections is made by a function of one of the modules here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from spx_data.report.dashboard import calendar, coverage, disk, overview, quality, terminal, work
from spx_data.report.dashboard.view import View, tables
from spx_data.report.drawing import DATES
from spx_data.report.page import Page, Section, Switch
from spx_data.settings import Settings

SECTIONS = (
    Section("overview", "Overview", overview.content, "overview"),
    Section("calendar", "Calendar", calendar.content, "calendar"),
    Section("queue", "Gaps", overview.queue, "queue"),
    Section("coverage", "Coverage", coverage.content),
    Section("quality", "Quality", quality.content, "quality", needs=[DATES]),
    Section("speed", "Speed", work.speed, needs=[DATES]),
    Section("failures", "Failures", work.failures, "failures"),
    Section("terminal", "Terminal", terminal.content, "terminal"),
    Section("disk", "Disk", disk.content, needs=[DATES]),
)


def page(
    settings: Settings, moment: dt.datetime, *, live: bool = False, switch: Sequence[Switch] = ()
) -> Page[View]:
    """The dashboard of a lake at *moment*; a *live* one leads to the page of every sealed day.

    The *switch* leads to those of other symbols.

    Raises:
        ConfigurationValidationError: there is no such calendar.
    """
    return Page(
        title=settings.product.title,
        subtitle=f"{', '.join(settings.roots)} every {settings.window.interval}, from {settings.start_date}",
        made_at=moment.astimezone(dt.UTC),
        view=View.of(settings, moment, live=live),
        sections=SECTIONS,
        tables=tables,
        styles=["dashboard.css"],
        scripts=["calendar.js"],
        switch=switch,
    )
