"""Months and weeks on the terminal: medians, changes and trends of whatever is followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spx_data.cli.output import Column, Format, Row, console, emit
from spx_data.text.words import count

if TYPE_CHECKING:
    from spx_data.status.trends import Period, Step, Trend


@dataclass(frozen=True)
class Heading:
    """How a person reads the measure of that name."""

    name: str
    words: str
    show: Callable[[Any], str]
    change: bool = True  # beside its change against the period before
    shown: bool = True  # in the table of periods, too


def emit_periods(
    found: Sequence[Period], headings: Sequence[Heading], step: Step, form: Format, *, empty: str
) -> None:
    """Print one row for each period: its medians, and their changes in percent."""
    names = ["period", "dates", "rows"]
    names += [name for each in headings for name in (each.name, f"{each.name}_change_percent")]
    columns = [
        Column("period", step),
        Column("dates", "dates", count, right=True),
        Column("rows", "rows", count, right=True),
    ]
    for each in headings:
        if each.shown:
            columns.append(Column(each.name, each.words, each.show, right=True))
        if each.shown and each.change:
            columns.append(Column(f"{each.name}_change_percent", "change", _change, right=True))
    emit([_row(period) for period in found], columns, form, fields=names, empty=empty)


def _row(period: Period) -> Row:
    row: dict[str, Any] = {"period": period.name, "dates": period.dates, "rows": period.rows}
    for name, median in period.medians.items():
        row |= {name: median, f"{name}_change_percent": period.changes[name]}
    return row


def emit_trends(found: Sequence[Trend], headings: Sequence[Heading], form: Format) -> None:
    """Print one row for each measure: where it is going; in a table below that of the periods."""
    rows = [
        {
            "metric": line.measure.name,
            "unit": line.measure.unit,
            "periods": line.periods,
            "first": line.first,
            "last": line.last,
            "slope": line.slope,
            "slope_percent": line.slope_percent,
            "verdict": line.verdict,
        }
        for line in found
    ]
    if form == "table":
        console().print()
    words = {each.name: each.words for each in headings}
    columns = [
        Column("metric", "metric", lambda name: words[name]),
        Column("periods", "periods", count, right=True),
        Column("first", "first", lambda value: f"{value:,.6g}", right=True),
        Column("last", "last", lambda value: f"{value:,.6g}", right=True),
        Column("slope_percent", "a period", _change, right=True),
        Column("verdict", "verdict", fold=True),
    ]
    emit(rows, columns, form)


def _change(percent: float) -> str:
    return f"{percent:+.1f} %"
