"""`spx-data errors`: what went wrong, when, and what the cases have in common."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.output import Column, Format, Row, emit, format_option
from spx_data.text.words import count, minute

if TYPE_CHECKING:
    from spx_data.market.dates import Dates
    from spx_data.status import Trouble
    from spx_data.status.patterns import Aspect

_ASPECTS = ("type", "cause", "hour", "expiration", "date", "stage")
_HEADINGS = {"type": "error", "hour": "hour (New York)"}

FIELDS = (
    *("date", "at", "error", "cause", "event", "stage", "run", "root", "expiration", "attempt"),
    *("resolved", "resolved_at"),
)


@click.command(short_help="List errors, or what they have in common.")
@click.argument("dates", type=DATES, required=False)
@click.option("--since", type=DATES, help='Only what happened since then, like yesterday or "last 7 days".')
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only this error. May be repeated.")
@click.option("--by", type=click.Choice(_ASPECTS), help="What the errors have in common, instead of each.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many: the newest, or the largest groups.")
@format_option()
@click.pass_obj
def errors(
    call: Call,
    dates: Dates | None,
    since: Dates | None,
    types: tuple[str, ...],
    by: Aspect | None,
    limit: int | None,
    form: Format,
) -> None:
    r"""List the errors of trading dates and of runs, the newest first, or show what they have in common.

    DATES are trading dates: a day, a month, a year, a range, or several with commas. An error counts as
    resolved when its date was sealed after it.

    \b
    spx-data errors
    spx-data errors 2024-03 --type ApiConnectionError
    spx-data errors --since "last 7 days" --by hour
    spx-data errors --by cause
    spx-data errors --by type --format json
    """
    from spx_data.status import patterns, summaries

    lines = summaries(call.settings, call.moment)
    found = patterns.troubles(
        (line for line in lines if dates is None or line.date in dates),
        since.first if since else None,
        types,
        patterns.of_runs(call.settings.layout) if dates is None else (),
    )
    if by:
        groups = [asdict(line) for line in patterns.patterns(found, by)]
        names = [field.name for field in fields(patterns.Pattern)]
        emit(groups[:limit], _pattern_columns(by), form, fields=names, empty="no such errors")
    else:
        emit([row(line) for line in found[:limit]], _columns(), form, fields=FIELDS, empty="no such errors")


def row(line: Trouble) -> Row:
    """One error as a flat object."""
    told = {"date": line.date or None, "resolved": line.resolved_at is not None}
    return {name: told[name] if name in told else getattr(line, name) for name in FIELDS}


def _columns() -> list[Column]:
    return [
        Column("at", "at (UTC)", lambda at: minute(at)),
        Column("date", "date"),
        Column("stage", "stage"),
        Column("event", "event"),
        Column("resolved", "resolved", lambda value: "yes" if value else "no", style=_mark),
        Column("root", "root"),
        Column("expiration", "expiration"),
        Column("attempt", "attempt", lambda value: f"{value:g}" if value else "–", right=True),
        Column("error", "error", style=_mark),
        Column("cause", "cause", fold=True),
    ]


def _mark(row: Row) -> str:
    return "" if row["resolved"] else "bold red"


def _pattern_columns(by: Aspect) -> list[Column]:
    return [
        Column("group", _HEADINGS.get(by, by)),
        Column("count", "errors", count, right=True),
        Column("share_percent", "share", lambda share: f"{share:.1f} %", right=True),
        Column("dates", "dates", count, right=True),
        Column("resolved", "resolved", count, right=True),
        Column("first_at", "first (UTC)", minute),
        Column("last_at", "last (UTC)", minute),
        Column("example", "last cause", fold=True),
    ]
