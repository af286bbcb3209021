"""`spx-data cleanup`: what is left over goes, and every path is named before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import Call
from spx_data.cli.lists import List, View
from spx_data.cli.output import ask, console, say
from spx_data.cli.table import Column
from spx_data.text.words import count, counted, printable, quoted, size

_MOVED_AT_ONCE = 20
LEFTOVERS = List(
    (
        Column("path", "path", wraps=True),
        Column("action", "action"),
        Column("files", "files", count, rank=1, right=True),
        Column("bytes", "size", size, right=True),
        Column("reason", "reason", wraps=True),
    ),
    fields=("path", "action", "files", "bytes", "freed_bytes", "reason", "error"),
    empty="nothing to clean up",
)

if TYPE_CHECKING:
    from spx_data.ops.cleanup import Choice, Done, Report
    from spx_data.store.tree import Stranger, Tree


@click.command(short_help="Remove leftovers and old logs.")
@click.option(
    "--temp-files",
    is_flag=True,
    help="Scratch files, checkpoints of sealed dates, pages of dates that are no longer sealed.",
)
@click.option(
    "--failed-outputs",
    is_flag=True,
    help="Files of no sealed day (quarantined if they could be data), checkpoints of other settings.",
)
@click.option("--logs", is_flag=True, help="Old logs and journals, as `retention` in the config says.")
@click.option(
    "--staged",
    is_flag=True,
    help="Also checkpoints that the next run could use; it fetches them again. Asks first.",
)
@click.option(
    "--dry-run", "-n", is_flag=True, help="Name each path with its size and the reason; change nothing."
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask before dropping checkpoints.")
@LEFTOVERS.options()
@click.pass_obj
def cleanup(
    call: Call,
    *,
    temp_files: bool,
    failed_outputs: bool,
    logs: bool,
    staged: bool,
    dry_run: bool,
    yes: bool,
    view: View,
) -> None:
    r"""Remove what stopped and failed runs left behind, and old logs.

    Without a choice it does all of --temp-files, --failed-outputs and --logs. A sealed day is never touched,
    nor its journal's evidence, nor anything in quarantine. What is no part of the lake stays, and is named
    with the command that moves it away. It refuses while a run is at work, and no run begins meanwhile.

    \b
    spx-data cleanup --dry-run              what would go, and why
    spx-data cleanup                        do it
    spx-data cleanup --temp-files --staged  and give up what is staged
    """
    from spx_data.ops import cleanup as cleaning

    everything = not (temp_files or failed_outputs or logs)
    choice = cleaning.Choice(
        everything or temp_files, everything or failed_outputs, everything or logs, staged
    )
    if staged and not dry_run and not yes:
        _confirm(call, choice)
    with console(stderr=True).status("looking" if dry_run else "cleaning up"):
        report = cleaning.clean(call.settings, call.moment, choice, dry_run=dry_run)
    _show(call, report, view, staged=staged, dry_run=dry_run)
    for done in report.errors:
        say(f"spx-data: {done.task.path} stays: {' '.join(str(done.error).split())}", err=True)
    if report.errors:
        raise SystemExit(1)


def _show(call: Call, report: Report, view: View, *, staged: bool, dry_run: bool) -> None:
    if not view.is_table:
        view.show(LEFTOVERS, [*map(_row, report.done), *map(_stranger, report.strangers.strangers)])
        return
    words = ("removed", "compressed", "moved to quarantine")
    if dry_run:
        view.show(LEFTOVERS, map(_row, report.done))
        words = ("to remove", "to compress", "to move to quarantine")
    told = () if dry_run and not report.done else _summary(report, *words)
    for line in (
        *told,
        *_kept(report, staged),
        *_left_alone(report.strangers, call.settings.layout.strangers),
    ):
        view.tell(line)


def _confirm(call: Call, choice: Choice) -> None:
    """Ask whether what is staged may go; without anything staged there is nothing to ask."""
    from spx_data.ops import cleanup as cleaning

    going = [
        done.task
        for done in cleaning.clean(call.settings, call.moment, choice, dry_run=True).done
        if done.task.reason == cleaning.STAGED
    ]
    if going:
        dates, total = counted(len(going), "date"), size(sum(task.bytes for task in going))
        ask(f"Drop what is staged of {dates} ({total})? It would be fetched again", err=True)


def _row(done: Done) -> dict[str, Any]:
    task = done.task
    return {
        "path": str(task.path),
        "action": str(task.action),
        "files": task.files,
        "bytes": task.bytes,
        "freed_bytes": done.freed,
        "reason": task.reason,
        "error": done.error,
    }


def _stranger(stranger: Stranger) -> dict[str, Any]:
    """What is no part of the lake, as a row that nothing is done about."""
    return {
        "path": printable(stranger.path),
        "action": "leave",
        "files": stranger.files,
        "bytes": None,
        "freed_bytes": None,
        "reason": "no part of this lake",
        "error": None,
    }


def _summary(report: Report, removed: str, compressed: str, quarantined: str) -> Iterator[str]:
    """What is done, or to be done, in a line or two."""
    from spx_data.ops.cleanup import Action

    said = {
        Action.REMOVE: removed,
        Action.COMPRESS: compressed,
        Action.SHORTEN: f"{compressed} without old requests",
        Action.QUARANTINE: quarantined,
    }
    well = [done for done in report.done if not done.error]
    for action, words in said.items():
        tasks = [done.task for done in well if done.task.action is action]
        if tasks:
            files, bytes_ = sum(task.files for task in tasks), sum(task.bytes for task in tasks)
            what = (
                f"{counted(files, 'file')}, {size(bytes_)}" if files else counted(len(tasks), "empty folder")
            )
            yield f"{words}: {what}"
    if freed := sum(done.freed or 0 for done in well):
        yield f"{size(freed)} freed"
    if not report.done:
        yield "nothing to clean up"


def _kept(report: Report, staged: bool) -> Iterator[str]:
    if report.staged_dates and not staged:
        dates = counted(report.staged_dates, "date")
        yield f"kept: {dates}, {size(report.staged_bytes)} staged for the next run; --staged drops them too"


def _left_alone(found: Tree, target: Path) -> Iterator[str]:
    """What is no part of the lake, and the command that moves it out of the way."""
    if not found.strangers:
        return
    yield f"{found.words}. They stay; to move them out of the way (nothing is overwritten):"
    shown, place = found.strangers[:_MOVED_AT_ONCE], quoted(target)
    yield f"`mkdir -p {place} && mv -n {' '.join(_argument(stranger) for stranger in shown)} {place}/`"
    if len(shown) < len(found.strangers) or found.more:
        yield "then run this again: there are more"


def _argument(stranger: Stranger) -> str:
    """A path as an argument, also where it begins with a dash."""
    path = quoted(stranger.path)
    return f"./{path}" if str(stranger.path).startswith("-") else path
