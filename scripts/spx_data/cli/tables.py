"""Tables on the terminal: the same for the command and for the end of a run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from spx_data.cli.screen import SafeConsole
from spx_data.lake.session_states import Kind
from spx_data.settings import Quality, Settings
from spx_data.status import Overview, Summary
from spx_data.status.failures import FAILING, groups
from spx_data.status.quality import habits, standing
from spx_data.text.words import counted, pasted, points

if TYPE_CHECKING:
    from spx_data.ops.health import Check
    from spx_data.status.failures import Group
    from spx_data.status.habits import Habits

_NEWEST = 15
STYLES = {
    Kind.SEALED: "green",
    Kind.MISSING: "dim",
    Kind.PARTIAL: "yellow",
    Kind.FAILED: "bold red",
    Kind.PARKED: "bold red",
    Kind.NO_DATA: "cyan",
    Kind.PENDING: "dim",
    Kind.CORRUPT: "bold red",
    Kind.ACCEPTED: "cyan",
}
VERDICTS = {"good": "green", "warn": "yellow", "fail": "bold red"}


def print_outcome(
    overview: Overview, settings: Settings, moment: dt.datetime, overlays: Sequence[Path] = ()
) -> None:
    """Print the overview and what needs somebody: the end of a run with these config files laid over ours."""
    from spx_data.ops.health import Scene, alerts

    print_overview(overview, settings)
    print_alerts(alerts(Scene(settings, moment, overview.dates)), overlays=overlays)


def print_overview(overview: Overview, settings: Settings, console: Console | None = None) -> None:
    """Print the newest dates, every failed one, and the totals; dates that fail alike are one line."""
    console = console or SafeConsole(highlight=False)
    newest = {line.date for line in overview.dates[-_NEWEST:]}
    alike = {group.dates[-1]: group for group in groups(overview.dates)}
    shown = [
        line for line in overview.dates if line.date in (alike if line.state.kind in FAILING else newest)
    ]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("date", no_wrap=True)
    for heading in ("expirations", "contracts", "rows", "MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("state", overflow="fold")
    found = habits(overview.dates)
    for line in shown:
        table.add_row(*_cells(line, settings.quality, found, alike.get(line.date)))
    console.print(table)
    if older := len(overview.dates) - len(shown) - sum(len(group.dates) - 1 for group in alike.values()):
        console.print(f"… and {older} older dates", style="dim")
    console.print(_totals(overview), soft_wrap=True)
    places = f"Parquet in {settings.layout.output}, status log in {settings.layout.database}"
    console.print(places, style="dim", markup=False, soft_wrap=True)


def print_alerts(
    alerts: Iterable[Check], console: Console | None = None, *, overlays: Sequence[Path] = ()
) -> None:
    """Print what needs somebody, or may do so, each with its cure in a line of its own."""
    console = console or SafeConsole(highlight=False)
    for check in alerts:
        style = {"fail": "bold red", "notice": "cyan"}.get(check.level, "yellow")
        console.print(f"{check.level}: {check.found}", style=style, markup=False, soft_wrap=True)
        console.print(f"→ {pasted(check.cure, overlays)}", markup=False, soft_wrap=True)


def _cells(line: Summary, rules: Quality, habits: Habits, alike: Group | None) -> tuple[str, ...]:
    state, facts, style = line.state, line.facts, STYLES[line.state.kind]
    words = state.words
    if state.kind is Kind.SEALED:
        score, verdict = standing(facts.quality, rules, habits)
        if line.lack:
            words, style = f"{words}, {line.lack}", "yellow"
        elif facts.contracts_missing:
            words, style = f"{words}, {facts.contracts_missing:,} contracts missing", "yellow"
        if score is not None and verdict is not None and verdict != "good" and score < rules.warn_below:
            words, style = f"{words}, score {points(score)}", VERDICTS[verdict]
    if alike and len(alike.dates) > 1:
        cure = f" → {state.cure}" if state.cure else ""
        words = f"and {counted(len(alike.dates) - 1, 'date')} more since {alike.dates[0]}: {words}{cure}"
    return (
        line.date.isoformat(),
        f"{facts.chains:,}" if facts.chains else "–",
        f"{facts.contracts:,}" if facts.contracts is not None else "–",
        f"{facts.rows:,}" if facts.rows else "–",
        f"{facts.bytes / 1e6:,.1f}" if facts.bytes else "–",
        f"[{style}]{escape(words)}[/]",
    )


def _totals(overview: Overview) -> str:
    counts = [f"{overview.count(kind):,} {kind.value}" for kind in Kind if overview.count(kind)]
    last = (
        f", last activity {overview.last_activity[:16].replace('T', ' ')} UTC"
        if overview.last_activity
        else ""
    )
    size = f"{overview.rows:,} rows sealed in {overview.bytes / 1e6:,.1f} MB"
    lacking = f"; {incomplete(overview.incomplete)}" if overview.incomplete else ""
    return f"{', '.join(counts) or 'no sessions in the range'}; {size}{last}{lacking}"


def incomplete(count: int) -> str:
    """How many sealed dates lack something, and what does something about it."""
    are = "date is" if count == 1 else "dates are"
    return f"{count:,} sealed {are} incomplete: spx-data mend asks again for what is lacking"
