"""`spx-data accept`: a person decides that a date may stay as it is."""

from __future__ import annotations

import datetime as dt

import click

from spx_data.cli.call import DATE, Call
from spx_data.cli.output import say


@click.command(short_help="Leave a date that is not sealed as it is.")
@click.argument("date", type=DATE, required=False)
@click.option("--reason", help="Why it may stay as it is; whoever reads the journal will want to know.")
@click.option(
    "--as-is", is_flag=True, help="Seal what is staged of it at once; its passport names what is lacking."
)
@click.option("--undo", is_flag=True, help="Take it back: the next run fills the date.")
@click.option(
    "--lost", is_flag=True, help="Instead of a DATE: the whole lake is gone for good, and is filled anew."
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
        raise click.UsageError("--reason is missing: say what became of the lake", ctx)
    if not dataset.missing(layout):
        raise click.UsageError(f"nothing sealed is missing from {layout.output}", ctx)
    dataset.give_up(layout, reason)
    say(f"what was sealed in {layout.output} is given up: spx-data process-gaps begins it anew")


def _seal(ctx: click.Context, date: dt.date, reason: str | None) -> None:
    """Seal *date* as it is staged."""
    from spx_data.errors import DateValidationError
    from spx_data.fill.as_is import seal_as_it_is
    from spx_data.lake import passports

    settings = ctx.obj.settings
    if reason is None:
        raise click.UsageError("--reason is missing: say why the date may be sealed as it is", ctx)
    try:
        seal_as_it_is(settings, date, reason)
    except DateValidationError as error:
        raise click.UsageError(str(error), ctx) from error
    told = passports.read(settings.layout, date).document["completeness"]
    received, listed = told["chains_received"], told["chains_listed"]
    lacking = "" if told["complete"] else f"; what it lacks: spx-data mend {date}"
    say(f"{date} is sealed as it is, with {received} of {listed} chains{lacking}")


def _accept(ctx: click.Context, date: dt.date, reason: str | None, undo: bool) -> None:
    """Leave *date* as it is, or take that back."""
    from spx_data.errors import DateValidationError
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
            raise click.UsageError("--reason is missing: say why the date may stay as it is", ctx)
        else:
            acceptance.accept(call.settings, date, reason)
            say(f"{date} is accepted as it is; spx-data accept {date} --undo takes that back")
    except DateValidationError as error:
        raise click.UsageError(str(error), ctx) from error
