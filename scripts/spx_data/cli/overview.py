"""`spx-data status`: what stands where, and what needs you."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import Call
from spx_data.cli.output import Format, console, format_option, print_document

if TYPE_CHECKING:
    from spx_data.ops.health import Check, Scene
    from spx_data.status import Overview
    from spx_data.store.tree import Tree

# `status` is looked at often: a terminal that is slower than this is told to be silent.
_TERMINAL_SECONDS = 1.0
_STYLES = {"ok": "default", "notice": "cyan", "warn": "yellow", "fail": "bold red"}


@click.command(short_help="Show what stands where, and the run at work.")
@format_option("table", "json")
@click.option("--offline", is_flag=True, help="Leave the terminal alone.")
@click.option("--watch", is_flag=True, help="Show the run at work until it ends, whoever started it.")
@click.pass_obj
def status(call: Call, form: Format, offline: bool, watch: bool) -> None:
    r"""Show what is sealed, what is missing, the run at work and what needs you.

    The exit code is 0 whatever stands there: spx-data health is the probe that answers with its code.

    \b
    spx-data status
    spx-data status --format json --offline
    spx-data status --watch
    """
    if watch:
        _watch(call, form)
    from spx_data.lake.runs import current
    from spx_data.ops.health import Asking, Scene
    from spx_data.store import tree

    settings = call.settings
    asking = None if offline else Asking(settings.terminal, _TERMINAL_SECONDS)
    walked = tree.walk(settings.layout)
    overview = _overview(call, walked)
    run = current(settings.layout)
    # Whoever waits for the terminal now has read everything else.
    answer = asking.answer() if asking else None
    scene = Scene(settings, call.moment, overview.dates, run, answer, walked)
    if form == "json":
        _print_json(scene, overview)
    else:
        _print_table(scene, overview, call.overlays)


def _watch(call: Call, form: Format) -> None:
    from spx_data.cli.progress import watch

    if form != "table":
        raise click.UsageError("--watch is for people to look at: call it without --format")
    watch(call.settings.layout)


def _overview(call: Call, walked: Tree) -> Overview:
    from spx_data.status import overview

    return overview(call.settings, call.moment, walked)


def _print_table(scene: Scene, overview: Overview, overlays: Sequence[Path]) -> None:
    from spx_data.cli.tables import print_alerts, print_overview
    from spx_data.ops.health import alerts

    shown = console()
    print_overview(overview, scene.settings, shown)
    for check in _surroundings(scene):
        text = f"{check.name:<9} {check.found}"
        shown.print(text, style=_STYLES[check.level], markup=False, soft_wrap=True)
    print_alerts(alerts(scene), shown, overlays=overlays)


def _surroundings(scene: Scene) -> list[Check]:
    """The terminal, the disks, the status log and the run, each in a line."""
    from spx_data.ops.health import look_at

    names = ["terminal", "disk", "run"] if scene.answer else ["disk", "run"]
    if scene.tree.strangers and not scene.tree.caught:  # else they are among the alerts
        names.append("strangers")
    return [*(look_at(name, scene) for name in names), _database(scene)]


def _database(scene: Scene) -> Check:
    """When the status log was written; whether it is whole, `health` looks."""
    from spx_data.ops.health import Check, Level
    from spx_data.status.database import written_at

    at = written_at(scene.settings.layout.database)
    if at is None:
        return Check("database", Level.OK, "there is none: the next run makes it")
    return Check("database", Level.OK, f"written {at:%Y-%m-%d %H:%M} UTC")


def _print_json(scene: Scene, overview: Overview) -> None:

    print_document(_document(scene, overview))


def _document(scene: Scene, overview: Overview) -> dict[str, Any]:
    """Everything `status` knows, as `docs/output.md` lists it."""
    from spx_data.lake.session_states import Kind
    from spx_data.ops.health import alerts
    from spx_data.ops.health.machine import disks
    from spx_data.status.database import written_at
    from spx_data.text.words import printable

    layout, answer, run = scene.settings.layout, scene.answer, scene.run
    at, walked = written_at(layout.database), scene.tree
    return {
        "at": _iso(scene.moment),
        "last_activity": overview.last_activity,
        "dates": {kind.value: overview.count(kind) for kind in Kind},
        "incomplete": overview.incomplete,
        "rows": overview.rows,
        "bytes": overview.bytes,
        "disks": [
            {
                "directories": list(one.names),
                "free_bytes": one.free,
                "total_bytes": one.total,
                "free_percent": round(one.percent, 1),
            }
            for one in disks(layout)
        ],
        "database": {
            "path": str(layout.database),
            "written_at": _iso(at) if at else None,
        },
        "strangers": {
            "files": walked.files,
            "caught": walked.caught,
            "more": walked.more,
            "paths": [printable(stranger.path) for stranger in walked.strangers],
        },
        "terminal": answer
        and {
            "status": answer.word,
            "base_url": answer.base_url,
            "api": answer.api,
            "latency_ms": None if answer.seconds is None else round(1000 * answer.seconds, 1),
            "error": str(answer.error) if answer.error else None,
        },
        "run": run
        and {
            "name": run.name,
            "pid": run.pid,
            "started_at": _iso(run.started_at),
            "dates": len(run.dates),
            "dates_sealed": sum(line.date in scene.at_work for line in scene.sealed),
        },
        "alerts": [check.as_row() for check in alerts(scene)],
    }


def _iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")
