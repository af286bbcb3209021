"""`spx-data health`: whether everything is ready, and what needs somebody."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import Call
from spx_data.cli.output import Column, Format, console, emit, format_option, print_table
from spx_data.text.words import pasted

if TYPE_CHECKING:
    from spx_data.ops.health import Check

STYLES = {"ok": "green", "notice": "cyan", "warn": "yellow", "fail": "bold red"}
_COLUMNS = [
    Column("level", "", style=lambda row: STYLES[row["level"]]),
    Column("check", "check"),
    Column("found", "found", fold=True),
]


@click.command(short_help="Check that everything is ready, and what needs you.")
@format_option()
@click.option("--strict", is_flag=True, help="Let warnings count too: exit with 1 where there is one.")
@click.pass_context
def health(ctx: click.Context, form: Format, strict: bool) -> None:
    r"""Check the settings, the terminal, the machine and the lake, and say what needs you.

    Each check is ok, notice (how this lake's source always is), warn (worth knowing, the work goes on) or
    fail (needs you), with the cure. The exit code is 1 when a check fails, with --strict also when one warns,
    else 0: a probe for cron or for monitoring.

    \b
    spx-data health
    spx-data health --format json    for a monitor
    spx-data health --strict || mail -s "spx-data" you < /dev/null
    """
    from spx_data.ops.health import Level, examine, worst

    call: Call = ctx.obj
    found = examine(call.files, call.moment)
    checks = [replace(check, cure=pasted(check.cure, call.overlays)) for check in found]
    rows = [check.as_row() for check in checks]
    if form == "table":
        print_table([_shown(check) for check in checks], _COLUMNS)
        counts = ((level, sum(check.level is level for check in checks)) for level in Level)
        told = ", ".join(f"{number:,} {level}" for level, number in counts if number)
        console().print(told, style=STYLES[worst(checks)])
    else:
        emit(rows, _COLUMNS, form)
    bad = {Level.FAIL, Level.WARN} if strict else {Level.FAIL}
    ctx.exit(1 if worst(checks) in bad else 0)


def _shown(check: Check) -> dict[str, str]:
    """A check as a person reads it: the cure under what was found."""
    found = f"{check.found}\n→ {check.cure}" if check.cure else check.found
    return {"level": check.level.value, "check": check.name, "found": found}
