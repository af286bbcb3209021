"""`spx-data snapshot`: a name for a set of sealed days, and whether they still are what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.lists import List, View
from spx_data.cli.output import hand_out, say
from spx_data.cli.reading import missing_option, ranges, warnings_told
from spx_data.cli.table import Column
from spx_data.market.dates import Dates
from spx_data.text.words import count, counted, minute

if TYPE_CHECKING:
    from spx_data.lake.reader import Missing

_DIGITS = 12


def _short(digest: str) -> str:
    return f"{digest[:_DIGITS]}…"


SNAPSHOTS = List(
    (
        Column("snapshot", "snapshot"),
        Column("days", "days", count, right=True),
        Column("first", "first"),
        Column("last", "last"),
        Column("created_at", "created (UTC)", minute, rank=2),
        Column("root", "root", _short, rank=3),
        Column("path", "path", rank=4),
    ),
    empty="no snapshots",
)
DAYS = List(
    (
        Column("date", "date"),
        Column("found", "found", style=lambda row: "green" if row["found"] == "as it was" else "bold red"),
        Column("sha256_then", "sha256 then", _short, rank=1),
        Column("sha256_now", "sha256 now", _short, rank=1),
    ),
    empty="every day is as it was",
)


@click.group(no_args_is_help=True, short_help="Name a set of sealed days, to cite it and to find it again.")
def snapshot() -> None:
    r"""Name a set of sealed days by their digests, list such names, and see what differs since.

    A snapshot is a small file in data/snapshots that can be mailed: scan(snapshot=…) reads these days or says
    which of them are others now. It holds no data.

    \b
    spx-data snapshot create paper-2026 --dates 2024..2026-06
    spx-data snapshot list
    spx-data snapshot verify paper-2026
    """


@snapshot.command(short_help="Give sealed days a name.")
@click.argument("name")
@click.option("--dates", type=DATES, help="Trading dates; default: every sealed day.")
@missing_option
@click.pass_obj
def create(call: Call, name: str, dates: Dates | None, missing: Missing) -> None:
    r"""Give the sealed days of --dates a NAME, in letters, digits, dots, hyphens and underscores.

    \b
    spx-data snapshot create paper-2026 --dates 2024..2026-06
    """
    from spx_data.lake import reader, snapshots

    there = call.settings.layout
    with warnings_told():
        _, sealed = reader.sealed(ranges(dates), lake=there.output, data=there.data, missing=missing)
    made = snapshots.create(there, name, {date: seal.parquet for date, seal in sealed.items()})
    hand_out(str(there.snapshot(name)))
    say(f"{counted(len(made.days), 'day')}, root {made.root}", err=True)


@snapshot.command("list")
@SNAPSHOTS.options()
@click.pass_obj
def list_(call: Call, view: View) -> None:
    r"""List the snapshots of this lake.

    \b
    spx-data snapshot list
    """
    from spx_data.lake import snapshots

    there = call.settings.layout
    rows = []
    for path in there.snapshots():
        found = snapshots.read(there, path)
        rows.append(
            {
                "snapshot": found.name,
                "days": len(found.days),
                "first": min(found.days).isoformat(),
                "last": max(found.days).isoformat(),
                "created_at": found.created_at,
                "root": found.root,
                "path": str(path),
            }
        )
    view.show(SNAPSHOTS, rows)


@snapshot.command(short_help="Hold the days of a snapshot against this lake's.")
@click.argument("name")
@click.option("--quick", is_flag=True, help="Compare sidecars alone, and hash no file.")
@DAYS.options()
@click.pass_context
def verify(ctx: click.Context, name: str, quick: bool, view: View) -> None:
    r"""Hold the days of the snapshot NAME, or of a file like mailed/paper-2026.json, against this lake's.

    A table has the days that differ, JSON and CSV all of them. The exit code is 1 where any differs.

    \b
    spx-data snapshot verify paper-2026
    spx-data snapshot verify mailed/paper-2026.json --format json
    """
    from spx_data.lake import snapshots

    call: Call = ctx.obj
    there = call.settings.layout
    found = snapshots.compare(there, snapshots.read(there, name), verify=not quick)
    drifted = [each for each in found if each.drift]
    rows = [
        {
            "date": each.date.isoformat(),
            "found": str(each.drift or "as it was"),
            "sha256_then": each.expected,
            "sha256_now": each.found,
        }
        for each in (drifted if view.is_table else found)
    ]
    view.show(DAYS, rows, below=[f"{len(drifted):,} of {counted(len(found), 'day')} differ"])
    ctx.exit(int(bool(drifted)))
