"""`spx-data list`: what became of each date."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.output import Column, Format, Row, emit, format_option
from spx_data.lake.session_states import Kind
from spx_data.text.words import count, duration, minute, points, size

if TYPE_CHECKING:
    from spx_data.market.dates import Dates
    from spx_data.settings import Quality
    from spx_data.status import Summary
    from spx_data.status.habits import Habits

_LOG_WORDS = ("queued", "processing", "success", "failed")
_WORDS = list(dict.fromkeys([*(kind.value for kind in Kind), *_LOG_WORDS]))

FIELDS = (
    *("date", "kind", "status", "due", "reason", "error", "tries"),
    *("rows", "expirations", "contracts", "contracts_missing", "complete", "bytes", "staged_bytes"),
    *("started_at", "completed_at", "sealed_at", "updated_at", "duration_seconds"),
    *("requests", "requests_failed", "runs", "memory_peak_mb", "sha256"),
    *("score", "verdict"),
)


@click.command("list", short_help="List what became of each date.")
@click.option("--failed-only", is_flag=True, help="Only dates that failed, are parked or corrupt.")
@click.option(
    "--status",
    "words",
    type=click.Choice(_WORDS),
    multiple=True,
    metavar="WORD",
    help=f"Only dates of that kind, or of that word in the status log; repeatable: {', '.join(_WORDS)}.",
)
@click.option("--from", "start", type=DATES, help="The first date; of a month or a year its first day.")
@click.option("--to", "end", type=DATES, help="The last date; of a month or a year its last day.")
@click.option("--since", type=DATES, help='Only dates that were worked on since then, like "last 30 days".')
@click.option("--limit", type=click.IntRange(min=1), help="Only so many, the newest.")
@format_option()
@click.pass_obj
def list_(
    call: Call,
    failed_only: bool,
    words: tuple[str, ...],
    start: Dates | None,
    end: Dates | None,
    since: Dates | None,
    limit: int | None,
    form: Format,
) -> None:
    r"""List what became of each date, the newest first.

    \b
    spx-data list --limit 20
    spx-data list --failed-only
    spx-data list --status parked --status corrupt --from 2024
    spx-data list --since "last 7 days" --format json
    """
    from spx_data.cli.remarks import on_a_missing_lake
    from spx_data.status import summaries
    from spx_data.status.failures import FAILING
    from spx_data.status.quality import habits

    on_a_missing_lake(call.settings.layout)
    first, last = start.first if start else dt.date.min, end.last if end else dt.date.max
    if first > last:
        raise click.BadParameter(f"{last} is before --from {first}", param_hint="'--to'")
    every = summaries(call.settings, call.moment)
    of_the_source = habits(every)
    found = [
        row(line, call.settings.quality, of_the_source)
        for line in reversed(every)
        if first <= line.date <= last
        and (not failed_only or line.state.kind in FAILING)
        and (since is None or _worked_on(line, since.first))
    ]
    chosen = [each for each in found if not words or each["kind"] in words or each["status"] in words]
    emit(chosen[:limit], _columns(), form, fields=FIELDS, empty="no such dates")


def _worked_on(line: Summary, since: dt.date) -> bool:
    from spx_data.market import sessions

    at = line.facts.updated_at
    return at is not None and sessions.today(dt.datetime.fromisoformat(at)) >= since


def row(line: Summary, rules: Quality, habits: Habits) -> Row:
    """One date as a flat object; its score is but for the *habits* of the lake's source."""
    from spx_data.status.quality import standing
    from spx_data.status.rows import STATUS

    state, facts = line.state, line.facts
    values: tuple[Any, ...] = (
        *(line.date.isoformat(), state.kind.value, STATUS[state.kind], state.due),
        *(state.reason or line.lack or None, state.error, state.tries),
        *(
            facts.rows,
            facts.chains,
            facts.contracts,
            facts.contracts_missing,
            facts.complete if state.kind is Kind.SEALED else None,
            facts.bytes,
            facts.staged_bytes,
        ),
        *(facts.started_at, facts.completed_at, facts.sealed_at, facts.updated_at),
        facts.duration_ms / 1000 if facts.duration_ms is not None else None,
        *(facts.requests, facts.requests_failed, facts.runs, facts.memory_peak_mb, facts.sha256),
        *standing(facts.quality, rules, habits),
    )
    return dict(zip(FIELDS, values, strict=True))


def _columns() -> list[Column]:
    from spx_data.cli.tables import STYLES, VERDICTS

    return [
        Column("date", "date"),
        Column("kind", "kind", style=lambda row: STYLES[Kind(row["kind"])]),
        Column("rows", "rows", _some, right=True),
        Column("expirations", "expirations", _some, right=True),
        Column("bytes", "size", lambda value: size(value) if value else "–", right=True),
        Column("score", "score", points, right=True, style=lambda row: VERDICTS.get(row["verdict"], "")),
        Column("updated_at", "last activity (UTC)", minute),
        Column("duration_seconds", "took", duration, right=True),
        Column("tries", "tries", _some, right=True),
        Column("reason", "reason", fold=True),
    ]


def _some(value: float) -> str:
    return count(value) if value else "–"
