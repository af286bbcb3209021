"""What a mend did, on the terminal: a table that grows while dates are asked about, then the details."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console

from spx_data.cli.outcomes import printed
from spx_data.cli.screen import SafeConsole
from spx_data.ops.mend import Outcome
from spx_data.ops.recheck.report import NAME

_STYLES = {"complete": "green", "mended": "green", "nothing new": "yellow", "not mended": "bold red"}


def print_outcomes(outcomes: Iterable[Outcome], console: Console | None = None) -> bool:
    """Print each outcome as it comes, then the reports and errors; says whether nothing failed."""
    console = console or SafeConsole(highlight=False)
    done = printed(
        outcomes, console, headings=("lacked", "lacks", "rows", "requests"), cells=_cells, details=_details
    )
    console.print(_totals(done), soft_wrap=True)
    return all(outcome.error is None for outcome in done)


def _cells(outcome: Outcome) -> tuple[str, ...]:
    word = _word(outcome)
    found = f"[{_STYLES[word]}]{word}[/]"
    if outcome.error is not None:
        return outcome.date.isoformat(), found, type(outcome.error).__name__, "–", "–", f"{outcome.asked:,}"
    before, after = outcome.before, outcome.after or outcome.before
    assert before is not None
    assert after is not None
    rows = f"+{outcome.gain.rows:,}" if outcome.gain.rows else "–"
    return outcome.date.isoformat(), found, _lacks(before), _lacks(after), rows, f"{outcome.asked:,}"


def _word(outcome: Outcome) -> str:
    if outcome.error is not None:
        return "not mended"
    if outcome.was_complete:
        return "complete"
    return "nothing new" if outcome.after is None else "mended"


def _lacks(passport: Mapping[str, Mapping[str, object]]) -> str:
    """The chains of a day that are not whole, by their states; and what else it does not know."""
    told = passport["completeness"]
    states: Mapping[str, int] = told["chains"]  # type: ignore[assignment]
    chains = [f"{count:,} {state}" for state, count in states.items() if count and state != "whole"]
    return ", ".join(chains) or ("nothing" if told["complete"] else "of its listing")


def _details(outcome: Outcome) -> list[str]:
    """What does not fit into a table: where the version before is, what is still unknown, the error."""
    if outcome.error is not None:
        return [str(outcome.error)]
    passport = outcome.after or outcome.before
    assert passport is not None
    still = passport["completeness"]["unknown"]
    more = len(still) - 1 + passport["completeness"]["unknown_more"]
    told = [f"still unknown: {still[0]}" + (f", and {more:,} more" if more else "")] if still else []
    if outcome.folder is not None:
        told.insert(0, f"{outcome.date}: the version before is kept, see {outcome.folder / NAME}")
    return told


def _totals(outcomes: list[Outcome]) -> str:
    if not outcomes:
        return "no incomplete day to mend"
    words = [_word(outcome) for outcome in outcomes]
    counts = ", ".join(f"{words.count(word):,} {word}" for word in dict.fromkeys(words))
    return f"{len(outcomes):,} asked about again: {counts}"
