"""`spx-data retry`: dates that failed, tried again, with what was wrong and what became of them."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATE, Call, cores_option
from spx_data.cli.output import ask, say

if TYPE_CHECKING:
    from spx_data.status import Summary


@click.command(short_help="Try dates again that failed.")
@click.argument("dates", type=DATE, nargs=-1, metavar="[DATE...]")
@click.option("--all-failed", is_flag=True, help="Every date whose last try failed.")
@click.option("--since-date", type=DATE, help="With --all-failed: trading dates from this one on.")
@click.option("--last-n", type=click.IntRange(min=1), metavar="N", help="The N dates that failed last.")
@click.option("--force", is_flag=True, help="Parked dates too: their tries are counted anew.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before parked dates are tried.")
@cores_option
@click.pass_context
def retry(
    ctx: click.Context,
    dates: tuple[dt.date, ...],
    all_failed: bool,
    since_date: dt.date | None,
    last_n: int | None,
    force: bool,
    yes: bool,
    cores: int,
) -> None:
    r"""Try dates again that failed, and say what was wrong and what became of them.

    Damaged and half-written leftovers are cleared first; expirations that are staged whole are kept. A date
    that failed `processing.max_attempts` runs is parked, and tried again with --force alone.

    \b
    Examples:
      spx-data retry 2024-06-03
      spx-data retry --all-failed --since-date 2024-06-01
      spx-data retry --last-n 5
      spx-data retry 2024-06-03 --force
    """
    from spx_data.cli.filling import fill
    from spx_data.lake.session_states import Kind

    call: Call = ctx.obj
    if sum([bool(dates), all_failed, last_n is not None]) != 1:
        raise click.UsageError("name dates, or give --all-failed, or --last-n N", ctx)
    if since_date and not all_failed:
        raise click.UsageError("--since-date goes with --all-failed", ctx)
    chosen = _named(ctx, dates) if dates else _failed(call, since_date, last_n)
    parked = [line.date for line in chosen if line.state.kind is Kind.PARKED]
    if parked and not force:
        say(f"spx-data: {_are_parked(parked)}. --force tries them anew", err=True)
        chosen = [line for line in chosen if line.state.kind is not Kind.PARKED]
    elif parked and not yes:
        _confirm(ctx, parked)
    if not chosen:
        if not parked:
            say("nothing to retry: no date has failed")
        ctx.exit(int(bool(parked)))
    _prepare(call, chosen)
    code = fill(call, [line.date for line in chosen], cores, call.settings.batch_size)
    _print_outcome(call, chosen)
    ctx.exit(code or int(bool(parked) and not force))


def _named(ctx: click.Context, dates: Sequence[dt.date]) -> list[Summary]:
    """The summaries of *dates*, each of which can be tried again; a wrong call where one cannot."""
    from spx_data import status
    from spx_data.lake.session_states import Kind

    call: Call = ctx.obj
    known = {line.date: line for line in status.summaries(call.settings, call.moment)}
    refusals = {
        Kind.SEALED: "is sealed: there is nothing to retry",
        Kind.ACCEPTED: "was accepted as it is: spx-data accept {date} --undo opens it again",
    }
    for date in dates:
        if date not in known:
            raise click.UsageError(f"{date} is no session of this lake (spx-data gaps lists them)", ctx)
        state = known[date].state
        if state.kind is Kind.PENDING and not state.due:
            raise click.UsageError(f"{date} {state.reason}", ctx)
        if refusal := refusals.get(state.kind):
            raise click.UsageError(f"{date} {refusal.format(date=date)}", ctx)
    return [known[date] for date in dict.fromkeys(dates)]


def _failed(call: Call, since: dt.date | None, last: int | None) -> list[Summary]:
    """The dates whose last try failed: those *since* a trading date, or the *last* so many to fail."""
    from spx_data import status
    from spx_data.lake.session_states import Kind

    kinds = {Kind.FAILED, Kind.PARKED, Kind.CORRUPT}
    found = [line for line in status.summaries(call.settings, call.moment) if line.state.kind in kinds]
    if since:
        found = [line for line in found if line.date >= since]
    found.sort(key=lambda line: (line.facts.updated_at or "", line.date), reverse=True)
    return found[:last]


def _are_parked(dates: Sequence[dt.date]) -> str:
    named = ", ".join(date.isoformat() for date in dates[:5]) + (" …" if len(dates) > 5 else "")
    return f"{named} {'is' if len(dates) == 1 else 'are'} parked after too many failing runs"


def _confirm(ctx: click.Context, parked: Sequence[dt.date]) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"{_are_parked(parked)}: --force without a terminal needs --yes", ctx)
    ask(f"{_are_parked(parked)}. Try anew?")


def _prepare(call: Call, chosen: Sequence[Summary]) -> None:
    """Clear what is damaged, and let the ledger take up what it would leave alone."""
    from spx_data.lake.acceptance import reopen
    from spx_data.lake.session_states import Kind
    from spx_data.ops import cleanup

    cleared = cleanup.clear(call.settings, [line.date for line in chosen])
    if cleared:
        say(f"cleared {len(cleared):,} damaged or half-written leftovers", err=True)
    for line in chosen:
        if line.state.kind in {Kind.PARKED, Kind.NO_DATA}:
            reopen(call.settings, line.date, "spx-data retry")


def _print_outcome(call: Call, chosen: Sequence[Summary]) -> None:
    """Each date with the reason it was tried for, and what became of it."""
    from spx_data.cli.output import Column, print_table
    from spx_data.cli.tables import STYLES
    from spx_data.lake import session_states
    from spx_data.market import sessions

    now = session_states.states_of(call.settings, [line.date for line in chosen], sessions.now())
    rows = [
        {
            "date": line.date.isoformat(),
            "was": line.state.words,
            "now": now[line.date].words,
            "style": STYLES[now[line.date].kind],
        }
        for line in chosen
    ]
    print_table(
        rows,
        [
            Column("date", "date"),
            Column("was", "was", fold=True),
            Column("now", "now", fold=True, style=lambda row: row["style"]),
        ],
    )
