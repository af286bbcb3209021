"""Snakemake as a process: started for some dates, found again, stopped, and its folder unlocked.

Snakemake stays the engine, and is never imported: what is known of a run comes from its note, its lock and
its processes (`lake.runs`).
"""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spx_data.config import shipped
from spx_data.config.paths import PLACEHOLDER
from spx_data.errors import ConfigurationValidationError, RunFailedError, SpxDataError
from spx_data.lake import runs
from spx_data.lake.runs import Run
from spx_data.ops.progress import QUIET_VARIABLE
from spx_data.settings import Lakes
from spx_data.store import files, journal, locks, reads
from spx_data.store.layout import Layout
from spx_data.store.names import SNAKEMAKE_LOCKS

if TYPE_CHECKING:
    import psutil

# Jobs that are told to end do so within moments: whatever they were writing, nothing of it counts.
_GRACE_SECONDS = 10.0
# Snakemake itself then tidies up and refreshes the status log.
_FAREWELL_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_LAST_BYTES = 1 << 24  # of a log: all of it, unless somebody fills it
_SAID = "spx-data: "
# How an error looks in what Python, the shell or Snakemake say.
_ERROR = re.compile(r"\w(Error|Exception)\b|: error|cannot|denied|No such file")


@dataclass(frozen=True)
class Started:
    """A Snakemake that this process started."""

    name: str  # the run's, as in the journal
    process: subprocess.Popen[bytes]
    log: Path

    def says(self) -> list[str]:
        """What the workflow said in lines of its own: why it did not begin, or what it will not do."""
        return [line.removeprefix(_SAID) for line in self._lines() if line.startswith(_SAID)]

    def failure(self, *, began: bool, left: int) -> RunFailedError | None:
        """Why Snakemake, which has ended, did not come to its *left* dates; None where that is no failure.

        *began* says whether it came to the point where it is the lake's run.
        """
        status = self.process.returncode
        if status < 0:
            how = f"snakemake was ended by {signal.Signals(-status).name}"
        elif not began and status:
            how = "snakemake could not start"
        elif status and left:
            how = f"snakemake ended before it came to {left} of its dates"
        else:
            return None
        why = "" if status < 0 else f": {self._last_error()}"
        cure = f"Its output is in {self.log}"
        return RunFailedError(how + why, cure=cure, log=str(self.log))

    def _last_error(self) -> str:
        lines = [line.strip() for line in self._lines() if line.strip()]
        errors = [line for line in lines if _ERROR.search(line)]
        return next(reversed(errors or lines), "no output")

    def _lines(self) -> list[str]:
        with suppress(SpxDataError):
            return reads.end(self.log, _LAST_BYTES).decode(errors="replace").splitlines()
        return []


def start(
    lakes: Lakes,
    configfiles: Sequence[Path],
    dates: Sequence[tuple[str, dt.date]],
    cores: int,
    *,
    more: bool = False,
) -> Started:
    """Start Snakemake on *dates*, each with its symbol, by *configfiles*; what it says goes into a log.

    *dates* are all inside of the settings' range, or all outside: these Snakemake does when it is given their
    files. *more* says that another such run follows. It is in a session of its own: Ctrl-C at the terminal
    reaches the caller, and nobody else.

    Raises:
        MachineError: Snakemake is not installed.
    """
    shipped.check_extra("fill")
    name = journal.new_run()
    layout = lakes[dates[0][0]].layout
    log = layout.run_log(name)
    command = [*_snakemake(configfiles), "--cores", str(cores)]
    chosen = [f"symbols={','.join(dict.fromkeys(symbol for symbol, _ in dates))}"] * lakes.several
    if all(lakes[symbol].covers(date) for symbol, date in dates):
        named = dict.fromkeys(date.isoformat() for _, date in dates)
        command += ["--config", f"dates={','.join(named)}", *chosen]
    else:
        command += ["--until", *(str(lakes[symbol].layout.parquet(date)) for symbol, date in dates)]
        command += ["--config", *chosen] * lakes.several
    aside = cache_aside(layout)
    with files.output(log) as descriptor:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            env=os.environ
            | ({"XDG_CACHE_HOME": str(files.make_directory(aside))} if aside else {})
            | {journal.RUN_VARIABLE: name, QUIET_VARIABLE: "1", runs.MORE_VARIABLE: "1" * more},
            start_new_session=True,
        )
    return Started(name, process, log)


def _snakemake(configfiles: Sequence[Path]) -> list[str]:
    program = [sys.executable, "-m", "snakemake", "--snakefile", str(shipped.SNAKEFILE)]
    return [*program, "--configfile", *map(str, configfiles)]


def current(layouts: Iterable[Layout]) -> list[tuple[Layout, Run]]:
    """The run at work in each of the lakes that have one; one call of Snakemake may be that of several."""
    return [(layout, run) for layout in layouts if (run := runs.current(layout))]


def ask_to_stop(layout: Layout, run: Run) -> None:
    """Ask *run* to stop: running jobs finish, no more are started. Returns at once."""
    runs.note_stop(layout, run)
    if main := runs.process_of(layout, run):
        _signal([main], signal.SIGTERM)
        _signal(list(runs.processes(layout, run)), signal.SIGCONT)  # a halted process cannot finish


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
    _signal(processes, signal.SIGCONT)  # a halted process hears nothing before
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


# Where Snakemake can be called from ---------------------------------------------------------------------


def check_folder(folder: Path) -> None:
    """Raise where Snakemake cannot be called from *folder*: `{0}` in its own path is no wildcard it can name.

    Raises:
        ConfigurationValidationError: the path has such a word.
    """
    for placeholder in PLACEHOLDER.finditer(str(folder)):
        name = placeholder[0].strip("{}").partition(",")[0].strip()
        if not name.isidentifier():
            raise ConfigurationValidationError(
                f"Snakemake cannot be called from {folder}: it takes {placeholder[0]} for a place to fill in",
                cure="Rename that folder, or call it from another one",
                what=str(folder),
            )


def cache_aside(layout: Layout) -> Path | None:
    """Where Snakemake may keep its cache if it cannot do so in the home folder; None where it can.

    It wants one before it reads a Snakefile, and ends where it has none.
    """
    usual = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111  # HOME may be gone
    try:
        files.check_writable(Path(usual))
    except SpxDataError:
        return layout.cache.absolute()
    return None


def called_from(folder: Path) -> list[int]:
    """The ids of the other Snakemakes that were called from *folder*, whatever they do there."""
    import psutil

    here, found = folder.resolve(), []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            # A name alone proves nothing: the folder does. Other users' processes cannot be asked, nor lock.
            if (
                process.pid != os.getpid()
                and _is_snakemake(process.cmdline())
                and here.samefile(process.cwd())
            ):
                found.append(process.pid)
    return found


# The lock that a killed run leaves behind ---------------------------------------------------------------


def take_stale_lock(layouts: Sequence[Layout]) -> None:
    """Take away the lock that a killed run of these lakes left in this folder, if nobody may be there for it.

    Snakemake takes its lock away however a run ends, but cannot when it is killed or the power goes; it keeps
    every next run out until somebody does.
    """
    left = list(_lock_files())
    if left and not any(locks.is_held(each.run_lock) or _users_of_the_lock(each) for each in layouts):
        for path in left:
            files.remove(path)


def _users_of_the_lock(layout: Layout) -> bool:
    """Whether somebody may need this folder's lock: another Snakemake, or a job that outlived its own."""
    run = runs.last(layout)
    return bool(called_from(Path()) or (run and next(runs.processes(layout, run), None)))


def _lock_files() -> Iterator[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        yield from sorted(SNAKEMAKE_LOCKS.iterdir())


def _is_snakemake(command: Sequence[str]) -> bool:
    return any(Path(word).name == "snakemake" for word in command[:4])
