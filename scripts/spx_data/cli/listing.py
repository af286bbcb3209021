"""`spx-data list`, `errors` and `inventory`: what became of each date, what went wrong, every sealed file."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import DATES, Call, ends
from spx_data.cli.lists import List, View, tell_of_a_missing_lake, tell_of_strangers
from spx_data.cli.output import Choice
from spx_data.cli.table import STATES, VERDICTS, Column, Row
from spx_data.market.dates import Dates
from spx_data.text.words import count, counted, duration, minute, points, size

if TYPE_CHECKING:
    from spx_data.settings import Quality
    from spx_data.status import Summary, Trouble
    from spx_data.status.failures import Aspect
    from spx_data.status.history import Item
    from spx_data.status.quality import Habits


def _some(value: float) -> str:
    return count(value) if value else "–"


# list -------------------------------------------------------------------------------------------------------

_LOG_WORDS = ("queued", "processing", "success", "failed")
_WORDS = list(dict.fromkeys([*STATES, *_LOG_WORDS]))
SESSIONS = List(
    (
        Column("date", "date"),
        Column("kind", "kind", style=lambda row: STATES[row["kind"]]),
        Column("rows", "rows", _some, right=True),
        Column("expirations", "expirations", _some, rank=4, right=True),
        Column("bytes", "size", lambda value: size(value) if value else "–", rank=1, right=True),
        Column(
            "score", "score", points, rank=2, right=True, style=lambda row: VERDICTS.get(row["verdict"], "")
        ),
        Column("updated_at", "last activity (UTC)", minute, rank=3),
        Column("duration_seconds", "took", duration, rank=5, right=True),
        Column("tries", "tries", _some, rank=6, right=True),
        Column("reason", "reason", wraps=True),
    ),
    fields=(
        *("date", "kind", "status", "due", "reason", "error", "tries"),
        *("rows", "expirations", "contracts", "contracts_missing", "complete", "bytes", "staged_bytes"),
        *("started_at", "completed_at", "sealed_at", "updated_at", "duration_seconds"),
        *("requests", "requests_failed", "runs", "memory_peak_mb", "sha256"),
        *("score", "verdict"),
    ),
    empty="no such dates",
    most=40,
    order="-date",
)


@click.command("list", short_help="List every date with its state.")
@click.option("--failed-only", is_flag=True, help="Only dates that failed, are parked or corrupt.")
@click.option(
    "--status",
    "words",
    type=Choice(_WORDS),
    multiple=True,
    metavar="WORD",
    help=f"Only dates in this state; repeatable: {', '.join(_WORDS)}.",
)
@click.option("--from", "start", type=DATES, help="The first date; of a month or a year its first day.")
@click.option("--to", "end", type=DATES, help="The last date; of a month or a year its last day.")
@click.option("--since", type=DATES, help='Only dates worked on since then, like "last 30 days".')
@SESSIONS.options(limit="At most N, the newest.")
@click.pass_obj
def list_(
    call: Call,
    failed_only: bool,
    words: tuple[str, ...],
    start: Dates | None,
    end: Dates | None,
    since: Dates | None,
    view: View,
) -> None:
    r"""List what became of each date, the newest first.

    \b
    spx-data list --limit 20
    spx-data list --failed-only
    spx-data list --status parked --status corrupt --from 2024
    spx-data list --since "last 7 days" --format json
    """
    from spx_data.status import summaries
    from spx_data.status.failures import FAILING
    from spx_data.status.quality import habits

    first, last = ends(start, end, "--from", "--to")
    tell_of_a_missing_lake(call.settings.layout)
    every = summaries(call.settings, call.moment)
    of_the_source = habits(every)
    found = [
        session(line, call.settings.quality, of_the_source)
        for line in reversed(every)
        if (first or line.date) <= line.date <= (last or line.date)
        and (not failed_only or line.state.kind in FAILING)
        and (since is None or _worked_on(line, since.first))
    ]
    view.show(SESSIONS, [row for row in found if not words or row["kind"] in words or row["status"] in words])


def _worked_on(line: Summary, since: dt.date) -> bool:
    from spx_data.market import sessions

    at = line.facts.updated_at
    return at is not None and sessions.today(dt.datetime.fromisoformat(at)) >= since


def session(line: Summary, rules: Quality, habits: Habits) -> Row:
    """One date as a flat object; its score is but for the *habits* of the lake's source."""
    from spx_data.lake.session_states import Kind
    from spx_data.status.quality import standing
    from spx_data.status.tables import STATUS

    state, facts = line.state, line.facts
    values: tuple[Any, ...] = (
        *(line.date.isoformat(), state.kind.value, STATUS[state.kind], state.due),
        *(state.reason or line.lack or None, state.error, state.tries),
        *(facts.rows, facts.chains, facts.contracts, facts.contracts_missing),
        facts.complete if state.kind is Kind.SEALED else None,
        *(facts.bytes, facts.staged_bytes),
        *(facts.started_at, facts.completed_at, facts.sealed_at, facts.updated_at),
        facts.duration_ms / 1000 if facts.duration_ms is not None else None,
        *(facts.requests, facts.requests_failed, facts.runs, facts.memory_peak_mb, facts.sha256),
        *standing(facts.quality, rules, habits),
    )
    return dict(zip(SESSIONS.fields, values, strict=True))


# errors -----------------------------------------------------------------------------------------------------

_ASPECTS = ("type", "cause", "hour", "expiration", "date", "stage")
_HEADINGS = {"type": "error", "hour": "hour (New York)"}


def _mark(row: Row) -> str:
    return "" if row["resolved"] else "bold red"


ERRORS = List(
    (
        Column("at", "at (UTC)", minute),
        Column("date", "date"),
        Column("stage", "stage", rank=3),
        Column("event", "event", rank=5),
        Column("resolved", "resolved", lambda value: "yes" if value else "no", rank=1, style=_mark),
        Column("root", "root", rank=4),
        Column("expiration", "expiration", rank=4),
        Column("attempt", "attempt", lambda value: f"{value:g}" if value else "–", rank=6, right=True),
        Column("error", "error", rank=2, style=_mark),
        Column("cause", "cause", wraps=True),
    ),
    fields=(
        *("date", "at", "error", "cause", "event", "stage", "run", "root", "expiration", "attempt"),
        *("resolved", "resolved_at", "cure"),
    ),
    empty="no errors",
    order="-at",
)


def _left(row: Row) -> str:
    return "bold red" if row["unresolved"] else ""


def _with_cure(row: Row) -> str:
    return "\n→ ".join(filter(None, [row["cause"], row["cure"]]))


ALIKE = List(
    (
        Column("last_at", "last (UTC)", minute, rank=1),
        Column("dates", "dates", _some, right=True),
        Column("unresolved", "unresolved", _some, right=True, style=_left),
        Column("count", "errors", count, rank=2, right=True),
        Column("error", "error", rank=3, style=_left),
        Column("cause", "cause", wraps=True, of=_with_cure),
    ),
    empty=ERRORS.empty,
    order="-last_at",
)


@click.command(short_help="List errors, or what they have in common.")
@click.argument("dates", type=DATES, required=False)
@click.option("--since", type=DATES, help='Only what happened since then, like yesterday or "last 7 days".')
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only this error; repeatable.")
@click.option("--by", type=Choice(_ASPECTS), help="Count errors by what they have in common.")
@click.option("--each", is_flag=True, help="Each error, also in a table: as JSON and CSV have them.")
@ERRORS.options(limit="At most N: the newest, or the largest groups.")
@click.pass_obj
def errors(
    call: Call,
    dates: Dates | None,
    since: Dates | None,
    types: tuple[str, ...],
    by: Aspect | None,
    each: bool,
    view: View,
) -> None:
    r"""List the errors of trading dates and of runs, the newest first, or show what they have in common.

    DATES are trading dates: a day, a month, a year, a range, or several with commas. An error counts as
    resolved when its date was sealed after it. In a table those that are alike are one row, with the number
    of dates that had them and of those that were not sealed since.

    \b
    spx-data errors
    spx-data errors --each
    spx-data errors 2024-03 --type ApiConnectionError
    spx-data errors --since "last 7 days" --by hour
    spx-data errors --by cause
    spx-data errors --by type --format json
    """
    from spx_data.status import failures, summaries

    lines = summaries(call.settings, call.moment)
    found = failures.troubles(
        (line for line in lines if dates is None or line.date in dates),
        since.first if since else None,
        types,
        failures.of_runs(call.settings.layout) if dates is None else (),
    )
    if by:
        view.show(_patterns(by), map(asdict, failures.patterns(found, by)))
    elif view.is_table and not each:
        alike = failures.alike_ones(found)
        each_of = f"`spx-data errors --each` lists each of {counted(len(found), 'error')}"
        view.show(ALIKE, map(asdict, alike), below=[each_of] if len(found) > len(alike) else [])
    else:
        view.show(ERRORS, map(_error, found))


def _error(line: Trouble) -> Row:
    told = {"date": line.date or None, "resolved": line.resolved_at is not None}
    return {name: told[name] if name in told else getattr(line, name) for name in ERRORS.fields}


def _patterns(by: Aspect) -> List:
    from spx_data.status.failures import Pattern

    columns = (
        Column("group", _HEADINGS.get(by, by), wraps=by == "cause"),
        Column("count", "errors", count, right=True),
        Column("share_percent", "share", lambda share: f"{share:.1f} %", rank=3, right=True),
        Column("dates", "dates", count, rank=2, right=True),
        Column("resolved", "resolved", count, rank=1, right=True),
        Column("first_at", "first (UTC)", minute, rank=5),
        Column("last_at", "last (UTC)", minute, rank=4),
        Column("example", "last cause", rank=3, wraps=True),
    )
    return List(columns, [field.name for field in fields(Pattern)], ERRORS.empty)


# inventory --------------------------------------------------------------------------------------------------

_CHECKSUM_DIGITS = 12
FILES = List(
    (
        Column("date", "date"),
        Column("kind", "kind"),
        Column("size", "size", size, right=True),
        Column("rows", "rows", count, rank=1, right=True),
        Column("checksum", "sha256", lambda digits: f"{digits[:_CHECKSUM_DIGITS]}…", rank=3),
        Column("created", "sealed (UTC)", minute, rank=2),
        Column("path", "path", rank=4),
    ),
    fields=("path", "date", "kind", "size", "checksum", "rows", "created"),
    empty="no sealed files",
)


@click.command(short_help="List every sealed file with its checksum.")
@click.argument("dates", type=DATES, required=False)
@FILES.options()
@click.pass_obj
def inventory(call: Call, dates: Dates | None, view: View) -> None:
    r"""List every sealed file: Parquet, passport and sidecar of each date, the oldest first.

    The checksum (SHA-256) and the rows of a Parquet are what its passport vouches for; spx-data verify
    compares them with its bytes. What else lies in the output directory is told on stderr. DATES are trading
    dates: a day, a month, a year, a range, or several with commas.

    \b
    spx-data inventory 2024-03
    spx-data inventory --format csv > inventory.csv
    """
    from spx_data.lake.session_states import Kind
    from spx_data.status import summaries
    from spx_data.status.history import items
    from spx_data.store import tree

    walked = tree.walk(call.settings.layout)
    found = [
        item
        for line in summaries(call.settings, call.moment, walked)
        if line.state.kind is Kind.SEALED and line.facts.sha256 and (dates is None or line.date in dates)
        for item in items(
            call.settings.layout, line.date, line.facts.sha256, line.facts.rows, line.facts.sealed_at
        )
    ]
    rows, bytes_ = sum(item.rows or 0 for item in found), sum(item.size for item in found)
    days = counted(len({item.date for item in found}), "date")
    total = f"{len(found):,} files of {days}, {size(bytes_)}, {rows:,} rows"
    view.show(FILES, map(_file, found), below=[total])
    tell_of_a_missing_lake(call.settings.layout)
    tell_of_strangers(walked)


def _file(item: Item) -> Row:
    return asdict(item) | {"date": item.date.isoformat()}
