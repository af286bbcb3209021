"""`spx-data accept`: a person decides that a date may stay as it is."""

from __future__ import annotations

import datetime as dt

import click

from spx_data.cli.call import DATE, Call


@click.command(short_help="Leave a date that is not sealed as it is.")
@click.argument("date", type=DATE)
@click.option("--reason", help="Why it may stay as it is; whoever reads the journal will want to know.")
@click.option("--undo", is_flag=True, help="Take it back: the next run fills the date.")
@click.pass_context
def accept(ctx: click.Context, date: dt.date, reason: str | None, undo: bool) -> None:
    r"""Leave a date that is not sealed as it is: no run asks for it any more.

    \b
    Examples:
      spx-data accept 2024-06-03 --reason "the vendor lost that day"
      spx-data accept 2024-06-03 --undo
    """
    from spx_data import acceptance, ledger
    from spx_data.errors import DateValidationError

    call: Call = ctx.obj
    now = ledger.states_of(call.settings, [date], call.moment)[date]
    accepted = now.kind is ledger.Kind.ACCEPTED
    try:
        if undo:
            if not accepted:
                raise click.UsageError(f"{date} was not accepted: there is nothing to undo", ctx)
            acceptance.reopen(call.settings, date, reason or "acceptance undone")
            click.echo(f"{date} is open again: the next run fills it")
        elif reason is None:
            raise click.UsageError("--reason is missing: say why the date may stay as it is", ctx)
        else:
            acceptance.accept(call.settings, date, reason)
            click.echo(f"{date} is accepted as it is; spx-data accept {date} --undo takes that back")
    except DateValidationError as error:
        raise click.UsageError(str(error), ctx) from error
