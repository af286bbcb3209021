"""The jobs of a run among its processes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil

from spx_data.jobs import forks
from spx_data.lake.endings import STAGES


def below(pid: int) -> Iterator[tuple[psutil.Process, str, str]]:
    """The living jobs below the process *pid*, where they do their work, each with its rule and its date."""
    for process, rule, date in _every(pid):
        if not _begins(process):
            yield process, rule, date


def beginning(pid: int) -> Iterator[tuple[psutil.Process, str, str]]:
    """The programs below the process *pid* that begin jobs, each with the rule and the date of its job."""
    for process, rule, date in _every(pid):
        if _begins(process):
            yield process, rule, date


def _every(pid: int) -> Iterator[tuple[psutil.Process, str, str]]:
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error, OSError):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                words = process.cmdline()
                for at, word in enumerate(words[:6]):
                    if word.endswith(".py") and Path(word).stem in STAGES:
                        yield process, Path(word).stem, words[at + 2]
                # A fork is called by its date, and as much of its rule as the system has room for.
                date, _, rule = Path(f"/proc/{process.pid}/comm").read_text().strip().partition(" ")
                for stage in STAGES if rule else ():
                    if stage.startswith(rule):
                        yield process, stage, date


def _begins(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return str(forks.BEGIN) in process.cmdline()
    return False
