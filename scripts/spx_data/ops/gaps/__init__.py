"""The gaps of a lake: the sessions that are not sealed, the order of filling them, and the plan of it.

`find` says what every gap is and what it will take, `order` is what the fill follows, and `plan` is a fill
before it starts: which dates in which order, what they take, and what stands in the way, each with its cure.
All of it is read from the tree and thrown away again.
"""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from spx_data import status
from spx_data.errors import DatasetMismatchError, MissingFileError, SchemaValidationError, SpxDataError
from spx_data.fill import DISK_MARGIN
from spx_data.lake import calendar, naming, runs
from spx_data.lake.naming import Refusal
from spx_data.ops.gaps import sharing
from spx_data.ops.gaps.estimate import Estimate
from spx_data.ops.gaps.finding import Gap, Points, find, order, sessions_known
from spx_data.ops.gaps.intervals import Interval
from spx_data.ops.gaps.learned import Learned, Wanted, filled
from spx_data.settings import Settings, Terminal
from spx_data.sources import catalogue, profile
from spx_data.status import Summary
from spx_data.store import dataset, reads
from spx_data.text.words import counted, few

__all__ = [
    "NAMED",
    "Conflict",
    "Disk",
    "Estimate",
    "Gap",
    "Interval",
    "Learned",
    "Plan",
    "Points",
    "before_floor",
    "check_dataset",
    "find",
    "learn",
    "order",
    "plan",
    "span_of",
]

_LEFT_OUT = frozenset({"parked", "accepted"})
# A terminal listens on this machine: it answers at once or not at all. Both APIs are tried.
_PATIENCE_SECONDS = 1.0
NAMED = 5  # dates in a sentence
# What is to be said of a session, what can be done, and whether it keeps the date from being filled.
_WORDS: Mapping[str, tuple[str, str, bool]] = {
    "sealed": ("sealed already, so left alone", "`spx-data verify {date}` checks it", False),
    "parked": ("parked, so left alone", "`spx-data retry {date} --force` retries it", True),
    "accepted": ("accepted as it is", "`spx-data accept {date} --undo` takes that back", True),
    "no-data": ("the source had nothing; asked again", "", False),
}
_REFUSAL = 100  # characters of the terminal's words
_AGAIN = "`spx-data probe` looks again"


@dataclass(frozen=True)
class Conflict:
    """One thing in the way: nothing, or less than asked, is filled where it is *blocking*.

    *what* is a key of `_WORDS`, a word of `naming.Refusal`, or run, disk, terminal, dataset, lake or
    before-floor.
    """

    what: str
    why: str
    cure: str
    dates: tuple[dt.date, ...] = ()
    blocking: bool = True


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
    span: Interval | None  # the same, as far as the past tells how far off it may be
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


def plan(
    settings: Settings,
    moment: dt.datetime,
    dates: Iterable[dt.date] | None,
    cores: int,
    *,
    ask_terminal: bool = False,
    found: Sequence[Gap] | None = None,
    summaries: Sequence[Summary] | None = None,
) -> Plan:
    """The plan to fill *dates* with so many *cores*; None is every date that the next run takes.

    Those of them that are sealed, parked or accepted, or cannot be had (`naming.refusals`), are left out and
    named among the conflicts. *found* is what `find` has given for a range that holds all the dates, and
    *summaries* are those of `status.summaries`, without which such a plan has no interval. With
    *ask_terminal* the terminal is asked whether it is there, which takes at most about two seconds.

    Raises:
        ConfigurationValidationError: there is no such calendar.
    """
    if found is None and summaries is None:
        summaries = status.summaries(settings, moment)
    if dates is None:
        found = find(settings, moment, summaries=summaries) if found is None else found
        gaps, trouble = [gap for gap in found if gap.due], list[Conflict]()
    else:
        asked = sorted(set(dates))
        refused = naming.refusals(settings, asked, moment)
        asked = [date for date in asked if date not in refused]
        if found is None:
            found = find(settings, moment, asked[0], asked[-1], summaries=summaries) if asked else []
        trouble = [*_about_refused(refused), *_about_sessions(asked, found)]
        left_out = {date for conflict in trouble if conflict.what in _LEFT_OUT for date in conflict.dates}
        wanted = set(asked) - left_out
        gaps = _in_turn([gap for gap in found if gap.date in wanted])
    if before := _before_floor(settings, [gap.date for gap in gaps]):
        trouble.append(before)
    learned = learn({"": settings}, {"": summaries or ()}, moment)
    summed = _sum(settings, gaps, cores, span_of(learned, {"": gaps}, moment))
    around = _about_surroundings(settings, ask_terminal=ask_terminal)
    return replace(summed, conflicts=(*summed.conflicts, *around, *trouble))


def _in_turn(gaps: Sequence[Gap]) -> list[Gap]:
    """The fill's order: what is filled only because it was named comes first (`sharing`)."""
    named = sorted((gap for gap in gaps if not gap.due), key=lambda gap: gap.date, reverse=True)
    return [*named, *(gap for gap in gaps if gap.due)]


def learn(
    lakes: Mapping[str, Settings], known: Mapping[str, Sequence[Summary]], moment: dt.datetime
) -> Learned:
    """What filling these *lakes* took so far, by what is *known* of their dates: one history of all."""
    told = {}
    for lake, settings in lakes.items():
        by_date = {summary.date: summary for summary in known[lake]}
        told[lake] = sessions_known(settings, moment, settings.start_date, by_date), by_date
    return Learned(filled(told))


def span_of(learned: Learned, gaps: Mapping[str, Sequence[Gap]], at: dt.datetime) -> Interval | None:
    """The seconds that filling *gaps* of those lakes takes from *at* on; None where nobody can tell."""
    estimates = [(lake, gap.date, gap.estimate) for lake, some in gaps.items() for gap in some]
    if any(estimate is None or estimate.guessed for *_, estimate in estimates):
        return None
    wanted = [Wanted(lake, date, round(e.rows * e.left)) for lake, date, e in estimates if e]
    return learned.span(wanted, at)


def _sum(settings: Settings, gaps: Sequence[Gap], cores: int, span: Interval | None) -> Plan:
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
        seconds=span.p50 if span else sum(times) if times else None,
        span=span,
        disks=disks,
        conflicts=tuple(_about_disk(d.folder, d.needed or 0, d.free) for d in disks if not d.fits),
    )


def _seconds(estimate: Estimate, side_by_side: int) -> float:
    """A date's part of the time: a sealed date took its time beside others, a guessed one has it alone."""
    return (estimate.seconds or 0.0) / (1 if estimate.guessed else side_by_side)


def _disks(settings: Settings, staged: int | None, sealed: int | None) -> tuple[Disk, ...]:
    """The disks of output and temp directory: one where both are on the same, as `fill.disk_space` has it."""
    output, temp = settings.layout.output, settings.layout.temp
    if reads.device(output) == reads.device(temp):
        both = None if staged is None or sealed is None else staged + sealed
        return (_disk(output, both),)
    return (_disk(output, sealed), _disk(temp, staged))


def _disk(folder: Path, size: int | None) -> Disk:
    return Disk(folder, None if size is None else round(size * DISK_MARGIN), reads.free_bytes(folder))


def _about_disk(folder: Path, needed: int, free: int) -> Conflict:
    """A disk that is too small for what is planned."""
    return Conflict(
        "disk",
        f"the fill needs about {needed / 1e9:,.2f} GB on the disk of {folder}, "
        f"and {free / 1e9:,.2f} GB are free",
        "Make room there, or fill fewer dates: each one's room is checked before it starts",
    )


def _about_surroundings(settings: Settings, *, ask_terminal: bool) -> Iterator[Conflict]:
    """A run at work, a lake that is not there or another one, and a terminal that cannot serve, if asked."""
    if gone := dataset.trouble(settings.layout):
        yield Conflict("lake", gone.cause, gone.cure)
    if run := runs.current(settings.layout):
        yield Conflict(
            "run",
            f"a run is filling this lake: process {run.pid}, since {run.started_at:%Y-%m-%d %H:%M} UTC, "
            f"with {counted(len(run.dates), 'date')}",
            "`spx-data status --watch` shows it, `spx-data stop` ends it",
        )
    terminal = None
    if ask_terminal:
        from spx_data.sources import access

        try:
            terminal = access.locate(replace(settings.terminal, timeout_seconds=_PATIENCE_SECONDS))
        except SpxDataError as error:
            yield Conflict("terminal", error.cause, error.cure)
    try:
        check_dataset(settings, terminal)
    except DatasetMismatchError as error:
        yield Conflict("dataset", error.cause, error.cure)


def check_dataset(settings: Settings, terminal: Terminal | None) -> None:
    """Raise `DatasetMismatchError` where the lake holds another data set than *settings* ask for.

    Which greeks model the source has is known only where its *terminal* is; else it is the lake's own.
    """
    model = None
    if terminal is not None:
        model = catalogue.capabilities(terminal.api).greeks_version(terminal.greeks_version)
    else:
        with suppress(MissingFileError, SchemaValidationError):
            held = reads.read_json(settings.layout.dataset)
            model = held.get("greeks_version") if isinstance(held, dict) else None
    with suppress(SchemaValidationError):  # the fill itself says what is wrong with the file
        dataset.check(settings.layout, settings.identity(str(model)))


def _about_refused(refused: Mapping[dt.date, Refusal]) -> Iterator[Conflict]:
    """What is to be said about dates that cannot be had: once for those that are refused alike."""
    alike: dict[tuple[str, str], list[dt.date]] = {}
    for date, why in refused.items():
        alike.setdefault((why.what, why.reason), []).append(date)
    for (what, reason), dates in alike.items():
        yield Conflict(what, f"{few(dates, NAMED)}: {reason}", refused[dates[0]].cure, tuple(dates))


def _about_sessions(asked: Sequence[dt.date], found: Sequence[Gap]) -> Iterator[Conflict]:
    """What is to be said about the *asked* sessions, which are in order; *found* are the gaps among them."""
    gaps = {gap.date: gap for gap in found}
    troubles: dict[str, list[dt.date]] = {}
    for date in asked:
        if (what := gaps[date].kind.value if date in gaps else "sealed") in _WORDS:
            troubles.setdefault(what, []).append(date)
    for what, dates in troubles.items():
        why, cure, blocking = _WORDS[what]
        reasons = {gaps[date].why for date in dates if date in gaps and what == gaps[date].kind}
        because = f" ({reasons.pop()})" if len(reasons) == 1 else ""
        yield Conflict(
            what,
            f"{few(dates, NAMED)}: {why}{because}",
            cure.format(date=dates[0]),
            tuple(dates),
            blocking,
        )


def before_floor(settings: Settings) -> Conflict | None:
    """What is to be said of the sessions that the settings ask for; None where all may have data."""
    until = profile.nothing_until(settings.layout.profile)
    if until is None or settings.start_date > until:
        return None
    last = min(until, settings.end_date or until)
    wanted = calendar.known(settings, settings.start_date, last)
    return _before_floor(settings, [session.date for session in wanted])


def _before_floor(settings: Settings, dates: Iterable[dt.date]) -> Conflict | None:
    """What is to be said of these *dates*, sessions all of them; None where all may have data."""
    found = profile.known(settings.layout.profile)
    if found is None or found.floor.none_on is None:
        return None
    until = found.floor.none_on
    before = tuple(sorted(date for date in dates if date <= until))
    if not before:
        return None
    first = calendar.known(settings, until + dt.timedelta(1), until + calendar.LONGEST_BREAK)[0].date
    said = textwrap.shorten(found.floor.refusal or "it had no data", _REFUSAL, placeholder=" …")
    sets = found.floor.earliest is not None and settings.start_date <= until
    return Conflict(
        "before-floor",
        f"{counted(len(before), 'session')} before {first}, of which this subscription has nothing "
        f"(probed {found.probed_at:%Y-%m-%d}: {said}); still asked for, after all others",
        f"`spx-data config set processing.start_date {first}`" if sets else _AGAIN,
        before,
        blocking=False,
    )
