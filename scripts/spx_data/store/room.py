"""How much memory a process and those beside it may have: the machine's, less what a container withholds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from spx_data.store import groups


class Memory(NamedTuple):
    """Memory that a process and those beside it may have, and what of it is in use, in bytes.

    Pages of files count as in use only where they were read again: others are given up for whoever needs one.
    """

    allowed: int
    used: int


def allowed() -> int:
    """The bytes of memory that this process and those beside it may have."""
    found = limited()
    return found.allowed if found else _of_the_machine()


def limited() -> Memory | None:
    """What the tightest control group of this process allows; None where the machine has no more."""
    found = [each for folder in groups.folders("memory") if (each := _memory(folder)) is not None]
    tightest = min(found, default=None)
    return tightest if tightest and tightest.allowed < _of_the_machine() else None


def _of_the_machine() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _memory(folder: Path) -> Memory | None:
    """The limit of one control group, of either version; None where it has none."""
    limit = _number(groups.words(folder / "memory.max") or groups.words(folder / "memory.limit_in_bytes"))
    if limit is None:
        return None
    used = _number(groups.words(folder / "memory.current") or groups.words(folder / "memory.usage_in_bytes"))
    lines = map(str.split, groups.text(folder / "memory.stat").splitlines())
    told = {words[0]: words[1:] for words in lines if words}
    unused = _number(told.get("total_inactive_file") or told.get("inactive_file", []))
    return Memory(limit, max(0, (used or 0) - (unused or 0)))


def _number(words: list[str]) -> int | None:
    return int(words[0]) if words and words[0].isdecimal() else None
