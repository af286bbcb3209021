"""How many files a process may have open: macOS allows 256 where nobody asks for more."""

from __future__ import annotations

import resource
from contextlib import suppress

from spx_data.errors import MachineError

# What Python, its libraries and Snakemake have open, with as much again.
_FOUNDATION = 96
_BESIDE_THE_SLOTS = 10  # the queues' locks, the journal, the log
# For each thread that asks: its connection, its scratch file, its checkpoint, and a folder to be flushed.
_OF_A_THREAD = 4
_MORE_THREADS = 2
# More than this macOS refuses, whatever the hard limit says (OPEN_MAX).
_MOST = 10_240
_COMFORTABLE = 4096


def needed(requests: int) -> int:
    """The files that one process of a run has open at the most, with so many *requests* in flight."""
    return _FOUNDATION + _BESIDE_THE_SLOTS + requests + _OF_A_THREAD * (requests + _MORE_THREADS)


def allowed() -> int:
    """The files that this process may have open, if it asks for as many as it can get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(soft, _bounded(hard))


def soft_limit() -> int:
    """The files that this process may have open as it is."""
    return _bounded(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def ensure(requests: int) -> None:
    """Let this process and its children open what a run needs.

    Raises:
        MachineError: the system does not allow as many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = needed(requests)
    for wanted in (min(_COMFORTABLE, _bounded(hard)), need):
        if _bounded(soft) < wanted <= _bounded(hard):
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                soft = wanted
    if _bounded(soft) < need:
        raise MachineError(lack(need, _bounded(soft)), cure=cure(need), operation="open files")


def lack(need: int, limit: int) -> str:
    """What to say of a *limit* that is too low."""
    return (
        f"a process may have {limit:,} files open here, and a run needs {need:,} for its requests in flight"
    )


def cure(need: int) -> str:
    """What to do about a limit that is too low."""
    return f"Allow more and start again: ulimit -n {need}; or lower thetadata.max_concurrent_requests"


def _bounded(limit: int) -> int:
    """*limit* as a number that can be had: none at all counts as the most that every system grants."""
    return _MOST if limit == resource.RLIM_INFINITY else min(limit, _MOST)
