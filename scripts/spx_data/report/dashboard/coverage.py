"""How much of the range is sealed, month by month, and how much of what was expected is there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import altair as alt

from spx_data.ledger import Kind
from spx_data.report.dashboard import drawing, parts, steps
from spx_data.report.dashboard.parts import Part
from spx_data.report.dashboard.view import View
from spx_data.report.page import Figure, Section
from spx_data.status import coverage
from spx_data.status.coverage import Balance, Reach
from spx_data.words import count, counted

# From done to undone; what is still to come has nothing to show.
_KINDS = (
    Kind.SEALED,
    Kind.ACCEPTED,
    Kind.NO_DATA,
    Kind.PARTIAL,
    Kind.MISSING,
    Kind.FAILED,
    Kind.PARKED,
    Kind.CORRUPT,
)


def section(view: View) -> Section:
    """The section: how much of the range is sealed, and how much of what was expected is there."""
    balances = coverage.balances(view.days)
    found = [_sessions(view), *_records(balances)] if view.dates else []
    return parts.section("coverage", "Coverage", _lead(coverage.reach(view.dates)), found)


def _lead(reach: Reach) -> str:
    if not reach.sessions:
        return "No session lies in the range yet."
    if reach.sessions == 1:
        return (
            f"The only session, {reach.first}, is sealed."
            if reach.sealed
            else "The only session is not sealed."
        )
    share = f"{count(reach.sealed)} of {counted(reach.sessions, 'session')} are sealed ({_percent(reach)})"
    if not reach.sealed:
        return f"{share}."
    if reach.sealed == reach.sessions:
        return f"{share}, from {reach.first} to {reach.last} without a hole."
    if reach.unbroken == 1:
        return f"{share}, none of them next to another."
    return (
        f"{share}. The longest stretch without a hole goes from {reach.first} to {reach.last}: "
        f"{count(reach.unbroken)} sessions."
    )


def _percent(reach: Reach) -> str:
    """Percent sealed; neither 0 nor 100 where that is not the whole truth."""
    return (
        f"{min(max(reach.percent, 0.1), 99.9):.1f} %" if 0 < reach.percent < 100 else f"{reach.percent:.0f} %"
    )


def _sessions(view: View) -> Part:
    """The sessions of each month by their state."""
    months = coverage.states_by_month(view.dates)
    there = [kind for kind in _KINDS if any(found[kind] for found in months.values())]
    if len(months) < 2:
        named = ", ".join(
            f"{count(sum(found[kind] for found in months.values()))} {kind.value}" for kind in there
        )
        return f"All within {_month(months)}: {named or 'nothing that could be sealed yet'}."
    rows = [
        steps.stretch(month, "month").as_row() | {"kind": kind.value, "place": place, "sessions": found[kind]}
        for month, found in months.items()
        for place, kind in enumerate(there)
        if found[kind]
    ]
    colours = {kind.value: f"@{kind.value}" for kind in there}
    chart = (
        drawing.bars(drawing.rows(rows))
        .encode(
            y=alt.Y("sum(sessions):Q", title="sessions", axis=alt.Axis(tickCount=4, format="d")),
            color=drawing.colours(colours),
            order=alt.Order("place:Q"),
            tooltip=[
                drawing.told("name", "month"),
                drawing.told("kind", "state"),
                alt.Tooltip("sum(sessions):Q", title="sessions", format=",d"),
            ],
        )
        .properties(width="container", height=drawing.TALL)
    )
    note = "By month of the trading date, sealed ones at the bottom."
    return Figure("coverage-sessions", "Sessions by state", chart, note, wide=True, legend=colours)


def _month(months: Iterable[dt.date]) -> str:
    """The only one of *months*."""
    return f"{next(iter(months)):%B %Y}"


def _records(balances: list[Balance]) -> list[Part]:
    """How much a day holds, and how much of what was expected did not come."""
    if not balances:
        return []
    if len(balances) == 1:
        return [_in_a_sentence(balances[0])]
    rows = [
        steps.stretch(one.month, "month").as_row()
        | {"days": one.days, "contracts": round(one.contracts)}
        | {"missing": _short(one.percent(one.missing)), "explained": _short(one.percent(one.explained))}
        for one in balances
    ]
    return [_contracts(rows), _not_received(rows)]


def _in_a_sentence(one: Balance) -> str:
    return (
        f"{counted(one.days, 'judged day')}, {count(one.contracts)} contracts a day: of "
        f"{count(one.expected)} stamps that were expected {count(one.received)} were received, "
        f"{count(one.explained)} explained by the source, and {count(one.missing)} are missing."
    )


def _contracts(rows: list[dict[str, object]]) -> Figure:
    chart = (
        drawing.bars(drawing.rows(rows))
        .encode(
            y=drawing.amounts("contracts:Q", "contracts"),
            color=alt.value("@blue"),
            tooltip=[
                drawing.told("name", "month"),
                drawing.told("days", "judged days", ",d"),
                drawing.told("contracts", "contracts a day", ",d"),
            ],
        )
        .properties(width="container", height=drawing.LOW)
    )
    return Figure(
        "coverage-contracts", "Contracts a day", chart, "Received, on average over the month's days."
    )


def _not_received(rows: list[dict[str, object]]) -> Part:
    if not any(row["missing"] or row["explained"] for row in rows):
        return "Every stamp of every contract that was expected is there."
    kinds = {"explained by the source": "@no-data", "missing": "@failed"}
    chart = (
        drawing.bars(
            drawing.rows(rows)
            .transform_calculate(**{name: f"datum.{name.split()[0]}" for name in kinds})
            .transform_fold(list(kinds), as_=["kind", "percent"])
            .transform_filter("datum.percent > 0")
        )
        .encode(
            y=alt.Y("percent:Q", title="%", axis=alt.Axis(tickCount=4)),
            color=drawing.colours(kinds),
            tooltip=[
                drawing.told("name", "month"),
                drawing.told("missing", "missing, %", ".3~g"),
                drawing.told("explained", "explained by the source, %", ".3~g"),
            ],
        )
        .properties(width="container", height=drawing.LOW)
    )
    note = "Stamps that did not come, in percent of those expected."
    return Figure("coverage-stamps", "Not received", chart, note, legend=kinds)


def _short(value: float) -> float:
    return float(f"{value:.3g}")
