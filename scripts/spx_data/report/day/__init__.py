"""The page of one sealed day: what is there, what the quotes say, and what it is worth.

`View` is what it shows, read once; each module here makes one section of it.
"""

from __future__ import annotations

import datetime as dt

from spx_data.report.day import provenance
from spx_data.report.day.view import View
from spx_data.report.page import Page
from spx_data.settings import Settings

_SECTIONS = (provenance.section,)


def page(settings: Settings, moment: dt.datetime, date: dt.date) -> Page:
    """The page of *date*, a sealed one, made at *moment*.

    Raises:
        DateValidationError: it is not sealed.
        FileCorruptionError, MissingFileError: what is there is not what was sealed.
    """
    view = View.of(settings, moment, date)
    return Page(
        title=date.isoformat(),
        subtitle=f"{date:%A}",
        made_at=moment.astimezone(dt.UTC),
        sections=[section(view) for section in _SECTIONS],
        home=f"../{settings.layout.dashboard.name}",
    )
