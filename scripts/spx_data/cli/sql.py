"""`spx-data sql` and `spx-data views`: SQL over sealed days, and what it can ask for."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.lists import List, View
from spx_data.cli.selecting import missing_option, ranges, warnings_told
from spx_data.cli.table import Column
from spx_data.market import columns
from spx_data.market.dates import Dates

if TYPE_CHECKING:
    from spx_data.lake.reader import Missing

_MOST = 40

VIEWS = List((Column("view", "view"), Column("column", "column"), Column("meaning", "meaning", wraps=True)))
_ANSWER = List((), most=_MOST, first="the first")  # for its options: each query has columns of its own


@click.command(short_help="Ask sealed days in SQL.")
@click.argument("query")
@click.option("--dates", type=DATES, help="Trading dates; default: every sealed day.")
@missing_option
@click.option("--no-verify", is_flag=True, help="Do not hash each day before: sidecars and footers only.")
@click.option(
    "--null-sentinels", is_flag=True, help="Greeks that are none, and an underlying of 0, are null."
)
@_ANSWER.options(limit="At most N rows.")
@click.pass_obj
def sql(
    call: Call,
    query: str,
    dates: Dates | None,
    missing: Missing,
    no_verify: bool,
    null_sentinels: bool,
    view: View,
) -> None:
    r"""Ask sealed days in SQL, as DuckDB speaks it: one statement, which only reads.

    The views quotes, chains, contracts and days hold the days of --dates and nothing else; spx-data views
    lists their columns. Times are New York's. Each day's bytes are checked first, which of 100 days takes a
    while: --dates "last 5 days" is soon there.

    \b
    spx-data sql "SELECT date, count(*) FROM quotes GROUP BY date ORDER BY date" --dates 2024-01
    spx-data sql "SELECT date, iv_atm FROM chains WHERE root = 'SPXW' AND dte = 7" --format csv
    spx-data sql "SELECT date, score FROM days WHERE score < 95 ORDER BY score" --no-verify
    """
    from spx_data.lake import sql as lake

    layout = call.settings.layout
    with warnings_told():
        connection = lake.connect(
            ranges(dates),
            lake=layout.output,
            data=layout.data,
            verify=not no_verify,
            missing=missing,
            null_sentinels=null_sentinels,
        )
    with connection:
        found = lake.rows(connection, query)
    rows = [dict(zip(found.columns, map(_plain, row), strict=True)) for row in found.rows]
    numbers = {name for name in found.columns if any(_is_number(row[name]) for row in rows)}
    shown = tuple(Column(name, name, right=name in numbers) for name in found.columns)
    view.show(List(shown, empty="no rows", most=_MOST, first="the first"), rows)


def _plain(value: Any) -> Any:
    """A value of DuckDB's as JSON has it."""
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@click.command(short_help="List the views of spx-data sql and their columns.")
@VIEWS.options()
@click.pass_obj
def views(call: Call, view: View) -> None:
    r"""List the views that spx-data sql and spx_data.connect have, with what their columns say.

    \b
    spx-data views
    spx-data views --format csv
    """
    from spx_data.lake import sql as lake

    kind = columns.KINDS[call.settings.records]
    view.show(VIEWS, [told._asdict() for told in lake.views(column.name for column in kind.columns)])
