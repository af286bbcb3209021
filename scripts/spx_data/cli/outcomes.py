"""Dates that a mend or a recheck asks about again: a table that grows, then what there is to tell."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from rich.console import Console

from spx_data.cli.output import console
from spx_data.cli.screen import growing
from spx_data.cli.table import Column, Row
from spx_data.ops.recheck.versions import REPORT, Finding

if TYPE_CHECKING:
    from spx_data.ops.mend import Outcome as Mended
    from spx_data.ops.recheck import Outcome as Rechecked

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
            to.print(f"{about}{line}", style="dim", markup=False, soft_wrap=True)
    words = [each["found"] for each in rows]
    counts = ", ".join(f"{words.count(word):,} {word}" for word in dict.fromkeys(words))
    to.print(f"{len(done):,} {did}: {counts}" if done else nothing, soft_wrap=True)
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
    if outcome.error is not None:
        return [str(outcome.error)]
    notes = outcome.finding.notes if outcome.finding else []
    if outcome.folder is None or outcome.action is None:
        return notes
    return [f"{outcome.date}: {outcome.action.value}, see {outcome.folder / REPORT}", *notes]
