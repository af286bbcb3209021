"""Gaps and the plan of a fill, on the terminal and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from spx_data.cli.output import Column, Format, Row, console, print_csv, print_table, say
from spx_data.text.words import count, duration, size

if TYPE_CHECKING:
    from rich.console import Console

    from spx_data.ops.gaps import Conflict, Gap, Plan

_SHOWN = 20
_NOT_KNOWN = "unknown until a day is sealed, or spx-data probe has seen a listing"


def rows(gaps: Sequence[Gap]) -> list[Row]:
    """Every gap with all that is known about it, in the order of the gaps."""
    return [_row(gap) for gap in gaps]


def _row(gap: Gap) -> dict[str, Any]:
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


def columns() -> list[Column]:
    """The columns of a table of `rows`."""
    from spx_data.cli.tables import STYLES
    from spx_data.lake.session_states import Kind

    return [
        Column("date", "date"),
        Column("priority", "priority", show="{:.1f}".format, right=True),
        Column("kind", "kind", style=lambda row: STYLES[Kind(row["kind"])]),
        Column("due", "next run", show=lambda due: "takes it" if due else "no"),
        Column("tries", "tries", right=True),
        Column("expirations_staged", "staged", show=lambda n: count(n) if n else "", right=True),
        Column("volatility", "volatility", show="{:.2%}".format, right=True),
        Column("estimated_rows", "rows", show=count, right=True),
        Column("estimated_bytes", "size", show=size, right=True),
        Column("estimated_seconds", "time", show=duration, right=True),
        Column("why", "why", fold=True),
    ]


def print_plan(plan: Plan, form: Format) -> None:
    """Print the dates in the order they are filled in, what they take, and what stands in the way.

    As JSON an object with `dates`, `totals` and `conflicts`; as CSV the dates alone.
    """
    found = rows(plan.gaps)
    if form == "json":
        print_json(plan, found)
    elif form == "csv":
        print_csv(found, fields())
    else:
        _print_table(plan, found)


def print_json(plan: Plan, found: Sequence[Row]) -> None:
    """Print one object, with a line for each date."""
    import json

    def text(value: Any) -> str:
        return json.dumps(value)

    dates = ",\n  ".join(text(row) for row in found)
    conflicts = ",\n  ".join(text(_conflict(conflict)) for conflict in plan.conflicts)
    say(f'{{"dates": [{dates}],\n "totals": {text(totals(plan))},\n "conflicts": [{conflicts}]}}')


def fields() -> list[str]:
    """The fields of `rows`."""
    import datetime as dt

    from spx_data.lake.session_states import Kind
    from spx_data.ops.gaps import Gap, Points

    nothing = Gap(dt.date.min, Kind.MISSING, False, "", None, 0, None, 0, Points(0, 0, 0), None, None)
    return list(_row(nothing))


def totals(plan: Plan) -> dict[str, Any]:
    """A plan in a few numbers."""
    return {
        "dates": len(plan.gaps),
        "dates_without_estimate": plan.unknown,
        "side_by_side": plan.side_by_side,
        "rows": plan.rows,
        "bytes": plan.bytes,
        "temp_bytes": plan.temp_bytes,
        "seconds": None if plan.seconds is None else round(plan.seconds, 3),
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


def _print_table(plan: Plan, found: Sequence[Row]) -> None:
    out = console()
    if found:
        print_table(found[:_SHOWN], columns(), out)
        if len(found) > _SHOWN:
            out.print(f"… and {len(found) - _SHOWN:,} more", style="dim")
    for line in total_lines(plan):
        out.print(line, markup=False, soft_wrap=True)
    for conflict in plan.conflicts:
        print_conflict(conflict, out)


def print_conflict(conflict: Conflict, out: Console) -> None:
    """Print what stands in the way, and its cure."""
    words = f"{conflict.why}. {conflict.cure}" if conflict.cure else conflict.why
    out.print(words, style="yellow" if conflict.blocking else "dim", markup=False, soft_wrap=True)


def total_lines(plan: Plan) -> Iterator[str]:
    """What a plan takes, in words."""
    if not plan.gaps:
        yield "nothing to do"
        return
    dates = f"{len(plan.gaps):,} date{'' if len(plan.gaps) == 1 else 's'} to fill"
    if plan.rows is None or plan.bytes is None or plan.temp_bytes is None:
        yield f"{dates}: rows, size and time are {_NOT_KNOWN}"
    else:
        side = f", {plan.side_by_side} side by side" if plan.side_by_side > 1 else ""
        time = "time unknown" if plan.seconds is None else f"about {duration(plan.seconds)}{side}"
        yield (
            f"{dates}: {'at least' if plan.at_least else 'about'} {count(plan.rows)} rows, "
            f"{size(plan.bytes)} of Parquet, up to {size(plan.temp_bytes)} of checkpoints, {time}"
            + (f" ({plan.guessed})" if plan.guessed else "")
        )
    for disk in plan.disks:
        needed = "" if disk.needed is None else f"{size(disk.needed)} needed (half as much again), "
        yield f"disk of {disk.folder}: {needed}{size(disk.free)} free"
