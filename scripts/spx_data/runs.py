"""The run at work: which call of the workflow is filling this lake now, and what it set out to do.

A run locks a file of the lake for as long as its process lives, so the answer needs no guessing: the system
drops the lock with the process, however that ends. Beside it lies a note with what others want to know.
One lake has one run at a time that asks the terminal: two would exceed its limit of requests.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spx_data import files, journal
from spx_data.errors import AnotherRunError, SpxDataError
from spx_data.layout import Layout

if TYPE_CHECKING:
    import psutil

# Whoever asks whether there is a run holds the lock for a blink; a run that begins just then waits for that.
_PATIENCE_SECONDS = 2.0


@dataclass(frozen=True)
class Run:
    """One call of the workflow: *dates* are the trading dates it set out to do, in their order."""

    name: str  # as in the journal's events
    pid: int
    started_at: dt.datetime
    folder: str  # it was called from here
    command: str
    dates: tuple[dt.date, ...]

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
            )
        except (TypeError, LookupError) as error:
            raise ValueError(str(error)) from error

    def as_json(self) -> dict[str, Any]:
        """The run as a JSON document."""
        return {
            "name": self.name,
            "pid": self.pid,
            "started_at": self.started_at.isoformat(),
            "folder": self.folder,
            "command": self.command,
            "dates": [date.isoformat() for date in self.dates],
        }


def begin(layout: Layout, command: str, dates: Sequence[dt.date]) -> Run:
    """Make this process the lake's run, until it dies.

    Raises:
        AnotherRunError: there is one already.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while files.hold(layout.run_lock) is None:  # never closed: held for life
        if time.monotonic() > deadline:
            raise _taken(last(layout))
        time.sleep(0.05)
    run = Run(
        name=os.environ.get(journal.RUN_VARIABLE) or journal.new_run(),
        pid=os.getpid(),
        started_at=dt.datetime.now(dt.UTC),
        folder=str(Path.cwd()),
        command=command,
        dates=tuple(dates),
    )
    files.write_json(layout.run_note, run.as_json())
    return run


def current(layout: Layout) -> Run | None:
    """The run at work; None where there is none."""
    return last(layout) if files.is_held(layout.run_lock) else None


def last(layout: Layout) -> Run | None:
    """The run at work, or else the last one that there was."""
    with suppress(SpxDataError, ValueError):
        return Run.of_json(files.read_json(layout.run_note))
    return None


def processes(layout: Layout, run: Run) -> Iterator[psutil.Process]:
    """The living processes of *run*: Snakemake first, then its jobs, also those that outlived it.

    Jobs are known by the run's name in their environment, never by what their command looks like.
    """
    import psutil

    main = run.pid if files.is_held(layout.run_lock) else None
    with suppress(psutil.Error):
        if main is not None:
            yield psutil.Process(main)
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != main and process.environ().get(journal.RUN_VARIABLE) == run.name:
                yield process


def _taken(run: Run | None) -> AnotherRunError:
    who = f"process {run.pid}, since {run.started_at:%Y-%m-%d %H:%M} UTC" if run else "nobody said which"
    return AnotherRunError(
        f"another run is filling this lake ({who})",
        cure="spx-data status --watch shows it, spx-data stop ends it",
        pid=run.pid if run else None,
    )
