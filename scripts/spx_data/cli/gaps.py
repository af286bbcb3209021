"""`spx-data gaps`: what is missing, why, and what filling it takes; and the plan of a fill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import DATES, Call, ends
from spx_data.cli.lists import List, View, show_document, tell_of_a_missing_lake
from spx_data.cli.output import say
from spx_data.cli.overview import incomplete
from spx_data.cli.table import STATES, Column, Row
from spx_data.market.dates import Dates
from spx_data.text.words import count, counted, duration, few, size

if TYPE_CHECKING:
    from spx_data.ops.gaps import Conflict, Gap, Interval, Plan
    from spx_data.status import Summary

_NOT_KNOWN = "unknown until a day is sealed, or `spx-data probe` has seen a listing"

GAPS = List(
    (
        Column("date", "date"),
        Column("priority", "priority", "{:.1f}".format, rank=2, right=True),
        Column("kind", "kind", style=lambda row: STATES[row["kind"]]),
        Column("due", "next run", lambda due: "takes it" if due else "no", rank=1),
        Column("tries", "tries", rank=6, right=True),
        Column("expirations_staged", "staged", lambda n: count(n) if n else "", rank=7, right=True),
        Column("volatility", "volatility", "{:.2%}".format, rank=8, right=True),
        Column("estimated_rows", "rows", count, rank=4, right=True),
        Column("estimated_bytes", "size", size, rank=5, right=True),
        Column("estimated_seconds", "time", duration, rank=3, right=True),
        Column("why", "why", wraps=True),
    ),
    fields=(
        *("date", "kind", "due", "needs_you", "why", "cure", "tries", "error", "expirations_staged"),
        *("priority", "priority_age", "priority_volatility", "priority_tries", "volatility"),
        *("estimated_rows", "estimated_bytes", "estimated_temp_bytes", "estimated_seconds"),
    ),
    empty="no gaps",
    most=40,
    order="-priority",
    first="those that the next run fills first",
)
PLAN = replace(GAPS, most=20, others="`spx-data gaps --all` has the others")


@click.command(short_help="Show what is missing, why, and what it would take.")
@click.option("--start-date", "start", type=DATES, help="The first date; of a month or a year its first day.")
@click.option("--end-date", "end", type=DATES, help="The last date; of a month or a year its last day.")
@click.option(
    "--cores",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Estimate the time for a run with so many --cores.",
)
@GAPS.options(limit="At most N, those that the next run fills first.")
@click.pass_context
def gaps(ctx: click.Context, start: Dates | None, end: Dates | None, cores: int, view: View) -> None:
    r"""Show every session that is not sealed, in the order in which the next run fills them.

    The range of the config is looked at where no other is given. Priority: the newer, the more volatile the
    market around it and the less often tried, the more points (section `priority` of the config). Rows,
    size and time are what the nearest sealed dates took. The exit code is 1 where a date needs you.

    \b
    spx-data gaps
    spx-data gaps --start-date 2024-03 --end-date 2024-06
    spx-data gaps --start-date "last 30 days" --format json
    """
    from spx_data.ops.gaps import find, plan
    from spx_data.status import summaries

    call: Call = ctx.obj
    first, last = ends(start, end, "--start-date", "--end-date")
    tell_of_a_missing_lake(call.settings.layout)
    known = summaries(call.settings, call.moment)
    found = find(call.settings, call.moment, first, last, summaries=known)
    view.show(GAPS, map(row, found))
    if view.is_table:
        if found:
            due = [gap for gap in found if gap.due]
            planned = plan(call.settings, call.moment, None, cores, found=due, summaries=known)
            _print_totals(found, planned, view)
        within = [line for line in known if (first or line.date) <= line.date <= (last or line.date)]
        _print_incomplete(within, view)
        _print_unpublished(call, within, view)
    if needy := sorted((gap for gap in found if gap.needs_you), key=lambda gap: gap.date):
        # On stderr, so that a list stays a list.
        say(f"spx-data: {_need(needy)}", err=True)
        ctx.exit(1)


def _print_totals(found: Sequence[Gap], planned: Plan, view: View) -> None:
    view.tell("")
    view.tell(f"{counted(len(found), 'gap')}, the next run takes {len(planned.gaps):,}")
    _print_what_it_takes(planned, view)


def _print_incomplete(lines: Sequence[Summary], view: View) -> None:
    """The sealed dates among *lines* that lack something: no gaps, for they can be read."""
    if count := sum(line.is_incomplete for line in lines):
        view.tell(incomplete(count))


def _print_unpublished(call: Call, lines: Sequence[Summary], view: View) -> None:
    """The sealed dates among *lines* that are to be published and are not, as far as is known here."""
    from spx_data.lake.session_states import Kind
    from spx_data.ops import publish

    if place := publish.place_of(call.settings, None, several=call.lakes.several):
        sealed = [line.date for line in lines if line.state.kind is Kind.SEALED]
        found = publish.look(call.settings.layout, place, sealed)
        if found.lacking:
            view.tell(found.words)


def _need(needy: Sequence[Gap]) -> str:
    """What only a person can end, with the command that does it."""
    from spx_data.lake.session_states import Kind
    from spx_data.ops.gaps import NAMED

    if len(needy) == 1:
        return f"{needy[0].date} needs you ({needy[0].kind}): {needy[0].cure}"
    cures = "`spx-data retry --all-failed --force` retries all parked dates"
    if any(gap.kind is not Kind.PARKED for gap in needy):
        cures = "--format json names the command for each"
    return f"{len(needy):,} dates need you: {few([gap.date for gap in needy], NAMED)}. {cures}"


def row(gap: Gap) -> Row:
    """A gap with all that is known about it."""
    estimate = gap.estimate
    return {
        "date": gap.date.isoformat(),
        "kind": gap.kind.value,
        "due": gap.due,
        "needs_you": gap.needs_you,
        "why": gap.why,
        "cure": gap.cure,
        "tries": gap.tries,
        "error": gap.error,
        "expirations_staged": gap.staged,
        "priority": round(gap.priority, 3),
        "priority_age": round(gap.points.age, 3),
        "priority_volatility": round(gap.points.volatility, 3),
        "priority_tries": round(gap.points.tries, 3),
        "volatility": None if gap.volatility is None else round(gap.volatility, 6),
        "estimated_rows": estimate.rows if estimate else None,
        "estimated_bytes": estimate.bytes if estimate else None,
        "estimated_temp_bytes": estimate.temp_bytes if estimate else None,
        "estimated_seconds": estimate.seconds if estimate else None,
    }


# The plan of a fill -----------------------------------------------------------------------------------------


def print_plan(plan: Plan, view: View) -> None:
    """Print the dates in the order they are filled in, what they take, and what stands in the way.

    As JSON an object with `dates`, `totals` and `conflicts`; as CSV the dates alone.
    """
    if view.form == "json":
        told = {"dates": [*map(row, plan.gaps)], "totals": _totals(plan)}
        show_document(told | {"conflicts": [*map(_conflict, plan.conflicts)]})
        return
    if plan.gaps or not view.is_table:
        view.show(PLAN, map(row, plan.gaps))
    if view.is_table:
        _print_what_it_takes(plan, view)


def _totals(plan: Plan) -> dict[str, Any]:
    """A plan in a few numbers."""
    return {
        "dates": len(plan.gaps),
        "dates_without_estimate": plan.unknown,
        "side_by_side": plan.side_by_side,
        "rows": plan.rows,
        "bytes": plan.bytes,
        "temp_bytes": plan.temp_bytes,
        "seconds": None if plan.seconds is None else round(plan.seconds, 3),
        "seconds_p10": round(plan.span.p10, 3) if plan.span else None,
        "seconds_p90": round(plan.span.p90, 3) if plan.span else None,
        "guessed": plan.guessed or None,
        "at_least": plan.at_least,
        "disks": [
            {"folder": str(disk.folder), "needed": disk.needed, "free": disk.free} for disk in plan.disks
        ],
    }


def _conflict(conflict: Conflict) -> dict[str, Any]:
    return {
        "what": conflict.what,
        "blocking": conflict.blocking,
        "why": conflict.why,
        "cure": conflict.cure,
        "dates": [date.isoformat() for date in conflict.dates],
    }


def _print_what_it_takes(plan: Plan, view: View) -> None:
    for line in _total_lines(plan):
        view.tell(line)
    for conflict in plan.conflicts:
        words = f"{conflict.why}. {conflict.cure}" if conflict.cure else conflict.why
        view.tell(words, "yellow" if conflict.blocking else "dim")


def took(seconds: float, span: Interval | None) -> str:
    """An estimated time in words, with what it lies between four times of five where that is known."""
    about = f"about {duration(seconds)}"
    return f"{about} ({duration(span.p10)} to {duration(span.p90)})" if span else about


def _total_lines(plan: Plan) -> Iterator[str]:
    """What a plan takes, in words."""
    if not plan.gaps:
        yield "nothing to do"
        return
    dates = f"{counted(len(plan.gaps), 'date')} to fill"
    if plan.rows is None or plan.bytes is None or plan.temp_bytes is None:
        yield f"{dates}: rows, size and time are {_NOT_KNOWN}"
    else:
        side = f", {plan.side_by_side} side by side" if plan.side_by_side > 1 else ""
        time = "time unknown" if plan.seconds is None else f"{took(plan.seconds, plan.span)}{side}"
        yield (
            f"{dates}: {'at least' if plan.at_least else 'about'} {count(plan.rows)} rows, "
            f"{size(plan.bytes)} of Parquet, up to {size(plan.temp_bytes)} of checkpoints, {time}"
            + (f" ({plan.guessed})" if plan.guessed else "")
        )
    for disk in plan.disks:
        needed = "" if disk.needed is None else f"{size(disk.needed)} needed (with a margin of half), "
        yield f"disk of {disk.folder}: {needed}{size(disk.free)} free"
