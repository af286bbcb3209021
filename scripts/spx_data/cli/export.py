"""`spx-data export`: sealed days in the format of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spx_data import exports
from spx_data.cli.call import DATES, FOLDER, Call
from spx_data.cli.output import say
from spx_data.cli.selecting import missing_option, ranges, warnings_told
from spx_data.market.dates import Dates
from spx_data.text.words import counted

if TYPE_CHECKING:
    from spx_data.lake.reader import Missing


class _Export(click.Command):
    """A command whose help names the formats, which are only looked for when somebody reads it."""

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the formats, a line each."""
        with formatter.section("Formats"):
            formatter.write_dl([(form.name, form.meaning) for form in exports.known().values()])


@click.command(cls=_Export, short_help="Write sealed days in the format of another tool.")
@click.argument("form", metavar="FORMAT")
@click.argument("folder", type=FOLDER)
@click.option("--dates", type=DATES, help="Trading dates; default: every sealed day.")
@missing_option
@click.pass_obj
def export(call: Call, form: str, folder: Path, dates: Dates | None, missing: Missing) -> None:
    r"""Write sealed days to FOLDER in another tool's FORMAT, each checked against its checksum before.

    A day is there whole or not at all; a second call writes what is new or was sealed anew since, and nothing
    else. manifest.jsonl in FOLDER has for each file the SHA-256 of the sealed day and its own.

    \b
    spx-data export csv exported --dates 2024-03
    """
    from spx_data.exports import exporting

    chosen = exports.of(form)
    written = kept = 0
    for day in exporting.export(_sealed(call, dates, missing), chosen, folder):
        written, kept = written + day.is_new, kept + (not day.is_new)
        if day.is_new:
            say(str(day.path))
    there = f", {counted(kept, 'day')} there already" if kept else ""
    say(f"{counted(written, 'day')} written{there}", err=True)


def _sealed(call: Call, dates: Dates | None, missing: Missing) -> list[Path]:
    """The sealed files of *dates*; what is to be known of them is told on stderr."""
    from spx_data.lake import reader

    layout = call.settings.layout
    with warnings_told():
        found = reader.sealed_paths(ranges(dates), lake=layout.output, data=layout.data, missing=missing)
    return list(map(Path, found))
