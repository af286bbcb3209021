"""Programs as processes of their own, and the kernel's account of each: seconds, CPU seconds, memory.

The account is that of `wait4`: the process and every descendant it waited for. Whoever measures stays small,
because a child's largest resident set begins with its parent's. What was started is ended by its id, also
when the measuring ends early.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spx_data import config
from spx_data.sources import slots

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
TODAY = "2024-12-31"  # the terminal's date: the same whenever it is measured, so that bodies can be kept
_MB = 1e6 if sys.platform == "darwin" else 1e3  # what `ru_maxrss` counts in
_START_SECONDS = 60.0
_SLOTS = tempfile.TemporaryDirectory(prefix="slots-")
_GRACE_SECONDS = 20.0


@dataclass(frozen=True)
class Usage:
    """What a program used: seconds of the clock and of the CPU, MB of its largest process."""

    seconds: float
    cpu: float
    peak: float


def environment() -> dict[str, str]:
    """The environment of every program: none of our settings, and locks that are no user's."""
    plain = {name: value for name, value in os.environ.items() if name not in config.ENVIRONMENT}
    return {**plain, "PYTHONPATH": str(ROOT / "scripts"), slots.VARIABLE: _SLOTS.name}


def python(script: str, *words: object) -> list[str]:
    """The command that runs one of the programs in this folder."""
    return [sys.executable, str(ROOT / "benchmarks" / script), *map(str, words)]


def snakemake(*words: object) -> list[str]:
    """The command that runs the workflow as a user does, in the folder of a lake."""
    return [str(BIN / "snakemake"), "--snakefile", str(ROOT / "Snakefile"), "--cores", "4", *map(str, words)]


def run(command: Sequence[str], folder: Path) -> Usage:
    """Run *command* in *folder* to its end; ends the benchmark where it fails."""
    with tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        process = _started(command, folder, output.fileno())
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            end(process)
            raise
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            told = output.read().decode(errors="replace")
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{told}")
    return Usage(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / _MB)


def told(command: Sequence[str], folder: Path) -> str:
    """What a program prints; it is run in *folder*, and the benchmark ends where it fails."""
    ended = subprocess.run(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True)
    if ended.returncode:
        sys.exit(f"{' '.join(command)} ended with {ended.returncode}")
    return ended.stdout


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all of its group."""
    for number, patience in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # the latter: a Mac, of a dead group
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


@contextlib.contextmanager
def terminal(bodies: Path, **settings: object) -> Iterator[str]:
    """Run a simulated terminal that keeps its answers in *bodies*; gives its base URL."""
    with tempfile.TemporaryDirectory() as name:
        ready = Path(name) / "ready"
        settings |= {"today": TODAY, "cache": bodies, "ready_file": ready}
        words = [f"--{key.replace('_', '-')}={value}" for key, value in settings.items()]
        command = [sys.executable, "-m", "theta_simulator", *words]
        process = _started(command, Path(name), subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit("the simulated terminal did not start")
                time.sleep(0.05)
            yield ready.read_text().strip()
        finally:
            end(process)


def _started(command: Sequence[str], folder: Path, output: int) -> subprocess.Popen[bytes]:
    # A group of its own: the keyboard's Ctrl-C then reaches whoever measures, and it ends the group.
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        process_group=0,
    )
