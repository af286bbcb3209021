"""What stopped and failed runs left behind, each as a task: what to tidy up, why and how.

By the names that this project gives: nothing else is looked at. Temporary files: what is being written when a
process dies, checkpoints of dates that are sealed by now, pages of dates that are not any more, lakes aside,
notes. Failed outputs: in the output tree, files that make no sealed day; in the temp directory, checkpoints
that no run of today's settings would take up. The caller has made sure that no run is in progress.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from spx_data.errors import SpxDataError
from spx_data.fill.listing import Listing, Manifest
from spx_data.lake.verify import Damage, Examination, Finding, Standing, examine, quarantine
from spx_data.settings import Settings
from spx_data.sources.catalogue import AUTO, capabilities
from spx_data.store import files, names, reads, seals, staging, tree
from spx_data.store.layout import Layout
from spx_data.store.names import Checkpoint
from spx_data.store.tree import Tree

_log = logging.getLogger(__name__)
# Commands that are no run may be writing outside of the output and the temp directory this very moment.
_QUIET_SECONDS = 3600
STAGED = "staged for the next run"
_EMPTY = "an empty folder"
_STALE = "staged under other settings: it would be fetched again"


class Action(StrEnum):
    """What is done with a path."""

    REMOVE = "remove"
    QUARANTINE = "quarantine"
    COMPRESS = "compress"
    SHORTEN = "shorten"  # requests are left out of a compressed journal


@dataclass(frozen=True)
class Task:
    """What to do with *path*, a file or a folder that holds so many *files* and *bytes*.

    *do* does it and returns the bytes that are free now.
    """

    path: Path
    action: Action
    reason: str
    files: int
    bytes: int
    do: Callable[[], int] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Done:
    """A task and what came of it: bytes that it freed (None: it was only planned), or what got in the way."""

    task: Task
    freed: int | None = None
    error: str | None = None


def carry_out(task: Task) -> Done:
    """Do *task*; whatever gets in the way is reported, never raised."""
    try:
        return Done(task, task.do())
    except Exception as error:  # the other tasks are done all the same
        if not isinstance(error, SpxDataError):
            _log.debug("%s: %s", task.path, traceback.format_exc())
        return Done(task, 0, f"{type(error).__name__}: {error}")


def removal(path: Path, reason: str, *, top: Path) -> Task:
    """The task to remove *path*, and the folders below *top* that it leaves empty."""
    count, size = weight(path)

    def remove() -> int:
        files.remove(path)
        files.remove_empty(path.parent, top)
        return size

    return Task(path, Action.REMOVE, reason, count, size, remove)


def weight(path: Path) -> tuple[int, int]:
    """How many files *path* is or holds, and their bytes."""
    sizes = [inner.lstat().st_size for inner in walk(path)]
    return len(sizes), sum(sizes)


def walk(path: Path) -> Iterator[Path]:
    """Every file in *path*, or *path* itself; links are not followed."""
    if path.is_dir() and not path.is_symlink():
        for inner in sorted(path.iterdir()):
            yield from walk(inner)
    elif path.exists() or path.is_symlink():
        yield path


def temp_files(settings: Settings) -> Iterator[Task]:
    """Whatever was of use only while a run lasted."""
    there = settings.layout
    for path in (there.terminal_down, files.part_of(there.terminal_down)):
        if path.exists():
            yield removal(path, "a note of the last run", top=there.temp)
    yield from _aside(there)
    for date in there.staged_dates():
        yield from scratch(settings, date)
    yield from _pages(settings)
    yield from _torn_elsewhere(settings)


def scratch(settings: Settings, date: dt.date) -> Iterator[Task]:
    """What a date's folder in the temp directory holds in vain."""
    there = settings.layout
    folder, sealed = there.staging(date), seals.is_sealed(there.parquet(date))
    ours = there.staged_files(date)
    if folder.is_dir() and not any(folder.iterdir()):
        yield removal(folder, _EMPTY, top=there.temp)
    elif ours and sealed and not settings.keep_ndjson:
        yield _staged_removal(folder, ours, "its date is sealed")
    else:
        for path in ours:
            if path.suffix == files.PART:
                yield removal(path, "its writing was cut short", top=there.temp)
            elif path.suffix == ".ndjson" and not sealed and not Checkpoint.of(path).receipt.exists():
                yield removal(path, "without a receipt it does not count", top=there.temp)


def _staged_removal(folder: Path, ours: Sequence[Path], reason: str) -> Task:
    """The task to remove what the fill put into a date's *folder*; what somebody else did stays, and it."""
    sizes = [weight(path)[1] for path in ours]

    def remove() -> int:
        staging.clear(folder)
        return sum(sizes)

    return Task(folder, Action.REMOVE, reason, len(ours), sum(sizes), remove)


def _aside(there: Layout) -> Iterator[Task]:
    """The lakes aside that a recheck or a mend left behind; what is no file of a lake stays in them."""
    from spx_data.ops.recheck import versions

    for name in (versions.RECHECK, versions.MEND):
        aside = there.aside(name)
        folder = aside.database.parent
        if not folder.is_dir() and not aside.data.is_dir():
            continue
        ours = versions.everything(aside)
        size = sum(weight(path)[1] for path in ours)
        if ours or not any(weight(folder)):
            reason = f"fetched again by a {name} that did not end" if ours else _EMPTY
            remove = partial(_drop_aside, aside, size)
            yield Task(folder, Action.REMOVE, reason, len(ours), size, remove)


def _drop_aside(aside: Layout, size: int) -> int:
    from spx_data.ops.recheck import versions

    versions.drop_all(aside)
    return size


def _pages(settings: Settings) -> Iterator[Task]:
    """Pages that show a day which is not there any more."""
    there = settings.layout
    for path in there.day_pages():
        if not seals.is_sealed(there.parquet(dt.date.fromisoformat(path.stem))):
            yield removal(path, "a page of a date that is not sealed", top=there.dashboard.parent)


def _torn_elsewhere(settings: Settings) -> Iterator[Task]:
    """Files in the data directory whose writing was cut short, some time ago."""
    there = settings.layout
    found = [files.part_of(path) for path in (there.run_note, there.database)]
    for folder in (there.cache, there.logs, there.lake_journal.parent, there.dashboard.parent):
        found += folder.rglob(f"*{files.PART}")
    for path in sorted(found):
        if path.is_file() and time.time() - path.stat().st_mtime > _QUIET_SECONDS:
            yield removal(path, "its writing was cut short", top=path.parent)


def failed_outputs(settings: Settings) -> Iterator[Task]:
    """Whatever makes no sealed day and never will."""
    there = settings.layout
    if (path := files.part_of(there.dataset)).exists():
        yield removal(path, "its writing was cut short", top=there.output)
    for folder in sorted(there.output.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]/[0-9][0-9]")):
        if not folder.is_dir():
            continue
        for path in sorted(folder.glob(f"*{files.PART}")):
            target = path.with_name(path.name.removesuffix(files.PART))
            if (date := names.named_date(target)) and target in there.day_files(date):
                yield removal(path, "its writing was cut short", top=there.output)
        if not any(folder.iterdir()):
            yield removal(folder, _EMPTY, top=there.output)
    for date in sorted({*tree.dates(there), *there.staged_dates()}):
        yield from failed_output(settings, date)


def failed_output(settings: Settings, date: dt.date) -> Iterator[Task]:
    """Files of one date that make no sealed day, and checkpoints of it that no run would take up."""
    if not seals.is_sealed(settings.layout.parquet(date)):
        yield from _remains(settings, date)
        yield from _stale(settings, date)


def _remains(settings: Settings, date: dt.date) -> Iterator[Task]:
    """Some of a date's files, which make no sealed day."""
    there = settings.layout
    if not any(path.exists() for path in there.day_files(date)):
        return
    found = examine(there, date, "bytes")
    if found.standing is Standing.UNFINISHED:
        if _can_be_made_again(settings, date):
            for path in there.day_files(date):
                if path.is_file():
                    reason = "its publication never ended, and what it is made of is staged"
                    yield removal(path, reason, top=there.output)
            return
        found = replace(found, findings=(Finding(Damage.SIDECAR_LOST, "its publication never ended"),))
    if found.standing in {Standing.DAMAGED, Standing.UNFINISHED}:
        yield _quarantine(settings, date, found)


def _quarantine(settings: Settings, date: dt.date, found: Examination) -> Task:
    there = settings.layout
    weights = [weight(path) for path in there.day_files(date)]

    def move_away() -> int:
        quarantine(there, date, found)
        files.remove_empty(there.parquet(date).parent, there.output)
        return 0

    return Task(
        there.parquet(date).parent,
        Action.QUARANTINE,
        f"no sealed day: {', '.join(found.damages)}",
        sum(count for count, _ in weights),
        sum(size for _, size in weights),
        move_away,
    )


def _can_be_made_again(settings: Settings, date: dt.date) -> bool:
    """Whether all that the date's Parquet is made of is staged whole."""
    there = settings.layout
    try:
        manifest = Manifest.of_json(reads.read_json(there.manifest(date)))
    except SpxDataError:
        return False
    return all(
        staging.staged(
            there.checkpoint(date, entry.chain.root, entry.chain.expiration), manifest.listing.identity(entry)
        )
        for entry, _ in manifest.chains()
    )


def _stale(settings: Settings, date: dt.date) -> Iterator[Task]:
    """Checkpoints that do not belong to the date's listing, or all of them where that is of other settings.

    A date without a listing that can be read gets a new one, which may well be theirs.
    """
    there = settings.layout
    try:
        listing = Listing.of_json(reads.read_json(there.listing(date)))
    except SpxDataError:
        return
    if not _is_todays(settings, listing):
        if ours := there.staged_files(date):
            yield _staged_removal(there.staging(date), ours, _STALE)
        return
    known = {listing.identity(entry) for entry in listing.chains}
    for path in there.receipts(date):
        receipt = staging.read_receipt(path)
        if receipt is None or receipt.listing not in known:
            yield removal(path, _STALE, top=there.temp)
            vouched_for = Checkpoint.of(path)
            for other in (vouched_for.records, vouched_for.rejects):
                if other.exists():
                    yield removal(other, _STALE, top=there.temp)


def _is_todays(settings: Settings, listing: Listing) -> bool:
    """Whether a run of today's settings would take *listing* up."""
    if settings.terminal.api not in {AUTO, listing.api}:
        return False
    version = capabilities(listing.api).greeks_version(settings.terminal.greeks_version)
    return listing.dataset == settings.identity(version)


def staged(settings: Settings) -> list[Task]:
    """The folders of dates that the next run can take up, each as a task to remove it."""
    there = settings.layout
    return [
        _staged_removal(there.staging(date), ours, STAGED)
        for date in there.staged_dates()
        if (ours := there.staged_files(date)) and not seals.is_sealed(there.parquet(date))
    ]


def strangers(there: Layout) -> Tree:
    """What is no part of the lake, in the output tree and in the dates' folders of the temp directory."""
    walked = tree.walk(there)
    beside = [stranger for date in there.staged_dates() for stranger in tree.beside(there.staging(date))]
    return replace(walked, strangers=(*walked.strangers, *beside))
