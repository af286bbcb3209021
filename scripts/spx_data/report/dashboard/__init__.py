"""The dashboard: what stands where, where it is going, and what needs somebody.

`View` is what it shows, read once; each module here makes one section of it.
"""

from __future__ import annotations

import datetime as dt

from spx_data.report.dashboard import (
    calendar,
    coverage,
    dates,
    disk,
    failures,
    overview,
    quality,
    queue,
    speed,
    terminal,
)
from spx_data.report.dashboard.view import View
from spx_data.report.page import Page
from spx_data.settings import Settings

_SECTIONS = (overview, calendar, queue, coverage, quality, speed, failures, terminal, disk)


def page(settings: Settings, moment: dt.datetime, *, live: bool = False) -> Page:
    """The dashboard of a lake at *moment*; a *live* one leads to the page of every sealed day.

    Raises:
        ConfigurationValidationError: there is no such calendar.
    """
    view = View.of(settings, moment, live=live)
    return Page(
        title=settings.product.title,
        subtitle=f"{', '.join(settings.roots)} every {settings.window.interval}, from {settings.start_date}",
        made_at=moment.astimezone(dt.UTC),
        sections=[module.section(view) for module in _SECTIONS],
        data={dates.NAME: dates.columns(view)},
        styles=["dashboard.css"],
        scripts=["calendar.js"],
    )
