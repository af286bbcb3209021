"""`spx-data retry`, `accept`: what a person does about dates that failed."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATE, Call, cores_option, dates_argument
from spx_data.cli.output import ask, print_table, say
from spx_data.cli.table import STATES, Column
from spx_data.errors import DateValidationError
from spx_data.market.dates import Dates

if TYPE_CHECKING:
    from spx_data.status import Summary


# retry ----------------------------------------------------------------------------------------------------


@click.command(short_help="Try dates again that failed.")
@dates_argument()
@click.option("--all-failed", is_flag=True, help="Every date whose last try failed.")
@click.option("--since-date", type=DATE, help="With --all-failed: trading dates from this one on.")
@click.option("--last-n", type=click.IntRange(min=1), metavar="N", help="The N dates that failed last.")
@click.option("--force", is_flag=True, help="Parked dates too; their tries start at 0.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before retrying parked dates.")
@cores_option
@click.pass_context
def retry(
    ctx: click.Context,
    dates: Dates | None,
    all_failed: bool,
    since_date: dt.date | None,
    last_n: int | None,
    force: bool,
    yes: bool,
    cores: int,
) -> None:
    r"""Try dates again that failed, and say what was wrong and what became of them.

    DATES are days, months, years, ranges like 2024-01-02..2024-02-01, or words like "last 5 days"; of a range
    the sessions that failed are tried.

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

    call: Call = ctx.obj
    if sum([bool(dates), all_failed, last_n is not None]) != 1:
        raise click.UsageError("name dates, or give --all-failed, or --last-n N", ctx)
    if since_date and not all_failed:
        raise click.UsageError("--since-date goes with --all-failed", ctx)
    tried: dict[str, list[Summary]] = {}

    def look() -> int:
        chosen = _named(ctx, dates) if dates else _failed(call, since_date, last_n)
        chosen, left = _without_parked(ctx, chosen, force=force, yes=yes)
        if chosen:
            _prepare(call, chosen)
            tried[call.settings.product.symbol] = chosen
        elif not left:
            say("nothing to retry: no date has failed")
        return left

    code = call.in_each(look)
    if tried:
        due = [(symbol, line.date) for symbol, chosen in tried.items() for line in chosen]
        code |= fill(call, due, cores, next(iter(call.lakes.values())).batch_size)
    for symbol, chosen in tried.items():
        with call.working_at(symbol):
            if call.lakes.several:
                say(f"{symbol}:")
            _print_outcome(call, chosen)
    ctx.exit(code)


def _without_parked(
    ctx: click.Context, chosen: list[Summary], *, force: bool, yes: bool
) -> tuple[list[Summary], int]:
    """Those of *chosen* that are to be tried, and 1 where parked ones are left out; may ask a person."""
    from spx_data.lake.session_states import Kind

    parked = [line.date for line in chosen if line.state.kind is Kind.PARKED]
    if parked and not force:
        say(f"spx-data: {_are_parked(parked)}. --force retries them", err=True)
        chosen = [line for line in chosen if line.state.kind is not Kind.PARKED]
    elif parked and not yes:
        _confirm(ctx, parked)
    return chosen, int(bool(parked) and not force)


def _named(ctx: click.Context, dates: Dates) -> list[Summary]:
    """The summaries of the days that *dates* name, and of those in ranges that failed.

    A day that cannot be tried is a wrong call.
    """
    from spx_data import status
    from spx_data.lake import naming
    from spx_data.lake.session_states import Kind
    from spx_data.status.failures import FAILING

    call: Call = ctx.obj
    known = {line.date: line for line in status.summaries(call.settings, call.moment)}
    refusals = {
        Kind.SEALED: "is sealed: there is nothing to retry",
        Kind.ACCEPTED: "was accepted as it is: `spx-data accept {date} --undo` opens it again",
    }
    for date in dates.single:
        if date not in known:
            raise click.UsageError(str(naming.unknown(call.settings, date, call.moment)), ctx)
        state = known[date].state
        if state.kind is Kind.PENDING and not state.due:
            raise click.UsageError(f"{date} {state.reason}", ctx)
        if refusal := refusals.get(state.kind):
            raise click.UsageError(f"{date} {refusal.format(date=date)}", ctx)
    failed = [line.date for line in known.values() if line.date in dates and line.state.kind in FAILING]
    return [known[date] for date in sorted({*dates.single, *failed})]


def _failed(call: Call, since: dt.date | None, last: int | None) -> list[Summary]:
    """The dates whose last try failed: those *since* a trading date, or the *last* so many to fail."""
    from spx_data import status
    from spx_data.status.failures import FAILING

    found = [line for line in status.summaries(call.settings, call.moment) if line.state.kind in FAILING]
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
    from spx_data.lake import session_states
    from spx_data.market import sessions

    now = session_states.states_of(call.settings, [line.date for line in chosen], sessions.now())
    rows = [
        {
            "date": line.date.isoformat(),
            "was": line.state.words,
            "now": now[line.date].words,
            "kind": now[line.date].kind,
        }
        for line in chosen
    ]
    print_table(rows, _RETRIED)


_RETRIED = (
    Column("date", "date"),
    Column("was", "was", wraps=True),
    Column("now", "now", wraps=True, style=lambda row: STATES[row["kind"]]),
)


# accept ---------------------------------------------------------------------------------------------------


@click.command(short_help="Accept an unsealed date as it is.")
@click.argument("date", type=DATE, required=False)
@click.option("--reason", help="Why; it is kept in the journal.")
@click.option(
    "--as-is", is_flag=True, help="Seal what is staged of it at once; its passport names what is lacking."
)
@click.option("--undo", is_flag=True, help="Undo an acceptance: the next run fills the date.")
@click.option(
    "--lost", is_flag=True, help="Instead of a DATE: the whole lake is lost for good and is filled anew."
)
@click.pass_context
def accept(
    ctx: click.Context, date: dt.date | None, reason: str | None, as_is: bool, undo: bool, lost: bool
) -> None:
    r"""Leave a date that is not sealed as it is: no run asks for it any more.

    With --as-is, what is staged of the date is sealed at once, and nothing is asked of the terminal. The day
    is incomplete then, and `spx-data mend` asks for the rest.

    With --lost, where every sealed day is gone: they are not on a disk that could be mounted again, so the
    next run begins the lake anew.

    \b
    Examples:
      spx-data accept 2024-06-03 --reason "the vendor lost that day"
      spx-data accept 2024-06-03 --as-is --reason "one chain never comes"
      spx-data accept 2024-06-03 --undo
      spx-data accept --lost --reason "the disk died"
    """
    if as_is and (undo or lost):
        raise click.UsageError("--as-is goes with neither --undo nor --lost", ctx)
    if lost:
        _give_up(ctx, date, reason, undo)
    elif date is None:
        raise click.UsageError("name a DATE, or give --lost", ctx)
    elif as_is:
        _seal(ctx, date, reason)
    else:
        _accept(ctx, date, reason, undo)


def _give_up(ctx: click.Context, date: dt.date | None, reason: str | None, undo: bool) -> None:
    """Let the lake be filled anew, where all that was sealed in it is gone."""
    from spx_data.store import dataset

    layout = ctx.obj.settings.layout
    if date or undo:
        raise click.UsageError("--lost is about the whole lake: it takes no DATE and no --undo", ctx)
    if not reason or not reason.strip():
        raise click.UsageError("--reason is missing: what happened to the lake?", ctx)
    if not dataset.missing(layout):
        raise click.UsageError(f"nothing sealed is missing from {layout.output}", ctx)
    dataset.give_up(layout, reason)
    say(f"what was sealed in {layout.output} is given up: `spx-data process-gaps` begins it anew")


def _seal(ctx: click.Context, date: dt.date, reason: str | None) -> None:
    """Seal *date* as it is staged."""
    from spx_data.fill.as_is import seal_as_it_is
    from spx_data.lake import passports

    settings = ctx.obj.settings
    if reason is None:
        raise click.UsageError("--reason is missing: why may the date be sealed as it is?", ctx)
    try:
        seal_as_it_is(settings, date, reason)
    except DateValidationError as error:
        raise click.UsageError(str(error), ctx) from error
    told = passports.read(settings.layout, date).document["completeness"]
    received, listed = told["chains_received"], told["chains_listed"]
    lacking = "" if told["complete"] else f"; what it lacks: `spx-data mend {date}`"
    say(f"{date} is sealed as it is, with {received} of {listed} chains{lacking}")


def _accept(ctx: click.Context, date: dt.date, reason: str | None, undo: bool) -> None:
    """Leave *date* as it is, or take that back."""
    from spx_data.lake import acceptance, session_states

    call: Call = ctx.obj
    now = session_states.states_of(call.settings, [date], call.moment)[date]
    accepted = now.kind is session_states.Kind.ACCEPTED
    try:
        if undo:
            if not accepted:
                raise click.UsageError(f"{date} was not accepted: there is nothing to undo", ctx)
            acceptance.reopen(call.settings, date, reason or "acceptance undone")
            say(f"{date} is open again: the next run fills it")
        elif reason is None:
            raise click.UsageError("--reason is missing: why may the date stay as it is?", ctx)
        else:
            acceptance.accept(call.settings, date, reason)
            say(f"{date} is accepted as it is; `spx-data accept {date} --undo` takes that back")
    except DateValidationError as error:
        raise click.UsageError(str(error), ctx) from error
