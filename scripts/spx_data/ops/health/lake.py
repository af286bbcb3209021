"""The lake itself: its calendar, its dates, its identity, its status log, and what lies about in it."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spx_data.errors import ConfigurationValidationError
from spx_data.lake import calendar as calendars
from spx_data.lake.session_states import Kind
from spx_data.market import sessions
from spx_data.ops.health.check import Check, fail, gigabytes, named, ok, warn
from spx_data.ops.health.scene import Scene
from spx_data.sources import catalogue
from spx_data.status import database
from spx_data.store import archive, dataset
from spx_data.text.words import counted

# No exchange is closed for longer.
_HORIZON = dt.timedelta(days=14)
_REBUILD = "snakemake --cores 1 status"


def calendar(scene: Scene) -> Check:
    """Which session finished last, which comes next, and how far the lake's copy of the calendar reaches."""
    settings, today = scene.settings, sessions.today(scene.moment)
    near = calendars.known(settings, max(today - _HORIZON, settings.start_date), today + _HORIZON)
    finished = [session.date for session in near if session.options_close(settings.product) <= scene.moment]
    coming = [session.date for session in near if session.options_close(settings.product) > scene.moment]
    if not coming:
        raise ConfigurationValidationError(
            f"the calendar {settings.calendar} has no session in the {_HORIZON.days} days after {today}",
            cure="Update pandas-market-calendars, or set processing.calendar to another one",
            what="processing.calendar",
            reason="no session ahead",
        )
    last = f"last finished session {finished[-1]}, " if finished else "no session finished yet, "
    words = f"{settings.calendar}: {last}next {coming[0]}"
    until = calendars.known_until(settings)
    if until is None:
        cure = f"See that {settings.layout.cache} can be written to"
        return warn("calendar", f"{words}; no copy is kept, so every command loads the calendar anew", cure)
    return ok("calendar", f"{words}, known until {until}", value=(until - today).days, unit="days ahead")


def tree(scene: Scene) -> Check:
    """How many dates the tree knows, by kind."""
    counts = {kind.value: len(scene.of_kind(kind)) for kind in Kind}
    shown = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    found = f"{counted(len(scene.summaries), 'date')}: {shown}" if shown else "no session in the range yet"
    return ok("tree", found, value=len(scene.summaries), unit="dates")


def data_set(scene: Scene) -> Check:
    """Whether the lake holds the data set that the settings ask for."""
    settings, name = scene.settings, "data-set"
    dataset.check_there(settings.layout)
    if not settings.layout.dataset.exists():
        if scene.sealed:
            found = f"{settings.layout.dataset} is lost, with {counted(len(scene.sealed), 'date')} sealed"
            cure = "Take it from a copy of the lake; else the next seal writes it by the settings of then"
            return warn(name, found, cure)
        return ok(name, "not written yet: the first sealed date does it")
    api = (scene.answer and scene.answer.api) or settings.terminal.api
    wanted = settings.identity(catalogue.likely(api).greeks_version(settings.terminal.greeks_version))
    if api == catalogue.AUTO:
        del wanted["greeks_version"]  # which model it is, the terminal's API decides
    dataset.check(settings.layout, wanted)
    if scene.summaries and not scene.sealed and (date := dataset.last_sealed(settings.layout)):
        found = f"{settings.layout.dataset} is there and no sealed day; the journal has {date} as sealed"
        return warn(name, found, "See that the right disk is mounted: the next run fetches all of them anew")
    roots = ", ".join(settings.roots)
    return ok(name, f"{roots} every {settings.window.interval}, as the settings say")


def there(scene: Scene) -> Check:
    """Whether the lake is there at all, as far as the journal knows of one."""
    dataset.check_there(scene.settings.layout)
    return ok("data-set", "there")


def strangers(scene: Scene) -> Check:
    """What stands in the output tree and is no part of the lake."""
    name, tree = "strangers", scene.tree
    unsealed = tuple(date for date in tree.unsealed if date not in scene.at_work)
    numbers: dict[str, Any] = {"value": tree.files, "unit": "files", "dates": unsealed}
    found, cure = tree.words, "spx-data cleanup --dry-run says how to move them out"
    if unsealed:
        what = f"{counted(len(unsealed), 'Parquet file')} without a checksum beside it, so not sealed"
        found = f"{found}; {what}: {named(unsealed)}".removeprefix("; ")
        cure = f"{cure}; " if tree.caught else ""
        cure += "spx-data cleanup moves what is not sealed away, and the next run fetches it anew"
    if tree.caught or unsealed:
        return warn(name, found, cure, **numbers)
    return ok(name, found or "nothing but the lake is in the output directory", **numbers)


def status_log(scene: Scene) -> Check:
    """Whether the status log is ours and whole, and has every sealed date."""
    found, name = database.look(scene.settings.layout.database), "database"
    if found is None:
        return ok(name, "there is none: the next run makes it")
    path = scene.settings.layout.database
    if found.damage is not None:
        cure = f"Delete it and rebuild it from the tree: rm '{path}' && {_REBUILD}"
        return fail(name, f"{path} is damaged: {found.damage}", cure)
    words = f"{counted(len(found.dates), 'date')}, written {found.written_at:%Y-%m-%d %H:%M} UTC"
    # Whoever looks at the lake brings the log up to date: what it lacks now could not be written.
    lacking = [summary.date for summary in scene.sealed if summary.date not in found.dates]
    numbers = {"value": len(lacking), "unit": "dates lacking"}
    if lacking:
        verb = "is" if len(lacking) == 1 else "are"
        said = f"{words}; {counted(len(lacking), 'sealed date')} {verb} not in it: {named(lacking)}"
        return warn(name, said, _REBUILD, **numbers)
    return ok(name, words, **numbers)


def staging(scene: Scene) -> Check:
    """Whether checkpoints of sealed dates lie about that a seal should have removed."""
    settings, name = scene.settings, "staging"
    if settings.keep_ndjson:
        return ok(name, "checkpoints of sealed dates are kept, as processing.keep_ndjson says")
    layout = settings.layout
    staged = {
        summary.date: checkpoints
        for summary in scene.sealed
        if summary.date not in scene.at_work and (checkpoints := layout.staged_files(summary.date))
    }
    if not staged:
        return ok(name, "nothing is left of sealed dates", value=0, unit="bytes")
    left = tuple(staged)
    taken = sum(path.lstat().st_size for paths in staged.values() for path in paths)
    found = f"{gigabytes(taken)} of checkpoints are left of sealed dates: {named(left)}"
    return warn(name, found, "spx-data cleanup --temp-files", value=taken, unit="bytes", dates=left)


def logs(scene: Scene) -> Check:
    """How much the logs take, against the limit of their retention."""
    taken, limit_mb = sum(_sizes(scene.settings.layout.logs)), scene.settings.retention.logs_mb
    words = f"{gigabytes(taken)} of logs"
    if limit_mb is None:
        return ok("logs", f"{words}, without a limit", value=taken, unit="bytes")
    limit = limit_mb * 1e6
    numbers = {"value": taken, "limit": limit, "unit": "bytes"}
    if taken > limit:
        cure = "spx-data cleanup, or raise retention.logs_mb"
        return warn(
            "logs", f"{words}, more than the {gigabytes(limit)} of retention.logs_mb", cure, **numbers
        )
    return ok("logs", f"{words}, at most {gigabytes(limit)} are kept", **numbers)


def journals(scene: Scene) -> Check:
    """Whether every journal can be read to its end."""
    layout, name = scene.settings.layout, "journals"
    paths = [*layout.journals(), layout.lake_journal]
    damaged = {path.stem: damage for path in paths if (damage := archive.damage(path))}
    if not damaged:
        return ok(name, "all of them can be read", value=0, unit="files")
    of_lake = layout.lake_journal.stem
    dates = tuple(dt.date.fromisoformat(stem) for stem in damaged if stem != of_lake)
    first, more = next(iter(damaged.values())), len(damaged) - 1
    found = f"{first} (and {more:,} more)" if more else first
    cure = "What can be read of it counts. Put a copy from your backup in its place, or move it away"
    return warn(name, found, cure, value=len(damaged), unit="files", dates=dates)


def _sizes(folder: Path) -> Iterator[int]:
    """The bytes of every file in *folder*; none where it is not there."""
    for inside, _, names in os.walk(folder):
        for name in names:
            path = Path(inside, name)
            yield path.stat().st_size if path.exists() else 0
