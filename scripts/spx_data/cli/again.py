"""`spx-data mend` and `recheck`: the source asked again about days that are sealed."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import click

from spx_data.cli.call import Call, dates_argument
from spx_data.cli.lists import in_each_lake
from spx_data.cli.output import Choice, console, print_words
from spx_data.cli.publish import mend_from_published
from spx_data.cli.table import Column, Row
from spx_data.market.dates import Dates

if TYPE_CHECKING:
    from rich.console import Console

    from spx_data.ops.mend import Outcome as Mended
    from spx_data.ops.recheck import Outcome as Rechecked
    from spx_data.ops.recheck.versions import Finding
    from spx_data.settings import Settings


@click.command(short_help="Fetch what incomplete sealed days lack.")
@dates_argument()
@click.option(
    "--from-published", is_flag=True, help="Bring lost days back from where they are published, instead."
)
@in_each_lake
@click.pass_context
def mend(ctx: click.Context, dates: Dates | None, from_published: bool) -> None:
    r"""Ask again for the chains and contracts that sealed days lack, and seal these days anew.

    DATES are days, months, years, ranges like 2024-01-02..2024-02-01, or words like "last 30 days"; without
    any, all incomplete days. What was whole is not asked for, nothing that is sealed gets lost, and the
    version before stays in data/restatements. Runs do the same at their end, within `mend.requests`. The exit
    code is 1 when a day could not be asked about.

    With --from-published, days that were sealed once and are damaged or gone come back from publish.url, byte
    for byte, and those of DATES that were never here; the source is asked for nothing.

    \b
    Examples:
      spx-data mend
      spx-data mend 2024-03 2024-05-01
      spx-data mend --from-published
    """
    from spx_data.ops import mend as mending

    call: Call = ctx.obj
    if from_published:
        ctx.exit(mend_from_published(call, dates))
    settings = replace(call.settings, dates=dates or call.settings.dates)
    if mending.named(settings, call.moment):
        settings = _as_a_run(settings, "spx-data mend")
    ctx.exit(int(not print_mended(mending.mend(settings, call.moment))))


@click.command(short_help="Compare sealed days with what the source says today.")
@dates_argument()
@click.option(
    "--restated",
    type=Choice(("report", "keep", "replace")),
    help="What becomes of a day that the source has changed; recheck.restated unless told.",
)
@in_each_lake
@click.pass_context
def recheck(
    ctx: click.Context, dates: Dates | None, restated: Literal["report", "keep", "replace"] | None
) -> None:
    r"""Fetch sealed days again, and report cell by cell what the source has changed since.

    DATES are days, months, years, ranges like 2024-01-02..2024-02-01, or words like "last 30 days"; without
    any, the `recheck.sample` days that were not looked at for longest. With --restated report the sealed day
    stays as it is; keep puts the new version beside it; replace seals it, and puts the old one beside it. All
    of that is in data/restatements. The exit code is 1 when a day could not be asked about.

    \b
    Examples:
      spx-data recheck
      spx-data recheck 2024-01-02 "last 30 days"
      spx-data recheck 2024-01-02 --restated replace
    """
    from spx_data.ops import recheck as rechecking

    call: Call = ctx.obj
    settings = replace(call.settings, dates=dates or call.settings.dates)
    if restated:
        settings = replace(settings, recheck=settings.recheck._replace(restated=restated))
    if rechecking.dates_due(settings):
        settings = _as_a_run(settings, "spx-data recheck")
    ctx.exit(int(not print_rechecked(rechecking.recheck(settings))))


def _as_a_run(settings: Settings, command: str) -> Settings:
    """Be the lake's run from now on, as *command*; returns the settings with the terminal that was found."""
    from spx_data.fill.preflight import preflight
    from spx_data.lake import runs
    from spx_data.store import journal

    os.environ.setdefault(journal.RUN_VARIABLE, journal.new_run())
    runs.check_idle(settings.layout)
    runs.begin(settings.layout, command, [])
    return replace(settings, terminal=preflight(settings))


# A table that grows by each date, then what there is to tell -----------------------------------------------


_STYLES = {
    **dict.fromkeys(("complete", "mended", "unchanged"), "green"),
    "nothing new": "yellow",
    "restated": "bold yellow",
    **dict.fromkeys(("withdrawn", "not mended", "not rechecked"), "bold red"),
}
_DATE = Column("date", "date")
_FOUND = Column("found", "found", style=lambda row: _STYLES[row["found"]])


class _Dated(Protocol):
    """What became of one date."""

    @property
    def date(self) -> dt.date: ...

    @property
    def error(self) -> Exception | None: ...


T = TypeVar("T", bound=_Dated)


def _printed(
    outcomes: Iterable[T],
    columns: Sequence[Column],
    row: Callable[[T], Row],
    details: Callable[[T], Iterable[str]],
    nothing: str,
    did: str,
    to: Console | None,
) -> bool:
    """Print each outcome as it comes, then what there is to tell; says whether none has an error."""
    from spx_data.cli.screen import growing

    to = to or console()
    done: list[T] = []
    rows: list[Row] = []
    with growing(rows, columns, to) as grown:
        for outcome in outcomes:
            done.append(outcome)
            rows.append(row(outcome))
            grown()
    for outcome in done:
        for line in details(outcome):
            about = "" if str(outcome.date) in line else f"{outcome.date}: "
            print_words(f"{about}{line}", to, "dim")
    words = [each["found"] for each in rows]
    counts = ", ".join(f"{words.count(word):,} {word}" for word in dict.fromkeys(words))
    print_words(f"{len(done):,} {did}: {counts}" if done else nothing, to)
    return all(outcome.error is None for outcome in done)


# A mend -----------------------------------------------------------------------------------------------------

_MENDS = (
    _DATE,
    _FOUND,
    Column("lacked", "lacked", wraps=True),
    Column("lacks", "lacks", wraps=True),
    Column("rows", "rows", "+{:,}".format, rank=1, right=True),
    Column("requests", "requests", "{:,}".format, rank=2, right=True),
)


def print_mended(outcomes: Iterable[Mended], to: Console | None = None) -> bool:
    """Print each outcome as it comes, then the reports and errors; says whether nothing failed."""
    return _printed(outcomes, _MENDS, _mended, _about_a_mend, "no day to mend", "asked about again", to)


def _mended(outcome: Mended) -> Row:
    row = {"date": outcome.date.isoformat(), "requests": outcome.asked}
    if outcome.error is not None:
        return {
            **row,
            "found": "not mended",
            "lacked": type(outcome.error).__name__,
            "lacks": "",
            "rows": None,
        }
    before, after = outcome.before, outcome.after or outcome.before
    assert before is not None
    assert after is not None
    new = "mended" if outcome.after or outcome.gained_contracts else "nothing new"
    return {
        **row,
        "found": "complete" if outcome.was_complete else new,
        "lacked": _lacks(before, outcome.lacked),
        "lacks": _lacks(after, outcome.lacks),
        "rows": outcome.gain.rows or None,
    }


def _lacks(passport: Mapping[str, Mapping[str, object]], contracts: Sequence[str]) -> str:
    """The chains of a day that are not whole, by their states; and what else it does not know."""
    told = passport["completeness"]
    states: Mapping[str, int] = told["chains"]  # type: ignore[assignment]
    chains = [f"{count:,} {state}" for state, count in states.items() if count and state != "whole"]
    if not chains and not told["complete"]:
        chains = ["of its listing"]
    if contracts:
        chains.append("contracts: " + ", ".join(contracts))
    return ", ".join(chains) or "nothing"


def _about_a_mend(outcome: Mended) -> list[str]:
    """What does not fit into a table: where the version before is, what is still unknown, the error."""
    from spx_data.ops.recheck.versions import REPORT

    if outcome.error is not None:
        return [str(outcome.error)]
    passport = outcome.after or outcome.before
    assert passport is not None
    still = passport["completeness"]["unknown"]
    more = len(still) - 1 + passport["completeness"]["unknown_more"]
    told = [f"still unknown: {still[0]}" + (f", and {more:,} more" if more else "")] if still else []
    if outcome.folder is not None:
        told.insert(0, f"{outcome.date}: the version before is kept, see {outcome.folder / REPORT}")
    return told


# A recheck --------------------------------------------------------------------------------------------------

_RECHECKS = (_DATE, _FOUND, Column("rows", "rows", wraps=True), Column("cells", "cells", wraps=True))


def print_rechecked(outcomes: Iterable[Rechecked], to: Console | None = None) -> bool:
    """Print each outcome as it comes, then the reports and errors; says whether all dates were rechecked."""
    return _printed(
        outcomes, _RECHECKS, _rechecked, _about_a_recheck, "no sealed date to recheck", "looked at again", to
    )


def _rechecked(outcome: Rechecked) -> Row:
    date, finding = outcome.date.isoformat(), outcome.finding
    if finding is None:
        return {"date": date, "found": "not rechecked", "rows": type(outcome.error).__name__, "cells": ""}
    differences = finding.differences
    if finding.kind == "unchanged":
        return {
            "date": date,
            "found": "unchanged",
            "rows": f"{differences.rows_before:,} asked",
            "cells": "",
        }
    cells = ", ".join(f"{name} {change.cells:,}" for name, change in differences.columns.items())
    return {"date": date, "found": finding.kind.value, "rows": _rows(finding), "cells": cells}


def _rows(finding: Finding) -> str:
    """The rows that differ; the listing's word where only that changed."""
    differences = finding.differences
    counts = {
        "changed": differences.rows_changed,
        "added": differences.rows_added,
        "removed": differences.rows_removed,
    }
    found = [f"{count:,} {what}" for what, count in counts.items() if count]
    return ", ".join([*found, *(["listing"] if finding.listing else [])])


def _about_a_recheck(outcome: Rechecked) -> list[str]:
    """What does not fit into a table: where the report is, what became of the version, notes, the error."""
    from spx_data.ops.recheck.versions import REPORT

    if outcome.error is not None:
        return [str(outcome.error)]
    notes = outcome.finding.notes if outcome.finding else []
    if outcome.folder is None or outcome.action is None:
        return notes
    return [f"{outcome.date}: {outcome.action.value}, see {outcome.folder / REPORT}", *notes]
