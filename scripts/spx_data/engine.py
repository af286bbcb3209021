"""Snakemake as a process: started for some dates, found again, stopped, and its folder unlocked.

Snakemake stays the engine, and is never imported: what is known of a run comes from its note, its lock and
its processes (`spx_data.runs`).
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spx_data import files, journal, locks, runs
from spx_data.errors import LeftoverLockError, SpxDataError
from spx_data.layout import SNAKEMAKE_LOCKS, Layout
from spx_data.progress import QUIET_VARIABLE
from spx_data.runs import Run
from spx_data.settings import Settings

if TYPE_CHECKING:
    import psutil

SNAKEFILE = Path(__file__).parents[2] / "Snakefile"

# Jobs that are told to end do so within moments: whatever they were writing, nothing of it counts.
_GRACE_SECONDS = 10.0
# Snakemake itself then tidies up and rebuilds the status log.
_FAREWELL_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_SAID = "spx-data: "


@dataclass(frozen=True)
class Started:
    """A Snakemake that this process started."""

    name: str  # the run's, as in the journal
    process: subprocess.Popen[bytes]
    log: Path

    def says(self) -> list[str]:
        """What the workflow said in lines of its own: why it did not begin, or what it will not do."""
        with suppress(SpxDataError), files.reading(self.log) as stream:
            lines = stream.read().decode(errors="replace").splitlines()
            return [line.removeprefix(_SAID) for line in lines if line.startswith(_SAID)]
        return []


def start(
    settings: Settings,
    configfiles: Sequence[Path],
    dates: Sequence[dt.date],
    cores: int,
    *,
    more: bool = False,
) -> Started:
    """Start Snakemake on *dates* with the settings of *configfiles*; what it says goes into a log.

    *dates* are all inside of the settings' range, or all outside: these Snakemake does when it is given their
    files. *more* says that another such run follows. It is in a session of its own: Ctrl-C at the terminal
    reaches whoever called this, and nobody else.
    """
    name = journal.new_run()
    log = settings.layout.run_log(name)
    command = [*_snakemake(configfiles), "--cores", str(cores)]
    if all(settings.covers(date) for date in dates):
        command += ["--config", f"dates={','.join(date.isoformat() for date in dates)}"]
    else:
        command += ["--until", *(str(settings.layout.parquet(date)) for date in dates)]
    with files.output(log) as descriptor:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            env=os.environ
            | {journal.RUN_VARIABLE: name, QUIET_VARIABLE: "1", runs.MORE_VARIABLE: "1" * more},
            start_new_session=True,
        )
    return Started(name, process, log)


def _snakemake(configfiles: Sequence[Path]) -> list[str]:
    program = [sys.executable, "-m", "snakemake", "--snakefile", str(SNAKEFILE)]
    return [*program, "--configfile", *map(str, configfiles)]


def ask_to_stop(layout: Layout, run: Run) -> None:
    """Ask *run* to stop: running jobs finish, no more are started. Returns at once."""
    runs.note_stop(layout, run)
    if main := runs.process_of(layout, run):
        _signal([main], signal.SIGTERM)
        _signal(list(runs.processes(layout, run)), signal.SIGCONT)  # whoever was halted cannot finish


def stop_now(layout: Layout, run: Run) -> int:
    """Interrupt *run* with all its jobs, and return when none of them is left; gives how many there were.

    Staged expirations stay; those in flight are fetched again.
    """
    # Snakemake starts no more jobs once it is asked to stop. SIGINT would do that too, but a shell starts
    # what runs in its background with SIGINT ignored.
    ask_to_stop(layout, run)
    main = [process] if (process := runs.process_of(layout, run)) else []
    known: set[psutil.Process] = set()
    deadline = time.monotonic() + _FAREWELL_SECONDS
    while True:
        # Again and again: what was about to start when Snakemake was asked may begin any moment now.
        jobs = set(runs.processes(layout, run)) - {*main, *known}
        known |= jobs
        _end(list(jobs), signal.SIGTERM, _GRACE_SECONDS)
        if not jobs and (time.monotonic() > deadline or not _left_of(main, _LOOK_SECONDS)):
            break
    _end([*main, *runs.processes(layout, run)], signal.SIGKILL, _GRACE_SECONDS)
    return len(known) + len(main)


def ended(layout: Layout, run: Run, *, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Return when no process of *run* is left; *meanwhile* is called now and then."""
    while next(runs.processes(layout, run), None):
        meanwhile()
        time.sleep(_LOOK_SECONDS)


def _end(processes: Sequence[psutil.Process], number: signal.Signals, seconds: float) -> None:
    """Send *number*, and SIGKILL to what is still there after so many seconds."""
    _signal(processes, number)
    _signal(processes, signal.SIGCONT)  # whoever was halted hears nothing before
    alive = _left_of(processes, seconds)
    _signal(alive, signal.SIGKILL)
    _left_of(alive, seconds)


def _left_of(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still live after so many seconds, or none as soon as all have ended.

    A dead process whose parent does not ask for its exit code (in a container often nobody does) has ended.
    """
    deadline = time.monotonic() + seconds
    while (alive := [each for each in processes if _lives(each)]) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return alive


def _lives(process: psutil.Process) -> bool:
    import psutil

    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    """Send *number* to processes; psutil sends none to one that has come by the id of another."""
    import psutil

    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)


# The lock that a killed run leaves behind ---------------------------------------------------------------


@dataclass(frozen=True)
class Lock:
    """A lock of Snakemake's in a folder where no Snakemake is at work."""

    files: int
    since: dt.datetime


def stale_lock(layout: Layout, folder: Path | None = None) -> Lock | None:
    """The lock that a killed run left in *folder* (this one); None where there is none, or somebody has it.

    Snakemake takes its lock away however a run ends, but cannot when it is killed or the power goes.
    """
    left = list(_lock_files(folder or Path()))
    if not left or locks.is_held(layout.run_lock) or _users_of_the_lock(layout, folder or Path()):
        return None
    since = max(path.stat().st_mtime for path in left)
    return Lock(len(left), dt.datetime.fromtimestamp(since, dt.UTC))


def called_from(folder: Path) -> list[int]:
    """The ids of the Snakemakes that were called from *folder*, whatever they do there."""
    import psutil

    here, found = folder.resolve(), []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            # A name alone proves nothing: the folder does. Other users' processes cannot be asked, nor lock.
            if _is_snakemake(process.cmdline()) and here.samefile(process.cwd()):
                found.append(process.pid)
    return found


def _users_of_the_lock(layout: Layout, folder: Path) -> list[int]:
    """The processes for whose sake *folder* may be locked: Snakemakes, and jobs that outlived one."""
    run = runs.last(layout)
    jobs = [process.pid for process in runs.processes(layout, run)] if run else []
    return sorted({*called_from(folder), *jobs})


def unlock(layout: Layout, configfiles: Sequence[Path]) -> None:
    """Let Snakemake take the lock in this folder away.

    Raises:
        LeftoverLockError: somebody may still use it, or Snakemake could not.
    """
    busy = _users_of_the_lock(layout, Path())
    if busy or locks.is_held(layout.run_lock):
        raise LeftoverLockError(
            f"the lock of this folder may be in use by process {', '.join(map(str, busy)) or 'unknown'}",
            cure="spx-data stop --now ends what runs",
            folder=Path.cwd(),
        )
    done = subprocess.run([*_snakemake(configfiles), "--unlock"], capture_output=True, text=True, check=False)
    if list(_lock_files(Path())):
        raise LeftoverLockError(
            f"snakemake --unlock ended with {done.returncode} and left the lock: {done.stderr[-300:]}",
            cure=f"Look into {SNAKEMAKE_LOCKS}",
            folder=Path.cwd(),
        )


def _lock_files(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        yield from sorted((folder / SNAKEMAKE_LOCKS).iterdir())


def _is_snakemake(command: Sequence[str]) -> bool:
    return any(Path(word).name == "snakemake" for word in command[:4])
