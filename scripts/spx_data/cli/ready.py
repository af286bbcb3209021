"""`spx-data ready`: whether days are ready for what is to be computed of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.output import Format, console, format_option, print_document
from spx_data.cli.selecting import ranges
from spx_data.market.dates import Dates
from spx_data.text.words import counted, minute

if TYPE_CHECKING:
    from spx_data.ops.ready import Readiness
    from spx_data.settings import Settings


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
            out.print(line, style=style, markup=False, soft_wrap=True)
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
