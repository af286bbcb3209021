"""`spx-data status` and `health`: what stands where, and what needs you; the same at the end of a run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import Call
from spx_data.cli.lists import List, View, gathered, show_document
from spx_data.cli.output import Format, console, format_option, print_table, print_words, say
from spx_data.cli.table import STATES, VERDICTS, Column, Row
from spx_data.lake.alike import OUTAGE
from spx_data.text.words import count, counted, points, printable

if TYPE_CHECKING:
    from rich.console import Console

    from spx_data.ops.health import Check, Scene
    from spx_data.ops.health.machine import Disk
    from spx_data.ops.health.scene import Answer
    from spx_data.ops.publish import Known
    from spx_data.settings import Quality, Settings
    from spx_data.status import Overview, Summary
    from spx_data.status.failures import Group
    from spx_data.status.quality import Habits
    from spx_data.store.tree import Tree

# `status` is looked at often: a terminal that is slower than this is told to be silent.
_TERMINAL_SECONDS = 1.0
_NEWEST, _FEWEST = 15, 3  # dates; of each lake, where there are many
LEVELS = {"ok": "green", "notice": "cyan", "warn": "yellow", "fail": "bold red"}


# status -----------------------------------------------------------------------------------------------------


@click.command(short_help="Show the lake and the current run.")
@format_option("table", "json")
@click.option("--offline", is_flag=True, help="Do not ask the terminal.")
@click.option("--watch", is_flag=True, help="Watch the current run, or the next one, until it ends.")
@click.pass_obj
def status(call: Call, form: Format, offline: bool, watch: bool) -> None:
    r"""Show what is sealed, what is missing, the run at work and what needs you, the newest date first.

    With --watch, Ctrl-C ends the watching, not the run. Always exits 0; spx-data health exits 1 when
    something needs you.

    \b
    spx-data status
    spx-data status --format json --offline
    spx-data status --watch
    """
    if watch and not _watched(call, form):
        return
    gathered(lambda: _status(call, form, offline))


def _status(call: Call, form: Format, offline: bool) -> None:
    from spx_data.lake.runs import current
    from spx_data.ops.health import Scene, alerts
    from spx_data.status import overview as overview_of
    from spx_data.store import tree

    settings = call.settings
    asking = None if offline else call.ask(settings.terminal, _TERMINAL_SECONDS)
    walked = tree.walk(settings.layout)
    overview = overview_of(settings, call.moment, walked)
    run = current(settings.layout)
    # Everything else is read before the terminal is waited for.
    answer = asking.answer() if asking else None
    scene = Scene(settings, call.moment, overview.dates, run, answer, walked)
    known = _published(call, scene)
    if form == "json":
        document = _document(scene, overview) | {"published": known and known.as_json()}
        show_document(document)
        return
    if call.several:
        _tell(scene, overview, known, len(call.lakes))
        return
    shown = console()
    print_overview(overview, settings, shown)
    for check in _surroundings(scene, known):
        # What is as it should be needs no colour here.
        style = "" if check.level == "ok" else LEVELS[check.level]
        print_words(f"{check.name:<9} {check.found}", shown, style)
    print_alerts(alerts(scene), shown)


def _published(call: Call, scene: Scene) -> Known | None:
    """What is known of what is published, where days are to be."""
    from spx_data.ops import publish

    place = publish.place_of(scene.settings, None, several=call.lakes.several)
    sealed = [line.date for line in scene.sealed]
    return publish.look(scene.settings.layout, place, sealed) if place else None


def _tell(scene: Scene, overview: Overview, known: Known | None, lakes: int) -> None:
    """Show one of so many *lakes*: its newest dates in the table of all, and below it the rest."""
    from spx_data.ops.health import alerts

    view = View()
    rows, lines = _overview(overview, scene.settings, max(_NEWEST // lakes, _FEWEST))
    view.show(_OF_ALL, rows)
    for line, style in lines:
        view.tell(line, style)
    for check in _surroundings(scene, known):
        view.tell(f"{check.name}: {check.found}", "" if check.level == "ok" else LEVELS[check.level])
    for check in alerts(scene):
        view.tell(f"{check.level}: {check.found} → {check.cure}", LEVELS[check.level])


def _watched(call: Call, form: Format) -> bool:
    """Watch a run; says whether it came to its end, and not the person's patience."""
    from spx_data.cli.progress import watch
    from spx_data.lake.runs import current

    if form != "table":
        raise click.UsageError("--watch has no --format: it draws a live view")
    try:
        watch(call.layouts)
    except KeyboardInterrupt:
        if any(map(current, call.layouts.values())):
            say("the run goes on: `spx-data stop` ends it")
        return False
    return True


def _surroundings(scene: Scene, known: Known | None) -> list[Check]:
    """The terminal, the disks, the run, what is published and the status log, each in a line."""
    from spx_data.ops.health import Check, Level, look_at

    names = ["terminal", "disk", "run"] if scene.answer else ["disk", "run"]
    if scene.tree.strangers and not scene.tree.caught:  # else they are among the alerts
        names.append("strangers")
    level = Level.NOTICE if known and known.lacking else Level.OK
    told = [Check("published", level, known.words)] if known else []
    return [*(look_at(name, scene) for name in names), *told, _database(scene)]


def _database(scene: Scene) -> Check:
    """When the status log was written; whether it is whole, `health` looks."""
    from spx_data.ops.health import Check, Level
    from spx_data.status.database import written_at

    at = written_at(scene.settings.layout.database)
    if at is None:
        return Check("database", Level.OK, "none yet: the next run writes it")
    return Check("database", Level.OK, f"written {at:%Y-%m-%d %H:%M} UTC")


def _document(scene: Scene, overview: Overview) -> dict[str, Any]:
    """Everything `status` knows, as `docs/output.md` lists it."""
    from spx_data.lake.session_states import Kind
    from spx_data.ops.health import alerts
    from spx_data.ops.health.machine import disks
    from spx_data.sources import outage
    from spx_data.status.database import written_at

    layout, answer, run = scene.settings.layout, scene.answer, scene.run
    at = written_at(layout.database)
    away = run and outage.of_run(layout, run.name)
    return {
        "at": _iso(scene.moment),
        "last_activity": overview.last_activity,
        "dates": {kind.value: overview.count(kind) for kind in Kind},
        "incomplete": overview.incomplete,
        "rows": overview.rows,
        "bytes": overview.bytes,
        "disks": list(map(_disk, disks(layout))),
        "database": {"path": str(layout.database), "written_at": _iso(at) if at else None},
        "strangers": _strangers(scene.tree),
        "terminal": answer and _terminal(answer),
        "run": run
        and {
            "name": run.name,
            "pid": run.pid,
            "started_at": _iso(run.started_at),
            "dates": len(run.dates),
            "dates_sealed": sum(line.date in scene.at_work for line in scene.sealed),
            "outage": away
            and {
                "since": _iso(away.since),
                "asking_again_at": _iso(away.again) if away.again else None,
                "giving_up_at": _iso(away.until),
            },
        },
        "alerts": [check.as_row() for check in alerts(scene)],
    }


def _disk(disk: Disk) -> Row:
    return {
        "directories": list(disk.names),
        "free_bytes": disk.free,
        "total_bytes": disk.total,
        "free_percent": round(disk.percent, 1),
    }


def _strangers(walked: Tree) -> Row:
    return {
        "files": walked.files,
        "caught": walked.caught,
        "more": walked.more,
        "paths": [printable(stranger.path) for stranger in walked.strangers],
    }


def _terminal(answer: Answer) -> Row:
    return {
        "status": answer.word,
        "base_url": answer.base_url,
        "api": answer.api,
        "latency_ms": None if answer.seconds is None else round(1000 * answer.seconds, 1),
        "error": str(answer.error) if answer.error else None,
    }


def _iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")


# At the end of a run ----------------------------------------------------------------------------------------


def print_outcome(overview: Overview, settings: Settings, moment: dt.datetime) -> list[Check]:
    """Print the overview and what needs somebody, or may do so, which is returned: the end of a run."""
    from spx_data.ops.health import Scene, alerts

    print_overview(overview, settings)
    found = alerts(Scene(settings, moment, overview.dates))
    print_alerts(found)
    return found


_OVERVIEW = (
    Column("date", "date"),
    Column("chains", "expirations", count, rank=2, right=True),
    Column("contracts", "contracts", count, rank=3, right=True),
    Column("rows", "rows", count, rank=1, right=True),
    Column("megabytes", "MB", "{:,.1f}".format, rank=4, right=True),
    Column("words", "state", wraps=True, style=lambda row: row["style"]),
)


_OF_ALL = List(_OVERVIEW, empty="no sessions in the range", order="-date")


def print_overview(overview: Overview, settings: Settings, to: Console | None = None) -> None:
    """Print the newest dates, every failed one, and the totals; dates that fail alike are one line."""
    to = to or console()
    rows, lines = _overview(overview, settings, _NEWEST)
    print_table(rows, _OVERVIEW, to, instead="`spx-data list`")
    for line, style in lines:
        print_words(line, to, style)


def _overview(overview: Overview, settings: Settings, most: int) -> tuple[list[Row], list[tuple[str, str]]]:
    """The rows of the table, with the *most* newest dates; and the lines below it with their styles."""
    from spx_data.status.failures import FAILING, groups
    from spx_data.status.quality import habits

    newest = {line.date for line in overview.dates[-most:]}
    alike = {group.dates[-1]: group for group in groups(overview.dates)}
    shown = [
        line for line in overview.dates if line.date in (alike if line.state.kind in FAILING else newest)
    ]
    found = habits(overview.dates)
    rows = [_row(line, settings.quality, found, alike.get(line.date)) for line in reversed(shown)]
    lines = []
    if older := len(overview.dates) - len(shown) - sum(len(group.dates) - 1 for group in alike.values()):
        lines.append((f"… and {older} older dates", "dim"))
    lines.append((_totals(overview), ""))
    lines.append((f"Parquet in {settings.layout.output}, status log in {settings.layout.database}", "dim"))
    return rows, lines


def _row(line: Summary, rules: Quality, habits: Habits, alike: Group | None) -> Row:
    from spx_data.status.quality import standing

    state, facts, style = line.state, line.facts, STATES[line.state.kind]
    words = state.words
    if state.kind == "sealed":
        score, verdict = standing(facts.quality, rules, habits)
        if line.lack:
            words, style = f"{words}, {line.lack}", "yellow"
        elif facts.contracts_missing:
            words, style = f"{words}, {facts.contracts_missing:,} contracts missing", "yellow"
        if score is not None and verdict is not None and verdict != "good" and score < rules.warn_below:
            words, style = f"{words}, score {points(score)}", VERDICTS[verdict]
    # Of an outage an alert tells all there is to tell.
    gone = state.kind == "failed" and state.error in OUTAGE
    if gone:
        words = "failed: the terminal did not answer"
    if alike and len(alike.dates) > 1:
        cure = f" → {state.cure}" if state.cure and not gone else ""
        words = f"and {counted(len(alike.dates) - 1, 'date')} more since {alike.dates[0]}: {words}{cure}"
    return {
        "date": line.date.isoformat(),
        "chains": facts.chains or None,
        "contracts": facts.contracts,
        "rows": facts.rows or None,
        "megabytes": facts.bytes / 1e6 if facts.bytes else None,
        "words": words,
        "style": style,
    }


def _totals(overview: Overview) -> str:
    from spx_data.lake.session_states import Kind

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
    return f"{count:,} sealed {are} incomplete: `spx-data mend` fetches what they lack"


def print_alerts(alerts: Iterable[Check], to: Console | None = None) -> None:
    """Print what needs somebody, or may do so, each with its cure in a line of its own."""
    to = to or console()
    for check in alerts:
        print_words(f"{check.level}: {check.found}", to, LEVELS[check.level])
        print_words(f"→ {check.cure}", to)
