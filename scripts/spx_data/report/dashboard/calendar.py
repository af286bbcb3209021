"""Every session as a cell of a calendar, coloured by its state."""

from __future__ import annotations

import calendar
import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from spx_data.lake.session_states import Kind
from spx_data.report.dashboard import cards
from spx_data.report.dashboard.tones import Tone, name_of, tones
from spx_data.report.dashboard.view import View
from spx_data.report.page import Section

_WEEK = 7
_WORKING_DAYS = 5


@dataclass(frozen=True)
class Cell:
    """A session."""

    date: dt.date
    tone: Tone


@dataclass(frozen=True)
class Month:
    """A month, week by week: *lead* places are left free in its first one; None is no session."""

    name: str
    lead: int
    slots: Sequence[Cell | None]


@dataclass(frozen=True)
class Year:
    """A year, and how many of its sessions are sealed."""

    number: int
    months: Sequence[Month]
    sealed: int
    sessions: int


def section(view: View) -> Section:
    """The section: every session as a cell of a calendar, coloured by its state."""
    known = tones(view.settings)
    names = {summary.date: name_of(summary, view.day_of.get(summary.date)) for summary in view.dates}
    # Trading on weekends, which other calendars know, takes two more rows, and a month touches six weeks.
    days = _WEEK if any(date.weekday() >= _WORKING_DAYS for date in names) else _WORKING_DAYS
    years = list(_years({date: Cell(date, known[name]) for date, name in names.items()}, days))
    counts = Counter(names.values())
    in_order = [cell.date for year in years for month in year.months for cell in month.slots if cell]
    return Section(
        "calendar",
        "Calendar",
        template="calendar",
        lead="Each session is a cell, a week is a column. Point at one, or tap it, to know what it is.",
        context={
            "years": years,
            "rows": days,
            "columns": 5 if days == _WORKING_DAYS else 6,
            "legend": [(tone, counts[tone.name]) for tone in known.values()],
            "cards": cards.data(view, in_order, names, known),
        },
    )


def _years(cells: Mapping[dt.date, Cell], days: int) -> Iterator[Year]:
    """The years, newest first, each with the months of which any has sessions: they stand in columns."""
    dates = sorted(cells)
    months = sorted({date.month for date in dates})
    by_year = {year: list(found) for year, found in groupby(dates, key=lambda date: date.year)}
    for year in sorted(by_year, reverse=True):
        of_year = by_year[year]
        sealed = sum(cells[date].tone.name.startswith(Kind.SEALED) for date in of_year)
        found = [_month(cells, dt.date(year, month, 1), days) for month in months]
        yield Year(year, found, sealed, len(of_year))


def _month(cells: Mapping[dt.date, Cell], first: dt.date, days: int) -> Month:
    length = calendar.monthrange(first.year, first.month)[1]
    month = (first + dt.timedelta(number) for number in range(length))
    dates = [date for date in month if date.weekday() < days]
    slots = [cells.get(date) for date in dates] if not cells.keys().isdisjoint(dates) else []
    return Month(f"{first:%b}", dates[0].weekday(), slots)
