"""`spx-data export`: sealed days in the format of another tool."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spx_data import exports
from spx_data.cli.call import DATES, FOLDER, Call, Spelt
from spx_data.cli.output import say
from spx_data.cli.reading import missing_option, ranges, warnings_told
from spx_data.errors import SettingRefusedError
from spx_data.exports.selection import Selection
from spx_data.market.dates import Dates
from spx_data.text.words import counted

if TYPE_CHECKING:
    from spx_data.lake.reader import Missing
    from spx_data.settings import Settings

_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000}


class _Export(click.Command):
    """A command whose help names the formats, which are only looked for when somebody reads it."""

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the formats, a line each."""
        with formatter.section("Formats"):
            formatter.write_dl([(form.name, form.meaning) for form in exports.known().values()])


def _range(text: str) -> tuple[float, float]:
    """Absolute deltas, like 0.02..0.98."""
    found = re.fullmatch(r"(\d*\.?\d+)\.\.(\d*\.?\d+)", text)
    least, most = map(float, found.groups()) if found else (1.0, 0.0)
    if 0.0 <= least <= most <= 1.0:
        return least, most
    raise ValueError(f"{text!r} is no range within 0 and 1. Write it like 0.02..0.98")


def _step(text: str) -> int:
    """A step of time, like 5m, in milliseconds; a day at most."""
    found = re.fullmatch(r"([1-9]\d{0,4})([smh])", text)
    step = int(found[1]) * _UNITS[found[2]] if found else 0
    if 0 < step <= 24 * _UNITS["h"]:
        return step
    raise ValueError(f"{text!r} is no step. Write it like 30s, 5m or 1h")


RANGE, STEP = Spelt("range", _range), Spelt("step", _step)


@click.command(cls=_Export, short_help="Write sealed days in the format of another tool.")
@click.argument("form", metavar="FORMAT")
@click.argument("folder", type=FOLDER)
@click.option("--dates", type=DATES, help="Trading dates; default: every sealed day.")
@click.option("--max-dte", type=click.IntRange(min=0), metavar="DAYS", help="Expirations at most so far off.")
@click.option("--delta", type=RANGE, help="Contracts whose absolute delta is in it at some stamp of the day.")
@click.option("--every", type=STEP, help="Stamps at multiples of it, like 5m, on New York's clock.")
@click.option("--roots", metavar="ROOTS", help="These roots alone, like SPXW, parted by commas.")
@missing_option
@click.pass_obj
def export(
    call: Call,
    form: str,
    folder: Path,
    dates: Dates | None,
    max_dte: int | None,
    delta: tuple[float, float] | None,
    every: int | None,
    roots: str | None,
    missing: Missing,
) -> None:
    r"""Write sealed days to FOLDER in another tool's FORMAT, each checked against its checksum before.

    A day is there whole or not at all; a second call writes what is new or was sealed anew since, and nothing
    else. _manifest in FOLDER has for each day the SHA-256 of what was sealed, and of each file.

    \b
    spx-data export csv exported --dates 2024-03
    spx-data export lean lean/data --dates 2024 --max-dte 7 --delta 0.02..0.98
    """
    from spx_data.exports import exporting

    chosen, settings = exports.of(form), call.settings
    selection = Selection(max_dte, delta, every, _roots(roots, settings))
    sealed = _sealed(settings, dates, missing)
    written = kept = 0
    notes: Counter[str] = Counter()
    for day in exporting.export(sealed, chosen, folder, selection, settings.product):
        written, kept = written + day.is_new, kept + (not day.is_new)
        if day.is_new:
            notes.update(day.notes)
            say(f"{day.date}: {day.paths[0] if len(day.paths) == 1 else counted(len(day.paths), 'file')}")
    for note, days in notes.items():
        say(f"spx-data: {counted(days, 'day')}: {note}", err=True)
    there = f", {counted(kept, 'day')} there already" if kept else ""
    say(f"{counted(written, 'day')} written{there}", err=True)


def _roots(told: str | None, settings: Settings) -> tuple[str, ...]:
    """The roots that are named; raises `SettingRefusedError` where one is none of the lake's."""
    found = tuple(word.strip() for word in told.split(",")) if told else ()
    if unknown := [root for root in found if root not in settings.product.root_names]:
        raise SettingRefusedError(
            f"roots: {settings.product.symbol} has no root {unknown[0]!r}",
            cure=f"Name some of {', '.join(settings.product.root_names)}",
            what="roots",
        )
    return found


def _sealed(settings: Settings, dates: Dates | None, missing: Missing) -> list[Path]:
    """The sealed files of *dates*; what is to be known of them is told on stderr."""
    from spx_data.lake import reader

    layout = settings.layout
    with warnings_told():
        # Each day is hashed right before it is written, and not at all if it is there.
        found = reader.sealed_paths(
            ranges(dates), lake=layout.output, data=layout.data, missing=missing, verify=False
        )
    return list(map(Path, found))
