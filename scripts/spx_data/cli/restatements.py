"""What a recheck found, on the terminal: a table that grows while dates are looked at, then the details."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape

from spx_data.cli.outcomes import printed
from spx_data.cli.screen import SafeConsole
from spx_data.ops.recheck import Outcome
from spx_data.ops.recheck.report import NAME, Finding, Kind

_STYLES = {Kind.UNCHANGED: "green", Kind.RESTATED: "bold yellow", Kind.WITHDRAWN: "bold red"}


def print_outcomes(outcomes: Iterable[Outcome], console: Console | None = None) -> bool:
    """Print each outcome as it comes, then the reports and errors; says whether all dates were rechecked."""
    console = console or SafeConsole(highlight=False)
    done = printed(outcomes, console, headings=("rows", "cells"), cells=_cells, details=_details)
    console.print(_totals(done), soft_wrap=True)
    return all(outcome.error is None for outcome in done)


def _cells(outcome: Outcome) -> tuple[str, str, str, str]:
    finding = outcome.finding
    if finding is None:
        error = type(outcome.error).__name__
        return outcome.date.isoformat(), "[bold red]not rechecked[/]", escape(error), "–"
    found = f"[{_STYLES[finding.kind]}]{finding.kind.value}[/]"
    if finding.kind is Kind.UNCHANGED:
        return outcome.date.isoformat(), found, f"{finding.differences.rows_before:,} asked", "–"
    cells = ", ".join(f"{name} {change.cells:,}" for name, change in finding.differences.columns.items())
    return outcome.date.isoformat(), found, _rows(finding), cells or "–"


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


def _details(outcome: Outcome) -> list[str]:
    """What does not fit into a table: where the report is, what became of the version, notes, the error."""
    if outcome.error is not None:
        return [str(outcome.error)]
    notes = outcome.finding.notes if outcome.finding else []
    if outcome.folder is None or outcome.action is None:
        return notes
    return [f"{outcome.date}: {outcome.action.value}, see {outcome.folder / NAME}", *notes]


def _totals(outcomes: list[Outcome]) -> str:
    if not outcomes:
        return "no sealed date to recheck"
    kinds = [outcome.finding.kind.value if outcome.finding else "not rechecked" for outcome in outcomes]
    counts = [f"{kinds.count(kind):,} {kind}" for kind in dict.fromkeys(kinds)]
    return f"{len(outcomes):,} looked at again: {', '.join(counts)}"
