"""`time.sleep` where libfaketime moves the clock: `make test-later` has this folder on its PYTHONPATH.

Python (3.11 and later) sleeps until a moment of the monotonic clock. libfaketime 0.9.10, told to leave that
clock alone, moves the moment all the same, and the system refuses it with EINVAL
(https://github.com/wolfcw/libfaketime/issues/426). So whoever waits for a process and has a timeout fails,
unless it has ended by then: Snakemake's plugin for Slurm does at its import, for scontrol, where that is.
"""

import select
import time


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = _sleep
