"""Failures: those of many dates that are one, told once; and what the errors of a lake have in common."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal
from zoneinfo import ZoneInfo

from spx_data.lake import runs
from spx_data.lake.alike import alike
from spx_data.lake.session_states import Kind, State
from spx_data.market.dates import ZONE
from spx_data.status.summary import Summary, Trouble
from spx_data.store import journal
from spx_data.store.layout import Layout

FAILING = frozenset({Kind.FAILED, Kind.PARKED, Kind.CORRUPT})


@dataclass(frozen=True)
class Group:
    """Dates that fail alike, the oldest first, and the state of the newest."""

    dates: tuple[dt.date, ...]
    state: State


def groups(summaries: Iterable[Summary]) -> list[Group]:
    """The failing dates among *summaries* (oldest first), those alike together; the largest group first.

    They are alike in their state's kind and in what `lake.alike` says of its error.
    """
    found: dict[tuple[str, ...], list[Summary]] = {}
    for line in summaries:
        if line.state.kind in FAILING:
            key = (line.state.kind.value, *alike(line.state.error or "", line.state.reason))
            found.setdefault(key, []).append(line)
    grouped = [Group(tuple(line.date for line in lines), lines[-1].state) for lines in found.values()]
    return sorted(grouped, key=lambda group: (-len(group.dates), group.dates))


Aspect = Literal["type", "cause", "hour", "expiration", "date", "stage"]

_NEW_YORK = ZoneInfo(ZONE)
_NONE = "none"  # the group of errors that are about no single expiration, or no single date


@dataclass(frozen=True)
class Pattern:
    """The errors of one group; moments are UTC, ISO 8601."""

    group: str
    count: int
    share_percent: float  # of all errors looked at
    dates: int  # trading dates that had one
    resolved: int  # those of dates that were sealed afterwards
    first_at: str
    last_at: str
    example: str  # the cause of the last one


def troubles(
    summaries: Iterable[Summary],
    since: dt.date | None = None,
    types: Sequence[str] = (),
    others: Iterable[Trouble] = (),
) -> list[Trouble]:
    """The errors of the dates and *others*, newest first: *since* that day (New York), of these *types*."""
    wanted = {name.lower() for name in types}
    found = [
        trouble
        for trouble in chain(others, *(summary.facts.troubles for summary in summaries))
        if (not wanted or trouble.error.lower() in wanted)
        and (since is None or _moment(trouble).date() >= since)
    ]
    return sorted(found, key=lambda trouble: trouble.at, reverse=True)


def of_runs(layout: Layout) -> list[Trouble]:
    """The runs that could not begin, or ended untimely: errors of no single date, oldest first."""
    run = runs.last(layout)
    began = run.started_at.astimezone(dt.UTC).isoformat(timespec="milliseconds") if run else None
    failed = (event for event in journal.read(layout.lake_journal) if event["event"] == journal.RUN_FAILED)
    return [Trouble.of(event, "", began) for event in failed]


def patterns(found: Sequence[Trouble], by: Aspect) -> list[Pattern]:
    """The errors *found*, newest first, in groups: hours in their order, all else the largest first."""
    groups: dict[str, list[Trouble]] = {}
    for trouble in found:
        groups.setdefault(_group(trouble, by), []).append(trouble)
    lines = [_pattern(group, members, len(found)) for group, members in groups.items()]
    if by == "hour":
        return sorted(lines, key=lambda line: line.group)
    return sorted(lines, key=lambda line: (-line.count, line.group))


def _pattern(group: str, members: Sequence[Trouble], total: int) -> Pattern:
    return Pattern(
        group=group,
        count=len(members),
        share_percent=round(100 * len(members) / total, 1),
        dates=len({trouble.date for trouble in members if trouble.date}),
        resolved=sum(trouble.resolved_at is not None for trouble in members),
        first_at=members[-1].at,
        last_at=members[0].at,
        example=members[0].cause,
    )


@dataclass(frozen=True)
class Alike:
    """Errors that are one to a person, as the newest of them has it; of those left, if any is."""

    error: str
    cause: str
    cure: str  # empty where nothing is left to do
    count: int
    dates: int  # trading dates that had one
    unresolved: int  # those of them that were not sealed since
    last_at: str


def alike_ones(found: Sequence[Trouble]) -> list[Alike]:
    """The errors *found*, newest first, those that are alike as one."""
    groups: dict[tuple[str, str], list[Trouble]] = {}
    for trouble in found:
        groups.setdefault(alike(trouble.error, trouble.cause), []).append(trouble)
    return [_alike(members) for members in groups.values()]


def _alike(members: Sequence[Trouble]) -> Alike:
    left = [trouble for trouble in members if trouble.resolved_at is None]
    newest = (left or members)[0]
    return Alike(
        error=newest.error,
        cause=newest.cause,
        cure=newest.cure if left else "",
        count=len(members),
        dates=len({trouble.date for trouble in members if trouble.date}),
        unresolved=len({trouble.date for trouble in left}),
        last_at=members[0].at,
    )


def _group(trouble: Trouble, by: Aspect) -> str:
    match by:
        case "type":
            return trouble.error
        case "cause":  # but for dates, numbers and addresses
            error, cause = alike(trouble.error, trouble.cause)
            return f"{error}: {cause}" if cause else error
        case "hour":
            return f"{_moment(trouble):%H}"
        case "expiration":
            return f"{trouble.root} {trouble.expiration}" if trouble.expiration else _NONE
        case "date":
            return trouble.date or _NONE
        case "stage":
            return trouble.stage


def _moment(trouble: Trouble) -> dt.datetime:
    """When it happened, in New York."""
    return dt.datetime.fromisoformat(trouble.at).astimezone(_NEW_YORK)
