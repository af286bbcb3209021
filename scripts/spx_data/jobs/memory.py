"""Memory that a process has had from the system is kept for its next block of rows (decision 90).

Allocators give large blocks back at once, or after a moment, and ask for new ones a moment later: the system
clears each page of those again. What goes through rows block by block needs the same sizes over and over.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

_LARGE, _KEPT, _ARENAS = 1 << 25, 1 << 28, 2
# Of glibc by what its environment calls it: the number that `mallopt` has for it, and the value. A block of
# 32 MB is the largest that it can keep; some hundred MB are kept in all, in arenas for as many cores as are
# usual (each would keep its own).
_GLIBC = {
    "MALLOC_MMAP_THRESHOLD_": (-3, _LARGE),
    "MALLOC_TRIM_THRESHOLD_": (-1, _KEPT),
    "MALLOC_ARENA_MAX": (-8, _ARENAS),
}
# Of Arrow and of Polars, which read it when they are loaded.
_LIBRARIES = {
    "MIMALLOC_PURGE_DELAY": "10000",
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:10000,muzzy_decay_ms:10000",
}
# For what starts such processes.
ENVIRONMENT = {name: str(value) for name, (_, value) in _GLIBC.items()} | _LIBRARIES


def keep() -> None:
    """Do so in this process, before it loads Arrow and Polars; what a user has said of an allocator holds."""
    for name, value in _LIBRARIES.items():
        os.environ.setdefault(name, value)
    if sys.platform == "linux":
        with suppress(AttributeError):  # not glibc
            for name, (number, bound) in _GLIBC.items():
                if name not in os.environ:
                    ctypes.CDLL(None).mallopt(number, bound)
