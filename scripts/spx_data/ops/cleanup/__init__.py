"""What a lake no longer needs: leftovers of what was stopped or failed, and logs that have grown old.

A sealed day is never touched, nor a quarantine, nor a restatement. What could be data is moved to quarantine,
never deleted. Each task is independent of the others: one that the disk refuses stops none.

How long logs and audit records are kept, `retention` in the config says. Logs are compressed before they are
dropped. Of a sealed date's journal nothing is dropped but, on request, old requests: the rest is the evidence
of how the day came about. Journals of other dates, and the lake's, are left as they are. A log that changed
within a day may be in use and is left alone.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, repeat
from pathlib import Path

from spx_data.errors import AnotherRunError
from spx_data.lake import runs
from spx_data.ops.cleanup import leftovers
from spx_data.ops.cleanup.leftovers import STAGED, Action, Done, Task, carry_out, removal
from spx_data.settings import Retention, Settings
from spx_data.store import archive, dataset, files, journal, locks, seals
from spx_data.store.layout import Layout
from spx_data.store.names import COMPRESSED, compressed_of
from spx_data.store.tree import Tree

__all__ = ["STAGED", "Action", "Choice", "Done", "Report", "Task", "after_a_run", "clean", "clear"]
_DAY = 24 * 3600.0
_MEGABYTE = 1_000_000
# What gzip leaves of a log, for a plan: what it really leaves is known afterwards.
_COMPRESSED_SHARE = 0.15
_SECONDS_AFTER_A_RUN = 5.0
_log = logging.getLogger(__name__)
_NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)


@dataclass(frozen=True)
class Choice:
    """What to clean up; *staged* also drops what the next run could have taken up."""

    temp_files: bool = True
    failed_outputs: bool = True
    logs: bool = True
    staged: bool = False


@dataclass(frozen=True)
class Report:
    """What was done, or would be, and how many dates with how many bytes stay staged for the next run."""

    done: list[Done]
    staged_dates: int
    staged_bytes: int
    strangers: Tree

    @property
    def errors(self) -> list[Done]:
        """The tasks that could not be done."""
        return [done for done in self.done if done.error]


def clean(settings: Settings, moment: dt.datetime, choice: Choice, *, dry_run: bool = False) -> Report:
    """Do the tasks of *choice*; with *dry_run* only say which they are.

    Raises:
        AnotherRunError: a run is at work, or a job that outlived one.
        LakeMissingError: nothing of the lake is there, so nobody can say what is left over.
    """
    dataset.check_there(settings.layout)
    if dry_run:
        runs.check_idle(settings.layout)
    with nullcontext() if dry_run else runs.excluded(settings.layout):
        tasks = list(_tasks(settings, choice))
        if dry_run:
            tasks += logs_to_tidy(settings, moment) if choice.logs else []
            done = [Done(task) for task in tasks]
        else:
            done = [carry_out(task) for task in tasks]
            done += tidy_logs(settings, moment) if choice.logs else []
        staying = _staying(settings, tasks if dry_run else [])
        return Report(done, *staying, leftovers.strangers(settings.layout))


def clear(settings: Settings, dates: Iterable[dt.date]) -> list[Done]:
    """Clean up what stands in the way of trying *dates* anew; what is staged of them and fits is kept.

    Raises:
        AnotherRunError: a run is at work, or a job that outlived one.
    """
    with runs.excluded(settings.layout):
        found = [
            task
            for date in dates
            for task in (*leftovers.scratch(settings, date), *leftovers.failed_output(settings, date))
        ]
        return [carry_out(task) for task in _once(found)]


def _tasks(settings: Settings, choice: Choice) -> Iterator[Task]:
    """The tasks of *choice* but for those of logs."""
    found: list[Task] = leftovers.staged(settings) if choice.staged else []
    if choice.temp_files:
        found += leftovers.temp_files(settings)
    if choice.failed_outputs:
        found += leftovers.failed_outputs(settings)
    return _once(found)


def _once(found: Iterable[Task]) -> Iterator[Task]:
    """Each path once, by path: a folder that is removed takes along what it holds."""
    gone: set[Path] = set()
    for task in sorted(found, key=lambda task: task.path):  # a folder comes before what it holds
        if gone.isdisjoint({task.path, *task.path.parents}):
            yield task
            if task.action is Action.REMOVE:
                gone.add(task.path)


def _staying(settings: Settings, tasks: Iterable[Task]) -> tuple[int, int]:
    """How many dates, and bytes, stay staged once *tasks* are done."""
    going = {task.path: task.bytes for task in tasks}
    left = {task.path: task.bytes for task in leftovers.staged(settings) if task.path not in going}
    for path, size in going.items():
        if path.parent in left:
            left[path.parent] -= size
    return len([size for size in left.values() if size > 0]), sum(left.values())


@dataclass(frozen=True)
class Log:
    """One log as it lies on the disk; *age* in seconds."""

    path: Path
    bytes: int
    age: float

    @property
    def is_compressed(self) -> bool:
        """Whether it is compressed already."""
        return self.path.name.endswith(COMPRESSED)


def after_a_run(settings: Settings, moment: dt.datetime) -> None:
    """Apply the policy for a few seconds at most; the next run goes on. Trouble is a warning."""
    try:
        for done in tidy_logs(settings, moment, seconds=_SECONDS_AFTER_A_RUN):
            if done.error:
                _log.warning("%s stays as it is: %s", done.task.path, done.error)
    except AnotherRunError:
        _log.info("somebody else tidies the logs up")
    except Exception as error:  # the run has done its work, whatever becomes of its logs
        _log.warning("the logs were not tidied up: %s: %s", type(error).__name__, error)


def tidy_logs(settings: Settings, moment: dt.datetime, *, seconds: float | None = None) -> Iterator[Done]:
    """Do what the policy asks for, at most for so many *seconds*; what came of each task.

    Raises:
        AnotherRunError: another process is doing it.
    """
    deadline = time.monotonic() + (sys.maxsize if seconds is None else seconds)
    with locks.locked(settings.layout.lock("logs"), waiting=_refuse):
        for task in _log_tasks(settings, moment, lambda *_: logs(settings.layout, moment)):
            if time.monotonic() > deadline:
                return
            yield carry_out(task)


def logs_to_tidy(settings: Settings, moment: dt.datetime) -> Iterator[Task]:
    """What `tidy_logs` would do, as far as that can be told beforehand."""
    return _log_tasks(settings, moment, _expected)


def _log_tasks(
    settings: Settings, moment: dt.datetime, left: Callable[[list[Log], Sequence[Task]], list[Log]]
) -> Iterator[Task]:
    """The tasks one after the other: the next ones depend on which logs the last ones have *left*."""
    found = logs(settings.layout, moment)
    # What gzip leaves is known afterwards, so go on as long as anything changes.
    for rule in chain([by_age], repeat(by_size)):
        before, tasks = found, list(rule(settings.layout, found, settings.retention))
        yield from tasks
        found = left(found, tasks) if tasks else found
        if rule is by_size and found == before:
            break
    yield from journals(settings, moment)


def _refuse() -> None:
    raise AnotherRunError("another process tidies the logs up", cure="Try again when it has ended", pid=None)


def _expected(found: list[Log], tasks: Sequence[Task]) -> list[Log]:
    """The logs as *tasks* would leave them."""
    actions = {task.path: task.action for task in tasks}
    return [
        replace(log, path=compressed_of(log.path), bytes=round(log.bytes * _COMPRESSED_SHARE))
        if actions.get(log.path) is Action.COMPRESS
        else log
        for log in found
        if actions.get(log.path) is not Action.REMOVE
    ]


# Logs ---------------------------------------------------------------------------------------------------


def logs(layout: Layout, moment: dt.datetime) -> list[Log]:
    """Every log of jobs and runs, the one that changed longest ago first."""
    found = []
    for folder, _, names in os.walk(layout.logs):
        for name in names:
            if name.endswith((".log", f".log{COMPRESSED}")):
                path = Path(folder, name)
                status = path.lstat()
                found.append(Log(path, status.st_size, moment.timestamp() - status.st_mtime))
    return sorted(found, key=lambda log: (-log.age, log.path))


def by_age(layout: Layout, found: Sequence[Log], policy: Retention) -> Iterator[Task]:
    """Compress what is old, drop what is compressed and older."""
    for log in found:
        if log.is_compressed:
            if _is_older(log.age, policy.logs_days):
                yield removal(log.path, f"older than {policy.logs_days:g} days", top=layout.logs)
        elif _is_older(log.age, policy.compress_days) and log.age > _DAY:
            yield _compression(log, f"older than {policy.compress_days:g} days")


def by_size(layout: Layout, found: Sequence[Log], policy: Retention) -> Iterator[Task]:
    """Where logs take too much: compress, the oldest first; once all of them are, drop the oldest."""
    if policy.logs_mb is None:
        return
    excess = sum(log.bytes for log in found) - policy.logs_mb * _MEGABYTE
    reason = f"logs take more than {policy.logs_mb:g} MB together"
    plain = [log for log in found if not log.is_compressed and log.age > _DAY]
    for log in plain or [log for log in found if log.is_compressed]:
        if excess <= 0:
            return
        yield _compression(log, reason) if plain else removal(log.path, reason, top=layout.logs)
        excess -= log.bytes * (1 - _COMPRESSED_SHARE) if plain else log.bytes


def _is_older(age: float, days: float | None) -> bool:
    return days is not None and age > days * _DAY


def _compression(log: Log, reason: str) -> Task:
    def compress() -> int:
        before = _size(compressed_of(log.path))
        return log.bytes + before - _size(files.compress(log.path))

    return Task(log.path, Action.COMPRESS, reason, 1, log.bytes, compress)


# Journals -----------------------------------------------------------------------------------------------


def journals(settings: Settings, moment: dt.datetime) -> Iterator[Task]:
    """Compress the journals of sealed dates once they are at rest, and drop old requests where asked to."""
    layout, policy = settings.layout, settings.retention
    # Requests before this moment are not kept.
    limit = None if policy.audit_days is None else moment - dt.timedelta(days=policy.audit_days)
    for path in layout.journals():
        if path.exists():
            due = _is_older(moment.timestamp() - path.stat().st_mtime, policy.compress_days)
            action, reason = Action.COMPRESS, f"no event for more than {policy.compress_days} days"
        else:
            due = limit is not None and _oldest_request(path) < limit
            action, reason = Action.SHORTEN, f"requests older than {policy.audit_days} days"
        if due and seals.is_sealed(layout.parquet(dt.date.fromisoformat(path.stem))):
            size = _size(path) + _size(compressed_of(path))
            yield Task(path, action, reason, 1, size, partial(_pack, path, limit))


def _oldest_request(path: Path) -> dt.datetime:
    """When the oldest request in a compressed journal was; far in the future where there is none."""
    told = (archive.header(path) or {}).get("oldest_request")
    try:
        return dt.datetime.fromisoformat(told) if told else _NEVER
    except (TypeError, ValueError):
        return _NEVER


def _pack(path: Path, limit: dt.datetime | None) -> int:
    before = _size(path) + _size(compressed_of(path))
    archive.pack(path, partial(_select, limit=limit))
    return before - _size(path) - _size(compressed_of(path))


def _select(lines: Sequence[bytes], *, limit: dt.datetime | None) -> tuple[list[bytes], archive.Header]:
    """The lines that stay, and when the oldest request among them was; what is no event stays too."""
    kept, oldest = [], _NEVER
    for line in lines:
        event = journal.parse(line)
        if event is not None and event["event"] == journal.REQUEST:
            at = dt.datetime.fromisoformat(event["at"])
            if limit is not None and at < limit:
                continue
            oldest = min(oldest, at)
        kept.append(line)
    return kept, {"oldest_request": None if oldest == _NEVER else oldest.isoformat()}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
