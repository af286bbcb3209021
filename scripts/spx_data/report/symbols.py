"""The page of all symbols: what is sealed of each, what it is worth, and how their volatilities move."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import altair as alt

from spx_data import status
from spx_data.report import drawing
from spx_data.report.drawing import Figure, chart_of, told
from spx_data.report.page import Content, Page, Section, Switch
from spx_data.settings import Settings
from spx_data.status import Overview, Summary
from spx_data.status.quality import Day, days
from spx_data.status.summary import Reach, reach
from spx_data.text.words import counted

FEWEST = 10  # pairs of changes from which there is a correlation to speak of
_COLOURS = ("@blue", "@orange", "@green", "@purple", "@sealed", "@warn", "@fail", "@grey", "@ink")
_TALL = 240  # pixels


@dataclass(frozen=True)
class Symbol:
    """One symbol: its lake, and where the lake's dashboard is, seen from the page."""

    name: str
    settings: Settings
    dates: Sequence[Summary]
    href: str

    @cached_property
    def days(self) -> Sequence[Day]:
        """Its judged days, oldest first."""
        return days(self.dates, self.settings.quality)

    @cached_property
    def overview(self) -> Overview:
        """Its lake at a glance."""
        return Overview(self.dates)

    @cached_property
    def reach(self) -> Reach:
        """How much of its range is sealed."""
        return reach(line for line in self.dates if self.settings.covers(line.date))

    @property
    def score(self) -> float | None:
        """The median score of its days."""
        scores = [day.score for day in self.days if day.score is not None]
        return statistics.median(scores) if scores else None

    def count(self, verdict: str) -> int:
        """So many of its days have that *verdict*."""
        return sum(day.verdict == verdict for day in self.days)

    @cached_property
    def levels(self) -> Mapping[dt.date, float]:
        """The volatility at the money at 30 days, a fraction, of each day that has one."""
        return {day.date: day.iv_level for day in self.days if day.iv_level}


class Pair(NamedTuple):
    """How the changes of two volatilities go together, over so many *pairs*; None where they are too few."""

    correlation: float | None
    pairs: int


def together(one: Mapping[dt.date, float], other: Mapping[dt.date, float]) -> Pair:
    """The correlation (Pearson) of changes, from one common date to the next, of two levels' logarithms."""
    common = sorted(one.keys() & other.keys())
    steps = list(itertools.pairwise(common))
    moves = [[math.log(levels[after] / levels[before]) for before, after in steps] for levels in (one, other)]
    if len(steps) < FEWEST or any(len(set(changes)) < 2 for changes in moves):
        return Pair(None, len(steps))
    return Pair(statistics.correlation(*moves), len(steps))


@dataclass(frozen=True)
class View:
    """All symbols of a config at one moment."""

    symbols: Sequence[Symbol]

    @property
    def matrix(self) -> list[tuple[str, list[Pair | None]]]:
        """A row for each symbol, with how it goes together with each; None with itself."""
        return [
            (
                one.name,
                [None if one is other else together(one.levels, other.levels) for other in self.symbols],
            )
            for one in self.symbols
        ]


def page(lakes: Mapping[str, Settings], moment: dt.datetime) -> Page[View]:
    """The page of all of *lakes*, by symbol, at *moment*.

    Raises:
        ConfigurationValidationError: there is no such calendar.
    """
    first = next(iter(lakes.values()))
    folder = first.layout.symbols_page.parent
    found = [
        Symbol(
            name,
            settings,
            status.summaries(settings, moment),
            os.path.relpath(settings.layout.dashboard, folder),
        )
        for name, settings in lakes.items()
    ]
    return Page(
        title="All symbols",
        subtitle=", ".join(lakes),
        made_at=moment.astimezone(dt.UTC),
        view=View(found),
        sections=SECTIONS,
        switch=switch(lakes),
    )


def switch(lakes: Mapping[str, Settings], at: str = "") -> tuple[Switch, ...]:
    """The way from the dashboard of the symbol *at*, or from the page of all, to each of the others."""
    if len(lakes) < 2:
        return ()
    first = next(iter(lakes.values())).layout
    here = (lakes[at].layout.dashboard if at else first.symbols_page).parent
    every = {"all": first.symbols_page} | {name: each.layout.dashboard for name, each in lakes.items()}
    return tuple(
        Switch(name, None if name == (at or "all") else os.path.relpath(target, here))
        for name, target in every.items()
    )


# Sections -----------------------------------------------------------------------------------------------


def _overview(view: View) -> Content:
    sealed = sum(symbol.reach.sealed for symbol in view.symbols)
    due = sum(symbol.reach.sessions for symbol in view.symbols)
    lead = f"{counted(len(view.symbols), 'symbol')}: {sealed:,} of {due:,} sessions sealed."
    return Content(lead, more={"symbols": view.symbols})


def _volatility(view: View) -> Content:
    rows = [
        {"date": date.isoformat(), "symbol": symbol.name, "iv": round(100 * level, 3)}
        for symbol in view.symbols
        for date, level in symbol.levels.items()
    ]
    if not rows:
        return Content("No sealed day has a volatility at 30 days yet.")
    named = [symbol.name for symbol in view.symbols if symbol.levels]
    colours = dict(zip(named, itertools.cycle(_COLOURS), strict=False))
    chart = chart_of(rows).transform_calculate(day="utcParse(datum.date, '%Y-%m-%d')")
    levels = [100 * level for symbol in view.symbols for level in symbol.levels.values()]
    y = drawing.amounts("iv:Q", "percent a year", levels, zero=False)
    seen = {"x": drawing.time("day"), "y": y, "color": drawing.colours(colours, "symbol:N")}
    tooltip = told(symbol="symbol", date="date", iv=("volatility, %", ".2f"))
    drawn = alt.layer(
        chart.mark_line(strokeWidth=1.5).encode(**seen),
        chart.mark_circle(size=24).encode(**seen, tooltip=tooltip),
    )
    return Content(
        "Implied volatility at the money at 30 days, of every sealed day.",
        [
            Figure(
                "volatility-chart",
                "Volatility at 30 days",
                drawn,
                "Hover for a day.",
                _TALL,
                wide=True,
                legend=colours,
            )
        ],
    )


def _correlation(view: View) -> Content:
    lead = "How the daily changes of these volatilities go together: 1 is in step, 0 not at all."
    return Content(
        lead, more={"names": [s.name for s in view.symbols], "rows": list(view.matrix), "fewest": FEWEST}
    )


SECTIONS: Sequence[Section[View]] = (
    Section("overview", "Overview", _overview, "symbols"),
    Section("volatility", "Volatility", _volatility),
    Section("correlation", "Correlation", _correlation, "correlation"),
)
