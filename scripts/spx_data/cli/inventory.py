"""`spx-data inventory`: every sealed file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.output import Column, Format, Row, console, emit, format_option
from spx_data.text.words import count, minute, size

if TYPE_CHECKING:
    from spx_data.market.dates import Dates
    from spx_data.status.inventory import Item

FIELDS = ("path", "date", "kind", "size", "checksum", "rows", "created")
_CHECKSUM_DIGITS = 12


@click.command(short_help="List every sealed file with its checksum.")
@click.argument("dates", type=DATES, required=False)
@format_option()
@click.pass_obj
def inventory(call: Call, dates: Dates | None, form: Format) -> None:
    r"""List every sealed file: Parquet, passport and sidecar of each date, the oldest first.

    The checksum (SHA-256) and the rows of a Parquet are what its passport vouches for; spx-data verify
    compares them with its bytes. What else lies in the output directory is told on stderr. DATES are trading
    dates: a day, a month, a year, a range, or several with commas.

    \b
    spx-data inventory 2024-03
    spx-data inventory --format csv > inventory.csv
    """
    from spx_data.cli.remarks import on_a_missing_lake, on_strangers
    from spx_data.lake.session_states import Kind
    from spx_data.status import summaries
    from spx_data.status.inventory import items
    from spx_data.store import tree

    walked = tree.walk(call.settings.layout)
    found = [
        item
        for line in summaries(call.settings, call.moment, walked)
        if line.state.kind is Kind.SEALED and line.facts.sha256 and (dates is None or line.date in dates)
        for item in items(
            call.settings.layout, line.date, line.facts.sha256, line.facts.rows, line.facts.sealed_at
        )
    ]
    emit([row(item) for item in found], _columns(), form, fields=FIELDS, empty="no sealed files")
    if form == "table" and found:
        _print_totals(found)
    on_a_missing_lake(call.settings.layout)
    on_strangers(walked)


def row(item: Item) -> Row:
    """One file as a flat object."""
    values: tuple[Any, ...] = (
        *(str(item.path), item.date.isoformat(), item.kind, item.size),
        *(item.checksum, item.rows, item.created),
    )
    return dict(zip(FIELDS, values, strict=True))


def _columns() -> list[Column]:
    return [
        Column("date", "date"),
        Column("kind", "kind"),
        Column("size", "size", size, right=True),
        Column("rows", "rows", count, right=True),
        Column("checksum", "sha256", lambda digits: f"{digits[:_CHECKSUM_DIGITS]}…"),
        Column("created", "sealed (UTC)", minute),
        Column("path", "path", fold=True),
    ]


def _print_totals(found: list[Item]) -> None:
    rows = sum(item.rows or 0 for item in found)
    total, dates = sum(item.size for item in found), len({item.date for item in found})
    days = "1 date" if dates == 1 else f"{dates:,} dates"
    console().print(
        f"{len(found):,} files of {days}, {size(total)}, {rows:,} rows", markup=False, soft_wrap=True
    )
