"""Whether days are ready for what is to be computed of them: sealed, complete, good enough; and how fresh.

A backtest or a scheduler asks before it begins. Every session that the exchange has closed is to be there,
those after the newest sealed day as well, but for what is rightly without data. When the days were last
verified and whether the source has other data since is told, and decides nothing: both are of yesterday's
bytes, which `scan` checks when it reads them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spx_data.errors import DateValidationError
from spx_data.lake import calendar, frames, reader
from spx_data.lake.reader.days import is_settled, named
from spx_data.lake.reader.place import LAKE, Folder, Lake, Selection
from spx_data.lake.verify import root_of
from spx_data.market import sessions
from spx_data.market.dates import Dates
from spx_data.ops.recheck.versions import Action, Kind
from spx_data.store import journal
from spx_data.store.journal import Event
from spx_data.store.layout import Layout
from spx_data.text.words import counted

NEWEST = "last 20 sessions"


@dataclass(frozen=True)
class Readiness:
    """What is there of the sessions that were asked for; true where they are ready."""

    ready: bool
    sessions: int  # that are to be there
    sealed: int
    missing: Sequence[dt.date]
    incomplete: Sequence[dt.date]  # of which something is unknown
    below: Sequence[dt.date]  # with less than the score that was asked for, or none
    restated: Sequence[dt.date]  # the source has other data by now, as a recheck saw
    unverified: Sequence[dt.date]  # never verified since they were sealed
    verified_at: dt.datetime | None  # all of them were since then, where all were
    fresh_as_of: dt.date | None  # the newest sealed session
    newest_session: dt.date | None  # that the exchange has closed
    root: str | None  # of the sealed days (`verification_root`)

    def __bool__(self) -> bool:
        return self.ready

    @property
    def why_not(self) -> Iterator[str]:
        """What stands in the way, in words."""
        told = {"not sealed": self.missing, "incomplete": self.incomplete, "below the score": self.below}
        for words, dates in told.items():
            if dates:
                yield f"{counted(len(dates), 'day')} {words}: {named(dates)}"

    def as_json(self) -> dict[str, Any]:
        """The same as a JSON document."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def ready(
    dates: Selection = NEWEST,
    *,
    lake: Lake = LAKE,
    data: Folder | None = None,
    min_score: float | None = None,
    complete: bool = True,
) -> Readiness:
    """Whether the sessions of *dates* are ready: all sealed, and each complete and with *min_score* points.

    *complete*=False takes days of which something is unknown, too. Scores are by the shipped weights, as
    those of `days`. The result is true where all is ready, and says what is missing, how fresh the days are,
    since when they are verified and which of them the source has restated. No row is read.

    Raises:
        DateValidationError: *dates* names no date, or no session that the exchange has closed.
        FileCorruptionError: a passport is not what was sealed.
        OtherVersionError: the lake, or one of the days, was written by another version of spx-data.
    """
    place, within = reader.named(NEWEST if dates is None else dates, lake=lake, data=data)
    assert within
    layout = place.layout
    every = _closed(layout, within)
    there = [date for date in every if place.is_sealed(date)]
    missing = [date for date in every if date not in set(there) and not is_settled(layout, date)]
    if not there and not missing:
        what = f"the exchange has closed no session of {dates!r} yet, or none that is to have data"
        raise DateValidationError(what, cure="Name other dates")
    found = frames.days(there, lake=place, missing="ignore").to_dicts() if there else []
    events = journal.read(layout.lake_journal)
    since = {day["date"]: day["sealed_at"] for day in found}
    verified = _verified(events, since)
    lacking = [day["date"] for day in found if not day["complete"]]
    poor = [day["date"] for day in found if min_score is not None and (day["score"] or -1) < min_score]
    moments = [at for at in verified.values() if at is not None]
    return Readiness(
        ready=not (missing or poor or (complete and lacking)),
        sessions=len(there) + len(missing),
        sealed=len(there),
        missing=missing,
        incomplete=lacking,
        below=poor,
        restated=_restated(events, since),
        unverified=[date for date, at in verified.items() if at is None],
        verified_at=min(moments) if moments and len(moments) == len(verified) else None,
        fresh_as_of=max(there, default=None),
        newest_session=max(every),
        root=root_of({day["date"]: day["sha256"] for day in found}) if found else None,
    )


def _closed(layout: Layout, within: Dates) -> list[dt.date]:
    """The sessions *within* that are over."""
    now, name = sessions.now(), sessions.STOCKS
    last = min(within.last, sessions.today(now))
    found = calendar.remembered(layout.calendar(name), name, max(within.first, calendar.FIRST), last)
    return [session.date for session in found if session.date in within and session.closes <= now]


def _verified(
    events: Sequence[Event], sealed: Mapping[dt.date, dt.datetime]
) -> dict[dt.date, dt.datetime | None]:
    """When each of the *sealed* days, since then, was last found whole."""
    found: dict[dt.date, dt.datetime | None] = dict.fromkeys(sealed)
    for event in events:
        if event["event"] != journal.VERIFIED:
            continue
        at, told = dt.datetime.fromisoformat(event["at"]), event.get("within")
        within = Dates.of(told) if told else None
        wrong = {*event.get("damaged", ()), *event.get("failed", ())}
        for date, since in sealed.items():
            if at >= since and (within is None or date in within) and date.isoformat() not in wrong:
                found[date] = at
    return found


def _restated(events: Sequence[Event], sealed: Mapping[dt.date, dt.datetime]) -> list[dt.date]:
    """Which of the *sealed* days the source had otherwise when it was last asked again, since they were."""
    found: dict[object, Event] = {}
    for event in events:
        if event["event"] == journal.RECHECKED and event.get("changed") is not None:
            found[event.get("date")] = event
    return [
        date
        for date, since in sealed.items()
        if (last := found.get(date.isoformat()))
        and last.get("found") in (Kind.RESTATED, Kind.WITHDRAWN)
        and last.get("action") != Action.REPLACED
        and dt.datetime.fromisoformat(last["at"]) >= since
    ]
