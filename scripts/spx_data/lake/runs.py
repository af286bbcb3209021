"""The run at work: which call of the workflow is filling this lake now, and what it set out to do.

A run locks a file of the lake for as long as its process lives, so the answer needs no guessing: the system
drops the lock with the process, however that ends. Beside it lies a note with what others want to know.
One lake has one run at a time that asks the terminal: two would fetch the same dates.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spx_data.errors import AnotherRunError, SpxDataError, without_userinfo
from spx_data.store import files, journal, locks, names, reads
from spx_data.store.journal import Event, Journal
from spx_data.store.layout import Layout

if TYPE_CHECKING:
    import psutil

MORE_VARIABLE = "SPX_DATA_MORE"  # set for a run that is one of several

# A look for a run holds the lock for a blink; a run that begins just then waits for that.
_PATIENCE_SECONDS = 2.0


class Run(NamedTuple):
    """One call of the workflow: *dates* are the trading dates it set out to do, in their order."""

    name: str  # as in the journal's events
    pid: int
    started_at: dt.datetime
    folder: str  # it was called from here
    command: str
    dates: tuple[dt.date, ...]
    more: bool = False  # another one follows, with the next dates
    machine: str = ""  # on which it is a process

    @classmethod
    def of_json(cls, document: Any) -> Run:
        """The run in *document*; raises ValueError where it is none."""
        try:
            return cls(
                name=str(document["name"]),
                pid=int(document["pid"]),
                started_at=dt.datetime.fromisoformat(document["started_at"]),
                folder=str(document["folder"]),
                command=str(document["command"]),
                dates=tuple(dt.date.fromisoformat(date) for date in document["dates"]),
                more=bool(document.get("more")),
                machine=str(document.get("machine") or ""),
            )
        except (ArithmeticError, TypeError, LookupError) as error:  # an endless number is no process
            raise ValueError(str(error)) from error

    def as_json(self) -> dict[str, Any]:
        """The run as a JSON document."""
        dates = [date.isoformat() for date in self.dates]
        return self._asdict() | {"started_at": self.started_at.isoformat(), "dates": dates}


def begin(layout: Layout, command: str, dates: Sequence[dt.date]) -> Run:
    """Make this process the lake's run, until it dies.

    Raises:
        AnotherRunError: there is one already.
    """
    if _held(layout.run_lock) is None:  # never closed: held for life
        raise _taken(layout)
    run = Run(
        name=os.environ.get(journal.RUN_VARIABLE) or journal.new_run(),
        pid=os.getpid(),
        started_at=dt.datetime.now(dt.UTC),
        folder=str(Path.cwd()),
        command=without_userinfo(command),
        dates=tuple(dates),
        more=bool(os.environ.get(MORE_VARIABLE)),
        machine=names.machine(),
    )
    files.write_json(layout.run_note, run.as_json())
    return run


@contextmanager
def excluded(layout: Layout) -> Iterator[None]:
    """Let no run begin while the block lasts.

    Raises:
        AnotherRunError: there is one, or jobs of the last one are still at work.
    """
    check_idle(layout)
    with ExitStack() as held:
        # The second lock tells others that the first is no run's.
        for path in (layout.run_lock, layout.upkeep_lock):
            descriptor = _held(path)
            if descriptor is None:
                raise _taken(layout)
            held.callback(os.close, descriptor)
        yield


def check_none(layout: Layout) -> None:
    """Raise `AnotherRunError` where a run is at work."""
    if current(layout):
        raise _taken(layout)


def check_idle(layout: Layout) -> None:
    """Raise `AnotherRunError` where a run is at work, or a job that outlived one."""
    check_none(layout)
    run = last(layout)
    if run is None:
        return
    if left := [process.pid for process in processes(layout, run) if process.pid != os.getpid()]:
        raise AnotherRunError(
            f"jobs of the last run are still at work (processes {', '.join(map(str, left))})",
            cure="Wait for their end, or end them: `spx-data stop --now`",
            pid=left[0],
        )
    if elsewhere := _jobs_elsewhere(layout, run):
        pid, machine = elsewhere[0]
        raise AnotherRunError(
            f"jobs of the last run are still at work on other machines (process {pid} on {machine})",
            cure="Wait for their end, or end them there (on a cluster: scancel)",
            pid=pid,
        )


def _jobs_elsewhere(layout: Layout, run: Run) -> list[tuple[int, str]]:
    """The jobs of *run* that are alive by their locks, but no processes here; each with its machine.

    A job that ends just now, or is asked after by somebody else, looks like one for a blink.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    here = names.process_of(layout.job_lock(run.name, os.getpid()))[1]  # as locks name it, cut if long
    while True:
        held = (path for path in layout.job_locks(run.name) if locks.is_held(path))
        found = [each for each in map(names.process_of, held) if each[1] != here]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def _held(path: Path) -> int | None:
    """A descriptor that holds the lock of *path*; None where somebody else keeps it."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (descriptor := locks.hold(path)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return descriptor


def mention_failure(layout: Layout, error: SpxDataError) -> None:
    """Remember that a run could not begin, or ended untimely: for later questions, in the lake's journal."""
    Journal(layout.lake_journal, "run").mention(journal.RUN_FAILED, **journal.described(error))


def last_failure(layout: Layout) -> Event | None:
    """Why the last call of the workflow that was to fill the lake could not; None where it could."""
    failed = [event for event in journal.read(layout.lake_journal) if event["event"] == journal.RUN_FAILED]
    run = last(layout)
    if not failed or (run and dt.datetime.fromisoformat(failed[-1]["at"]) < run.started_at):
        return None
    return failed[-1]


def note_stop(layout: Layout, run: Run) -> None:
    """Remember that *run* was asked to stop, for a caller that would let another one follow."""
    files.write_json(layout.stop_note, {"run": run.name})


def was_stopped(layout: Layout, name: str) -> bool:
    """Whether the run of that name was asked to stop."""
    with suppress(SpxDataError):
        return bool(reads.read_json(layout.stop_note) == {"run": name})
    return False


def current(layout: Layout) -> Run | None:
    """The run at work; None where there is none."""
    if not locks.is_held(layout.run_lock) or locks.is_held(layout.upkeep_lock):
        return None
    return last(layout)


def last(layout: Layout) -> Run | None:
    """The run at work, or else the last one that there was."""
    with suppress(SpxDataError, ValueError):
        return Run.of_json(reads.read_json(layout.run_note))
    return None


# A run's processes --------------------------------------------------------------------------------------


@contextmanager
def joined(layout: Layout) -> Iterator[None]:
    """Let this process be known as a job of its run while the block lasts, or until it dies.

    Raises:
        AnotherRunError: the run that started it is gone, so nobody waits for what it would do; or another
            process is known by this one's id.
    """
    name = os.environ.get(journal.RUN_VARIABLE) or str(os.getpid())
    path = layout.job_lock(name, os.getpid())
    descriptor = _held(path)
    while descriptor is not None and not path.exists():
        os.close(descriptor)  # of a file that was cleared away before it was locked
        descriptor = _held(path)
    if descriptor is None:
        raise AnotherRunError(f"another process has locked {path}", cure="`spx-data stop --now`", pid=None)
    try:
        # Known first, then the question: a process that finds no job once a run is gone will see none begin.
        run = last(layout)
        if run is None or run.name != name or not locks.is_held(layout.run_lock):
            raise _gone(layout, run if run and run.name == name else None)
        yield
    finally:
        with suppress(SpxDataError):
            files.remove(path)
        os.close(descriptor)


def _gone(layout: Layout, run: Run | None) -> AnotherRunError:
    """What a job says that finds nobody at work in its *run*; None where another run has begun since."""
    if run is None or run.machine in ("", names.machine()):
        return AnotherRunError("the run that started this job is gone", cure="Start another", pid=None)
    return AnotherRunError(
        f"the run that started this job, on {run.machine}, is gone, or the volume of {layout.data} does not "
        f"show its locks to {names.machine()}",
        cure="Mount it with locks that all machines see (Lustre: flock; NFS 4, without local_lock), or start "
        "another run",
        pid=None,
    )


def clear_jobs(layout: Layout, run: Run) -> None:
    """Remove what runs before *run* left in the folder of locks: locks of killed jobs, and empty folders."""
    for name in set(layout.runs_of_jobs()) - {run.name}:
        with suppress(SpxDataError):  # not ours, perhaps: it is in nobody's way
            for path in layout.job_locks(name):
                if not locks.is_held(path):
                    files.remove(path.with_suffix(names.NOTE))
                    files.remove(path)
            files.remove_empty(layout.jobs / name, layout.jobs)


def process_of(layout: Layout, run: Run) -> psutil.Process | None:
    """The process that *run* is; None where it has ended, or is none that this user sees on this machine."""
    return _holder(layout.run_lock, run.pid) if current(layout) == run else None


def check_ours(layout: Layout, run: Run) -> None:
    """Raise `AnotherRunError` where *run* is at work, but as no process that can be stopped from here."""
    if not process_of(layout, run) and current(layout) == run:
        raise AnotherRunError(
            f"the run at work (process {run.pid}, called from {run.folder}) is no process that you may stop "
            "here: it is another user's, or in another container or on another machine",
            cure="There, as that user: `spx-data stop`",
            pid=run.pid,
        )


def processes(layout: Layout, run: Run) -> Iterator[psutil.Process]:
    """The living processes of *run*: Snakemake first, then all it started, then jobs that outlived it.

    Each is known by a lock that it holds, or by its parents; never by its id, its environment or what its
    command looks like.
    """
    import psutil

    main = process_of(layout, run)
    found = [main] if main else []
    with suppress(psutil.Error):
        found += main.children(recursive=True) if main else []
    jobs = (_holder(path, names.process_of(path)[0]) for path in layout.job_locks(run.name))
    yield from dict.fromkeys([*found, *(job for job in jobs if job)])


def _holder(lock: Path, pid: int) -> psutil.Process | None:
    """The process *pid*, if it is the one that holds *lock*.

    An id comes round again, and stands for another process in another container or on another machine. So
    the process must have the file open as well; it is asked first, so that it is still the same one.
    """
    import psutil

    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if any(_is_same(Path(there.path), lock) for there in process.open_files()) and locks.is_held(lock):
            return process
    return None


def _is_same(one: Path, other: Path) -> bool:
    with suppress(OSError):
        return one.samefile(other)
    return False


def _taken(layout: Layout) -> AnotherRunError:
    if locks.is_held(layout.upkeep_lock):
        return AnotherRunError(
            "this lake is being cleaned up", cure="Wait until `spx-data cleanup` has ended", pid=None
        )
    run = last(layout)
    who = f"process {run.pid}, since {run.started_at:%Y-%m-%d %H:%M} UTC" if run else "nobody said which"
    return AnotherRunError(
        f"another run is filling this lake already ({who})",
        cure="`spx-data status --watch` shows it, `spx-data stop` ends it",
        pid=run.pid if run else None,
    )
