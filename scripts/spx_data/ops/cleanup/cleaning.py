"""Clean up a lake: collect the tasks, and do them while no run can begin."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from spx_data.lake import runs
from spx_data.ops.cleanup import leftovers, retention
from spx_data.ops.cleanup.task import Action, Done, Task, carry_out
from spx_data.settings import Settings
from spx_data.store import dataset
from spx_data.store.tree import Tree


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
            tasks += retention.plan(settings, moment) if choice.logs else []
            done = [Done(task) for task in tasks]
        else:
            done = [carry_out(task) for task in tasks]
            done += retention.apply(settings, moment) if choice.logs else []
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
