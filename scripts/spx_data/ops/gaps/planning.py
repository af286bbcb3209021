"""The plan of a fill before it starts: which dates in which order, what they take, what stands in the way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from spx_data.fill import sharing
from spx_data.fill.disk_space import MARGIN
from spx_data.ops.gaps import conflicts, floor
from spx_data.ops.gaps.conflicts import Conflict
from spx_data.ops.gaps.finding import Gap, find
from spx_data.store import reads

if TYPE_CHECKING:
    from spx_data.ops.gaps.estimate import Estimate
    from spx_data.settings import Settings

_LEFT_OUT = frozenset({"trading", "parked", "accepted"})


@dataclass(frozen=True)
class Disk:
    """The room on the disk of *folder*, in bytes; *needed* has the margin that every date is given."""

    folder: Path
    needed: int | None  # None where the lake has no history to judge by
    free: int

    @property
    def fits(self) -> bool:
        """Whether the plan fits, as far as anybody can tell."""
        return self.needed is None or self.needed <= self.free


@dataclass(frozen=True)
class Plan:
    """What one fill is going to do; totals are None where neither a sealed day nor a probe tells."""

    gaps: tuple[Gap, ...]  # in the fill's order
    side_by_side: int  # dates at work at the same time
    unknown: int  # dates without an estimate
    rows: int | None
    bytes: int | None  # of Parquet
    temp_bytes: int | None  # of checkpoints, when there are most
    seconds: float | None  # from the first job to the last
    disks: tuple[Disk, ...]
    conflicts: tuple[Conflict, ...]

    @property
    def dates(self) -> list[dt.date]:
        """The dates that are to be filled, the first one first."""
        return [gap.date for gap in self.gaps]

    @property
    def guessed(self) -> str:
        """On what the totals rest where no day is sealed, in words; else empty."""
        return next((gap.estimate.guessed for gap in self.gaps if gap.estimate), "")

    @property
    def at_least(self) -> bool:
        """Whether there is more to some date than was counted."""
        return any(gap.estimate.at_least for gap in self.gaps if gap.estimate)

    def with_conflicts(self, *more: Conflict) -> Plan:
        """The same plan with what else stands in its way."""
        return replace(self, conflicts=(*self.conflicts, *more))


def plan(
    settings: Settings,
    moment: dt.datetime,
    dates: Iterable[dt.date] | None,
    cores: int,
    *,
    ask_terminal: bool = False,
    found: Sequence[Gap] | None = None,
) -> Plan:
    """The plan to fill *dates* with so many *cores*; None is every date that the next run takes.

    Those of them that are sealed, parked, accepted, still trading or no sessions are left out, and named
    among the conflicts. *found* is what `find` has given for a range that holds all the dates. With
    *ask_terminal* the terminal is asked whether it is there, which takes about two seconds at the most.

    Raises:
        ConfigurationValidationError: there is no such calendar.
    """
    if dates is None:
        found = find(settings, moment) if found is None else found
        gaps, trouble = [gap for gap in found if gap.due], list[Conflict]()
    else:
        asked = sorted(set(dates))
        if found is None:
            found = find(settings, moment, asked[0], asked[-1]) if asked else []
        trouble = list(conflicts.of_dates(settings, moment, asked, found))
        left_out = {date for conflict in trouble if conflict.what in _LEFT_OUT for date in conflict.dates}
        wanted = set(asked) - left_out
        gaps = _in_turn([gap for gap in found if gap.date in wanted])
    if before := floor.of_dates(settings, [gap.date for gap in gaps]):
        trouble.append(before)
    return _sum(settings, gaps, cores).with_conflicts(
        *conflicts.of_surroundings(settings, ask_terminal=ask_terminal), *trouble
    )


def _in_turn(gaps: Sequence[Gap]) -> list[Gap]:
    """The fill's order: what is filled for nobody but whoever named it comes first (`fill.sharing`)."""
    named = sorted((gap for gap in gaps if not gap.due), key=lambda gap: gap.date, reverse=True)
    return [*named, *(gap for gap in gaps if gap.due)]


def _sum(settings: Settings, gaps: Sequence[Gap], cores: int) -> Plan:
    """The plan of *gaps* with its totals, and with a conflict for every disk that is too small."""
    asking = sharing.side_by_side(settings.terminal.max_concurrent_requests, cores)
    side_by_side = max(1, min(len(gaps), asking))
    estimates = [gap.estimate for gap in gaps if gap.estimate]
    times = [_seconds(estimate, side_by_side) for estimate in estimates if estimate.seconds is not None]
    sealed = sum(estimate.bytes for estimate in estimates) if estimates else None
    staged = sorted((estimate.temp_bytes for estimate in estimates), reverse=True)
    at_once = sum(staged if settings.keep_ndjson else staged[:side_by_side]) if estimates else None
    disks = _disks(settings, at_once, sealed)
    return Plan(
        gaps=tuple(gaps),
        side_by_side=side_by_side,
        unknown=len(gaps) - len(estimates),
        rows=sum(estimate.rows for estimate in estimates) if estimates else None,
        bytes=sealed,
        temp_bytes=at_once,
        seconds=sum(times) if times else None,
        disks=disks,
        conflicts=tuple(conflicts.of_disk(d.folder, d.needed or 0, d.free) for d in disks if not d.fits),
    )


def _seconds(estimate: Estimate, side_by_side: int) -> float:
    """A date's part of the time: a sealed date took its time beside others, a guessed one has it alone."""
    return (estimate.seconds or 0.0) / (1 if estimate.guessed else side_by_side)


def _disks(settings: Settings, staged: int | None, sealed: int | None) -> tuple[Disk, ...]:
    """The disks of output and temp directory: one where both are on the same, as `fill.room` has it."""
    output, temp = settings.layout.output, settings.layout.temp
    if reads.device(output) == reads.device(temp):
        both = None if staged is None or sealed is None else staged + sealed
        return (_disk(output, both),)
    return (_disk(output, sealed), _disk(temp, staged))


def _disk(folder: Path, size: int | None) -> Disk:
    return Disk(folder, None if size is None else round(size * MARGIN), reads.free_bytes(folder))
