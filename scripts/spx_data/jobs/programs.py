"""What the system knows of the program that begins a job, as far as a fork must be like it (`jobs.forks`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# What is a job's own in its environment, and tells nothing to what is loaded already: what we say, where it
# was called, and its resources as Snakemake has them.
_OWN = b"SPX_DATA_"
_OWN_NAMES = frozenset(
    {b"PWD", b"OLDPWD", b"SHLVL", b"_", b"TMPDIR", b"TMP", b"TEMP", b"TEMPDIR"}
    | {b"_RJEM_MALLOC_CONF"}  # by Polars, of whichever process has loaded it
    | {b"%b_NUM_THREADS" % of for of in (b"OMP", b"GOTO", b"OPENBLAS", b"MKL", b"NUMEXPR")}
    | {b"VECLIB_MAXIMUM_THREADS"}
)
# Of a process's status: what a fork could not be given.
_STANDING = (b"Uid", b"Gid", b"Groups", b"NoNewPrivs", b"Seccomp", b"CapEff", b"Cpus_allowed", b"SigIgn")


def environment(pid: int) -> dict[bytes, bytes]:
    """The environment that *pid* was started with."""
    pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(pair.split(b"=", 1) for pair in pairs if b"=" in pair)


def status(pid: int) -> dict[bytes, bytes]:
    """Each line of what Linux tells of *pid* (proc(5), status), by its name."""
    lines = Path(f"/proc/{pid}/status").read_bytes().splitlines()
    return dict(line.split(b":\t", 1) for line in lines if b":\t" in line)


def standing(pid: int) -> list[Any]:
    """What a process has from whoever started it that a fork cannot be given, or that loading depends on."""
    found, proc = status(pid), Path(f"/proc/{pid}")
    return [
        [found.get(name) for name in _STANDING],
        [(proc / name).read_bytes() for name in ("limits", "cgroup", "oom_score_adj")],
        [(proc / name).readlink() for name in ("exe", "ns/mnt", "root")],
        (os.getpriority(os.PRIO_PROCESS, pid), os.sched_getscheduler(pid)),
        {
            name: value
            for name, value in environment(pid).items()
            if not name.startswith(_OWN) and name not in _OWN_NAMES
        },
    ]
