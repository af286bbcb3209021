"""`spx-data ready`, `sql` and `views`: sealed days as `spx_data.scan` finds them.

What `export` and `snapshot` share with them stands first: which days, and what is told of them.
"""

from __future__ import annotations

import datetime as dt
import decimal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.lists import List, View
from spx_data.cli.output import (
    Choice,
    F,
    Format,
    console,
    format_option,
    print_document,
    print_words,
    say,
)
from spx_data.cli.table import Column
from spx_data.market import columns
from spx_data.market.dates import Dates
from spx_data.text.words import counted, minute

if TYPE_CHECKING:
    from spx_data.lake.reader import Missing
    from spx_data.ops.ready import Readiness
    from spx_data.settings import Settings


def missing_option(command: F) -> F:
    """The option `--missing`."""
    return click.option(
        "--missing",
        type=Choice(["raise", "warn", "ignore"]),
        default="raise",
        show_default=True,
        help="What to do about sessions in this range that are not sealed.",
    )(command)


def ranges(dates: Dates | None) -> list[str] | None:
    """*dates* as the reader takes them."""
    return dates.words if dates else None


@contextmanager
def warnings_told() -> Iterator[None]:
    """Say on stderr what the reader warns of."""
    from spx_data.lake.reader import DaysWarning

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", DaysWarning)
        yield
    for warning in told:
        if issubclass(warning.category, DaysWarning):
            say(f"spx-data: {warning.message}", err=True)


# ready ------------------------------------------------------------------------------------------------------


@click.command(short_help="Say whether days are sealed, complete and good enough.")
@click.option("--dates", type=DATES, default="last 20 sessions", show_default=True, help="Trading dates.")
@click.option("--min-score", type=click.FloatRange(0, 100), help="The least score of each day.")
@click.option("--incomplete", is_flag=True, help="Take days of which something is unknown, too.")
@format_option("table", "json")
@click.pass_context
def ready(ctx: click.Context, dates: Dates, min_score: float | None, incomplete: bool, form: Format) -> None:
    r"""Say whether the sessions of --dates are ready: all sealed, and each complete and with its score.

    "last 20 sessions" are the newest that the exchange has closed, sealed or not. How fresh the days are,
    since when they are verified, and which of them the source has restated since, is told. The exit code is 0
    when they are ready, and 1 when not.

    \b
    spx-data ready --min-score 95 && python backtest.py
    spx-data ready --dates 2024 --format json
    """
    from spx_data.ops.ready import ready as look

    call: Call = ctx.obj
    there = call.settings.layout
    found = look(
        ranges(dates), lake=there.output, data=there.data, min_score=min_score, complete=not incomplete
    )
    if form == "json":
        print_document(found.as_json())
    else:
        out = console()
        for line, style in _lines(found, call.settings):
            print_words(line, out, style)
    ctx.exit(int(not found))


def _lines(found: Readiness, settings: Settings) -> Iterator[tuple[str, str]]:
    of = f"{found.sealed:,} of {counted(found.sessions, 'session')} sealed"
    yield (f"ready: {of}", "green") if found else (f"not ready: {of}", "bold red")
    yield from ((why, "red") for why in found.why_not)
    if any(map(settings.covers, found.missing)):
        yield "`spx-data process-gaps` fills what is missing", ""
    if outside := [date for date in found.missing if not settings.covers(date)]:
        call = f"`spx-data process-range {outside[0]} {outside[-1]}`"
        yield (
            f"{counted(len(outside), 'day')} outside of the config's dates: {call} fills them all the same",
            "",
        )
    if found.incomplete:
        yield "`spx-data mend` asks again for what incomplete days lack", ""
    yield (
        f"fresh as of {found.fresh_as_of or 'no session'}; the newest that is over: {found.newest_session}",
        "",
    )
    if found.verified_at:
        at = minute(found.verified_at.isoformat())
        yield f"each verified since it was sealed, the longest ago at {at} UTC", ""
    elif found.sealed:
        yield f"{counted(len(found.unverified), 'day')} not verified yet since sealed: `spx-data verify`", ""
    if found.restated:
        yield f"restated by the source since: {', '.join(map(str, found.restated))}", "yellow"


# sql --------------------------------------------------------------------------------------------------------


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
    spx-data sql "SELECT date, count(*) FROM quotes GROUP BY date" --dates 2024-01
    spx-data sql "SELECT date, iv_atm FROM chains WHERE dte = 7" --format csv
    spx-data sql "SELECT date, score FROM days WHERE score < 95" --no-verify
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
