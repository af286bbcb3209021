"""`spx-data metrics`: how fast dates were filled, what that took, and where it is going."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.output import Column, Format, emit, format_option
from spx_data.cli.periods import Heading, emit_periods, emit_trends
from spx_data.text.words import count, duration, minute, size

if TYPE_CHECKING:
    from spx_data.market.dates import Dates
    from spx_data.status.trends import Step

_EMPTY = "no sealed dates"
_HEADINGS = {
    "duration_seconds": "took",
    "records_per_minute": "rows/min",
    "mb_per_minute": "MB/min",
    "bytes_per_record": "bytes/row",
    "requests_failed_percent": "requests failed",
    "memory_peak_mb": "MB of memory",
}


@click.command(short_help="Show how fast dates were filled, and the trend.")
@click.argument("dates", type=DATES, required=False)
@click.option("--by", "step", type=click.Choice(["month", "week"]), help="Medians of each month or week.")
@click.option("--trend", is_flag=True, help="Where each figure is going, by month unless --by says week.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many dates or periods, the newest.")
@format_option()
@click.pass_obj
def metrics(
    call: Call, dates: Dates | None, step: Step | None, trend: bool, limit: int | None, form: Format
) -> None:
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
    from spx_data.cli.remarks import on_a_missing_lake
    from spx_data.status import performance, summaries

    on_a_missing_lake(call.settings.layout)
    lines = summaries(call.settings, call.moment)
    found = performance.performances(line for line in lines if dates is None or line.date in dates)
    if not (step or trend):
        names = [field.name for field in fields(performance.Performance)]
        rows = [{**asdict(line), "date": line.date.isoformat()} for line in found[:limit]]
        emit(rows, _columns(), form, fields=names, empty=_EMPTY)
        return
    periods = performance.periods(found, step or "month")[-limit if limit else 0 :]
    headings = [
        Heading(measure.name, _HEADINGS[measure.name], _shown(measure.name))
        for measure in performance.MEASURES
    ]
    if not trend or form == "table":
        emit_periods(periods, headings, step or "month", form, empty=_EMPTY)
    if trend and (form != "table" or periods):
        emit_trends(performance.trends(periods), headings, form)


def _columns() -> list[Column]:
    columns = [
        Column("date", "date"),
        Column("sealed_at", "sealed (UTC)", minute),
        Column("rows", "rows", count, right=True),
        Column("bytes", "size", size, right=True),
    ]
    for name in ("duration_seconds", "records_per_minute", "mb_per_minute", "bytes_per_record"):
        columns.append(Column(name, _HEADINGS[name], _shown(name), right=True))
    columns.append(Column("requests", "requests", count, right=True))
    for name in ("requests_failed_percent", "memory_peak_mb"):
        columns.append(Column(name, _HEADINGS[name], _shown(name), right=True))
    return columns


def _shown(name: str) -> Any:
    """How a person reads the figure of that name."""
    return {
        "duration_seconds": duration,
        "records_per_minute": count,
        "mb_per_minute": lambda value: f"{value:,.1f}",
        "bytes_per_record": lambda value: f"{value:,.1f}",
        "requests_failed_percent": lambda value: f"{value:.1f} %",
        "memory_peak_mb": count,
    }[name]
