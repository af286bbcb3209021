"""Failures of many dates that are one failure: told once, with how many dates it took and what mends it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass

from spx_data.lake.session_states import Kind, State
from spx_data.status.summary import Summary

FAILING = frozenset({Kind.FAILED, Kind.PARKED, Kind.CORRUPT})

# Numbers, dates, digests, addresses, and paths with any of these: what differs from one date to the next.
_OF_ONE_DATE = re.compile(r"\S*(?:\d|://)\S*")
_COUNTED = re.compile(r"… (\w+?)s\b")


@dataclass(frozen=True)
class Group:
    """Dates that fail alike, the oldest first, and the state of the newest."""

    dates: tuple[dt.date, ...]
    state: State


def groups(summaries: Iterable[Summary]) -> list[Group]:
    """The failing dates among *summaries* (oldest first): alike in kind, error and cause, the largest first.

    Causes are alike where they differ in dates, numbers and addresses alone.
    """
    found: dict[tuple[str, ...], list[Summary]] = {}
    for line in summaries:
        if line.state.kind in FAILING:
            key = (line.state.kind.value, line.state.error or "", likeness(line.state.reason))
            found.setdefault(key, []).append(line)
    grouped = [Group(tuple(line.date for line in lines), lines[-1].state) for lines in found.values()]
    return sorted(grouped, key=lambda group: (-len(group.dates), group.dates))


def likeness(cause: str) -> str:
    """*cause* without what differs from one date to the next, to be compared and not to be read."""
    return _COUNTED.sub(r"… \1", _OF_ONE_DATE.sub("…", cause))
