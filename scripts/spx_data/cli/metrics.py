"""`spx-data metrics`, and months and weeks of whatever is followed: medians, changes and trends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.lists import List, View, tell_of_a_missing_lake
from spx_data.cli.output import Choice
from spx_data.cli.table import Column, Row
from spx_data.market.dates import Dates
from spx_data.text.words import count, duration, minute, size

if TYPE_CHECKING:
    from spx_data.status.trends import Measure, Period, Step, Trend


@dataclass(frozen=True)
class Heading:
    """How a person reads the measure of that name."""

    name: str
    words: str
    show: Callable[[Any], str]
    change: bool = True  # beside its change against the period before
    shown: bool = True  # in the table of periods, too


_HEADINGS = (
    Heading("duration_seconds", "took", duration),
    Heading("records_per_minute", "rows/min", count),
    Heading("mb_per_minute", "MB/min", "{:,.1f}".format),
    Heading("bytes_per_record", "bytes/row", "{:,.1f}".format),
    Heading("requests_failed_percent", "requests failed", "{:.1f} %".format),
    Heading("memory_peak_mb", "MB of memory", count),
)


def _columns() -> tuple[Column, ...]:
    took, rate, mb, per_row, failed, memory = (
        Column(each.name, each.words, each.show, rank=rank, right=True)
        for each, rank in zip(_HEADINGS, (0, 1, 6, 5, 4, 3), strict=True)
    )
    return (
        Column("date", "date"),
        Column("sealed_at", "sealed (UTC)", minute, rank=7),
        Column("rows", "rows", count, right=True),
        Column("bytes", "size", size, rank=2, right=True),
        *(took, rate, mb, per_row),
        Column("requests", "requests", count, rank=4, right=True),
        *(failed, memory),
    )


FILLS = List(_columns(), empty="no sealed dates", order="-date")


@click.command(short_help="Show how fast dates were filled, and the trend.")
@click.argument("dates", type=DATES, required=False)
@click.option("--by", "step", type=Choice(["month", "week"]), help="Medians of each month or week.")
@click.option("--trend", is_flag=True, help="The trend of each figure, by month (or --by week).")
@FILLS.options(limit="At most N dates or periods, the newest.")
@click.pass_obj
def metrics(call: Call, dates: Dates | None, step: Step | None, trend: bool, view: View) -> None:
    r"""Show how fast sealed dates were filled, what that took, and where it is going.

    DATES are trading dates: a day, a month, a year, a range, or several with commas. Months and weeks are
    those in which dates were sealed. A verdict on a trend is given only where at least six periods point
    one way more clearly than chance would.

    \b
    spx-data metrics --limit 20
    spx-data metrics 2024 --by month
    spx-data metrics --trend --by week
    spx-data metrics --trend --format json
    """
    from spx_data.status import summaries, trends

    tell_of_a_missing_lake(call.settings.layout)
    lines = summaries(call.settings, call.moment)
    found = trends.performances(line for line in lines if dates is None or line.date in dates)
    if step or trend:
        periods = trends.periods(found, trends.FILLING, step or "month")
        measures = trends.FILLING if trend else None
        show_over_time(periods, measures, _HEADINGS, step or "month", view, FILLS.empty)
    else:
        names = [field.name for field in fields(trends.Performance)]
        rows = [asdict(line) | {"date": line.date.isoformat()} for line in found]
        view.show(replace(FILLS, fields=names), rows)


# Months and weeks -------------------------------------------------------------------------------------------


def show_over_time(
    periods: Sequence[Period],
    measures: Sequence[Measure] | None,
    headings: Sequence[Heading],
    step: Step,
    view: View,
    empty: str,
) -> None:
    """Print the newest *periods*, and below them (a program: instead of them) where *measures* are going."""
    from spx_data.status.trends import trends

    shown = periods[-view.limit if view.limit else 0 :]
    if measures is None or view.is_table:
        view.show(_periods(headings, step, empty), map(_period, shown))
    if measures and (shown or not view.is_table):
        if view.is_table:
            view.tell("")
        # All of them: a limit is one of periods.
        replace(view, limit=None).show(_trends(headings), map(_trend, trends(shown, measures)))


def _periods(headings: Sequence[Heading], step: Step, empty: str) -> List:
    names = ["period", "dates", "rows"]
    names += [name for each in headings for name in (each.name, f"{each.name}_change_percent")]
    columns = [
        Column("period", step),
        Column("dates", "dates", count, rank=1, right=True),
        Column("rows", "rows", count, right=True),
    ]
    for rank, each in enumerate(headings, start=2):
        if each.shown:
            columns.append(Column(each.name, each.words, each.show, rank=rank, right=True))
        if each.shown and each.change:
            # With its figure, or not at all.
            columns.append(
                Column(
                    f"{each.name}_change_percent", "change", _change, rank=len(headings) + rank, right=True
                )
            )
    return List(columns, names, empty)


def _period(period: Period) -> Row:
    row: dict[str, Any] = {"period": period.name, "dates": period.dates, "rows": period.rows}
    for name, median in period.medians.items():
        row |= {name: median, f"{name}_change_percent": period.changes[name]}
    return row


def _trends(headings: Sequence[Heading]) -> List:
    words = {each.name: each.words for each in headings}
    return List(
        (
            Column("metric", "metric", words.__getitem__),
            Column("periods", "periods", count, rank=1, right=True),
            Column("first", "first", "{:,.6g}".format, rank=2, right=True),
            Column("last", "last", "{:,.6g}".format, rank=2, right=True),
            Column("slope_percent", "a period", _change, right=True),
            Column("verdict", "verdict", wraps=True),
        )
    )


def _trend(line: Trend) -> Row:
    return {
        "metric": line.measure.name,
        "unit": line.measure.unit,
        "periods": line.periods,
        "first": line.first,
        "last": line.last,
        "slope": line.slope,
        "slope_percent": line.slope_percent,
        "verdict": line.verdict,
    }


def _change(percent: float) -> str:
    return f"{percent:+.1f} %"
