"""What stands in the way of a fill, each with its cure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from spx_data.errors import DatasetMismatchError, MissingFileError, SchemaValidationError, SpxDataError
from spx_data.lake import calendar, runs
from spx_data.lake.session_states import Kind
from spx_data.market import sessions
from spx_data.sources import catalogue
from spx_data.store import dataset, reads

if TYPE_CHECKING:
    from spx_data.ops.gaps.finding import Gap
    from spx_data.settings import Settings, Terminal

What = Literal[
    "run",
    "lock",
    "disk",
    "terminal",
    "dataset",
    "lake",
    "no-session",
    "future",
    "trading",
    "sealed",
    "parked",
    "accepted",
    "no-data",
    "before-floor",
]

# A terminal listens on this machine: it answers at once or not at all. Both APIs are tried.
_PATIENCE_SECONDS = 1.0
_NAMED = 5  # dates in a sentence


@dataclass(frozen=True)
class Conflict:
    """One thing in the way: nothing, or less than asked, is filled where it is *blocking*."""

    what: What
    why: str
    cure: str
    dates: tuple[dt.date, ...] = ()
    blocking: bool = True


def of_disk(folder: Path, needed: int, free: int) -> Conflict:
    """A disk that is too small for what is planned."""
    return Conflict(
        "disk",
        f"the fill needs about {needed / 1e9:,.2f} GB on the disk of {folder}, "
        f"and {free / 1e9:,.2f} GB are free",
        "Make room there, or fill fewer dates: each one's room is checked before it starts",
    )


def of_surroundings(settings: Settings, *, ask_terminal: bool) -> Iterator[Conflict]:
    """A run at work, a lake that is not there or another one, and a terminal that cannot serve, if asked."""
    if gone := dataset.trouble(settings.layout):
        yield Conflict("lake", gone.cause, gone.cure)
    if run := runs.current(settings.layout):
        yield Conflict(
            "run",
            f"a run is filling this lake: process {run.pid}, since {run.started_at:%Y-%m-%d %H:%M} UTC, "
            f"with {_count(len(run.dates))}",
            "spx-data status --watch shows it, spx-data stop ends it",
        )
    terminal = None
    if ask_terminal:
        try:
            terminal = _located(settings)
        except SpxDataError as error:
            yield Conflict("terminal", error.cause, error.cure)
    try:
        _check_dataset(settings, terminal)
    except DatasetMismatchError as error:
        yield Conflict("dataset", error.cause, error.cure)


def _located(settings: Settings) -> Terminal:
    """The terminal, asked with little patience.

    Raises:
        SpxDataError: see `access.locate`.
    """
    from spx_data.sources import access

    hasty = replace(settings.terminal, timeout_seconds=_PATIENCE_SECONDS)
    return access.locate(hasty)


def _check_dataset(settings: Settings, terminal: Terminal | None) -> None:
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


def of_dates(
    settings: Settings, moment: dt.datetime, asked: Sequence[dt.date], found: Sequence[Gap]
) -> Iterator[Conflict]:
    """What is to be said about the *asked* dates, which are in order; *found* are the gaps among them."""
    if not asked:
        return
    today = sessions.today(moment)
    known = {session.date: session for session in calendar.known(settings, asked[0], min(asked[-1], today))}
    gaps = {gap.date: gap for gap in found}
    troubles: dict[What, list[dt.date]] = {}
    for date in asked:
        session = known.get(date)
        if date > today:
            what: What | None = "future"
        elif session is None:
            what = "no-session"
        elif moment < session.options_close(settings.product):
            what = "trading"
        else:
            what = _of_gap(gaps.get(date))
        if what is not None:
            troubles.setdefault(what, []).append(date)
    for what, dates in troubles.items():
        why, cure, blocking = _WORDS[what]
        reasons = {gaps[date].why for date in dates if date in gaps and what in _WITH_REASON}
        because = f" ({reasons.pop()})" if len(reasons) == 1 else ""
        yield Conflict(
            what,
            f"{named(dates)}: {why.format(calendar=settings.calendar)}{because}",
            cure.format(date=dates[0]),
            tuple(dates),
            blocking,
        )


_OF_KIND: Mapping[Kind, What] = {
    Kind.PARKED: "parked",
    Kind.ACCEPTED: "accepted",
    Kind.NO_DATA: "no-data",
}
_WITH_REASON = frozenset(_OF_KIND.values())

# What is wrong with a date, what can be done, and whether it keeps the date from being filled.
_WORDS: Mapping[What, tuple[str, str, bool]] = {
    "future": ("not come yet", "Name dates up to today", True),
    "no-session": ("no session of the calendar {calendar}", "Name trading dates", True),
    "trading": ("still trading", "Wait until 15 minutes after the close", True),
    "sealed": ("sealed already, so left alone", "spx-data verify {date} checks it", False),
    "parked": ("parked, so left alone", "spx-data retry {date} --force tries it anew", True),
    "accepted": ("accepted as it is", "spx-data accept {date} --undo takes that back", True),
    "no-data": ("the source had nothing, and is asked all the same", "", False),
}


def _of_gap(gap: Gap | None) -> What | None:
    """What is to be said about a session that is over; nothing about an ordinary gap."""
    return "sealed" if gap is None else _OF_KIND.get(gap.kind)


def named(dates: Sequence[dt.date]) -> str:
    """The first dates by name, the others by their number."""
    more = f" and {len(dates) - _NAMED:,} more" if len(dates) > _NAMED else ""
    return ", ".join(date.isoformat() for date in dates[:_NAMED]) + more


def _count(dates: int) -> str:
    return f"{dates:,} date{'' if dates == 1 else 's'}"
