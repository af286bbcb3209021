"""`spx-data health`: whether everything is ready, and what needs you."""

from __future__ import annotations

import click

from spx_data.cli.call import Call
from spx_data.cli.lists import List, View
from spx_data.cli.output import say
from spx_data.cli.overview import LEVELS
from spx_data.cli.table import Column, Row


def _found(row: Row) -> str:
    """What was found, and the cure below it."""
    return f"{row['found']}\n→ {row['cure']}" if row["cure"] else row["found"]


CHECKS = List(
    (
        Column("level", "", style=lambda row: LEVELS[row["level"]]),
        Column("check", "check"),
        Column("found", "found", wraps=True, of=_found),
    ),
    fields=("check", "level", "found", "cure", "value", "limit", "unit", "dates"),
    same=True,
)


@click.command(short_help="Check that everything is ready, and what needs you.")
@CHECKS.options()
@click.option("--strict", is_flag=True, help="Exit 1 on warnings too.")
@click.option("--notify", "tells", is_flag=True, help="Tell those of alerts.notify what has changed.")
@click.pass_context
def health(ctx: click.Context, strict: bool, tells: bool, view: View) -> None:
    r"""Check the settings, the terminal, the machine and the lake, and say what needs you.

    Each check is ok, notice (how this lake's source always is), warn (worth knowing, the work goes on) or
    fail (needs you), with the cure. The exit code is 1 when a check fails, with --strict also when one warns,
    else 0: a probe for cron or for monitoring. With --notify people are told when the lake failed, needs
    somebody or has recovered since they were told last, as after a run.

    \b
    spx-data health
    spx-data health --format json    for a monitor
    spx-data health --strict || mail -s "spx-data" you < /dev/null
    """
    from spx_data.ops.health import Level, examine, worst

    call: Call = ctx.obj
    if tells:
        _tell(call)
    checks = examine(call.files, call.moment, call.at or call.symbol, call.ask)
    view.show(CHECKS, [check.as_row() for check in checks])
    if view.is_table:
        counts = ((level, sum(check.level is level for check in checks)) for level in Level)
        told = ", ".join(f"{number:,} {level}" for level, number in counts if number)
        view.tell(told, LEVELS[worst(checks)])
    ctx.exit(worst(checks) in ({Level.FAIL, Level.WARN} if strict else {Level.FAIL}))


def _tell(call: Call) -> None:
    """Tell people what has changed at the lake."""
    from spx_data.ops.notify import standing, telling

    for line in telling.tell([standing.look(call.settings, call.moment)], call.moment):
        say(f"spx-data: {line}", err=True)
