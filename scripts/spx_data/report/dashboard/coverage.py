"""How much of the range is sealed, and how much of what was expected is there, over time."""

from __future__ import annotations

import dataclasses
from typing import Any

import altair as alt

from spx_data.lake.session_states import Kind
from spx_data.report import drawing
from spx_data.report.dashboard import periods
from spx_data.report.dashboard.periods import Coarse
from spx_data.report.dashboard.view import View
from spx_data.report.drawing import Figure, told
from spx_data.report.page import Content, Part
from spx_data.status import quality, summary
from spx_data.status.quality import Balance
from spx_data.status.summary import Reach
from spx_data.text.words import count, counted
from spx_data.text.words import share as share_of

# From done to undone; what is still to come has nothing to show.
_KINDS = (
    *(Kind.SEALED, Kind.ACCEPTED, Kind.NO_DATA, Kind.PARTIAL),
    *(Kind.MISSING, Kind.FAILED, Kind.PARKED, Kind.CORRUPT),
)


def content(view: View) -> Content:
    """The sessions by their state, and what days hold."""
    lead = _lead(summary.reach(view.in_range))
    if not view.in_range:
        return Content(lead)
    step = periods.coarse(view.in_range[0].date, view.in_range[-1].date)
    return Content(lead, [_sessions(view, step), *_records(view, step)])


def _lead(reach: Reach) -> str:
    if not reach.sessions:
        return "No sessions in the range yet."
    if reach.sessions == 1:
        return f"The only session is {'sealed' if reach.sealed else 'not sealed'}."
    share = f"{count(reach.sealed)} of {counted(reach.sessions, 'session')} are sealed "
    share += f"({share_of(reach.sealed / reach.sessions)})"
    if not reach.sealed:
        return f"{share}."
    if reach.sealed == reach.sessions:
        return f"{share}, from {reach.first} to {reach.last} without a gap."
    if reach.unbroken == 1:
        return f"{share}, no two of them adjacent."
    return f"{share}. Longest unbroken run: {reach.first} to {reach.last} ({count(reach.unbroken)} sessions)."


def _sessions(view: View, step: Coarse) -> Part:
    """The sessions of each month or week by their state."""
    states = summary.states(view.in_range, lambda date: periods.stretch(date, step))
    there = [kind for kind in _KINDS if any(found[kind] for found in states.values())]
    if len(states) < 2:
        ((stretch, found),) = states.items()
        named = ", ".join(f"{count(found[kind])} {kind.value}" for kind in there)
        return f"All within {stretch.name}: {named or 'nothing to seal yet'}."
    rows = [
        stretch.as_row() | {"kind": kind.value, "place": place, "sessions": found[kind]}
        for stretch, found in states.items()
        for place, kind in enumerate(there)
        if found[kind]
    ]
    colours = {kind.value: f"@{kind.value}" for kind in there}
    chart = drawing.bars(rows).encode(
        y=drawing.counts("sum(sessions):Q", "sessions", max(found.total() for found in states.values())),
        color=drawing.colours(colours),
        order=alt.Order("place:Q"),
        tooltip=told(name=step, kind="state", **{"sum(sessions)": ("sessions", ",d")}),
    )
    note = f"By {step} of the trading date; sealed at the bottom."
    return Figure(
        "coverage-sessions", "Sessions by state", chart, note, drawing.TALL, wide=True, legend=colours
    )


def _records(view: View, step: Coarse) -> list[Part]:
    """How much a day holds, and how much of what was expected did not come."""
    days = [day for day in view.days if view.settings.covers(day.date)]
    balances = quality.balances(days, lambda date: periods.stretch(date, step))
    if len(balances) < 2:
        return [_in_a_sentence(one) for one in balances.values()]
    rows = [
        stretch.as_row()
        | {"days": one.days, "contracts": round(one.contracts)}
        | {"unexplained": _short(one.percent(one.missing)), "explained": _short(one.percent(one.explained))}
        for stretch, one in balances.items()
    ]
    contracts = _contracts(rows, step)
    if not any(row["unexplained"] or row["explained"] for row in rows):
        said = "Every expected stamp of every contract was received."
        return [dataclasses.replace(contracts, wide=True), said]
    return [contracts, _not_received(rows, step)]


def _in_a_sentence(one: Balance) -> str:
    return (
        f"{counted(one.days, 'judged day')}, {count(one.contracts)} contracts per day. "
        f"Stamps: {count(one.expected)} expected, {count(one.received)} received, "
        f"{count(one.explained)} explained by the source, {count(one.missing)} unexplained."
    )


def _contracts(rows: list[dict[str, Any]], step: Coarse) -> Figure:
    chart = drawing.bars(rows).encode(
        y=drawing.counts("contracts:Q", "contracts", max(row["contracts"] for row in rows)),
        color=alt.value("@blue"),
        tooltip=told(name=step, days=("judged days", ",d"), contracts=("contracts per day", ",d")),
    )
    note = f"Received per day, average of the {step}."
    return Figure("coverage-contracts", "Contracts per day", chart, note)


def _not_received(rows: list[dict[str, Any]], step: Coarse) -> Figure:
    kinds = {"explained by the source": "@no-data", "unexplained": "@failed"}
    chart = (
        drawing.bars(rows)
        .transform_calculate(**{name: f"datum.{name.split()[0]}" for name in kinds})
        .transform_fold(list(kinds), as_=["kind", "percent"])
        .transform_filter("datum.percent > 0")
        .encode(
            y=alt.Y("percent:Q", title="%", axis=alt.Axis(tickCount=4)),
            color=drawing.colours(kinds),
            tooltip=told(
                name=step,
                unexplained=("unexplained, %", ".3~g"),
                explained=("explained by the source, %", ".3~g"),
            ),
        )
    )
    note = "Stamps not received, in percent of those expected."
    return Figure("coverage-stamps", "Not received", chart, note, legend=kinds)


def _short(value: float) -> float:
    return float(f"{value:.3g}")
