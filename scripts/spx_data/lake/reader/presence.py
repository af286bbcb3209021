"""Which sessions of a selection are sealed, and which should be there and are not.

What has traces must be there: a file of a sealed day, or the journal's word that it was sealed. So must every
session between two sealed days. Beyond the first and the last sealed day nothing was filled yet, and nothing
is missed; nor is a session that a person accepted as it is, or that the vendor's calendar has as closed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from spx_data.errors import FileCorruptionError, MissingFileError
from spx_data.lake import calendar, session_states
from spx_data.lake.session_states import Evidence
from spx_data.market import products, sessions
from spx_data.market.dates import Dates
from spx_data.settings import Patience
from spx_data.store import dataset, journal, seals, tree
from spx_data.store.journal import Event
from spx_data.store.layout import Layout

# The one that has the half days right, and the settings' default; sessions are the same in all of them.
_CALENDAR = "NYSE"
_NAMED = 20
# The clock and the settings have no say in whether a date is settled.
_PATIENCE = Patience(publication_hours=0, max_attempts=None)


@dataclass(frozen=True)
class Presence:
    """The sessions of a selection, oldest first: sealed ones, those lost, and those never filled."""

    sealed: Sequence[dt.date]
    lost: Sequence[dt.date]  # sealed once, and not whole any more
    unfilled: Sequence[dt.date]

    @property
    def missing(self) -> tuple[dt.date, ...]:
        """Those that should be there and are not."""
        return tuple(sorted({*self.lost, *self.unfilled}))

    @property
    def words(self) -> str:
        """What is missing, in words."""
        lost = f"sealed once and not whole any more: {named(self.lost)}" if self.lost else ""
        unfilled = f"never filled: {named(self.unfilled)}" if self.unfilled else ""
        return "; ".join(filter(None, (lost, unfilled)))

    def error(self, layout: Layout) -> FileCorruptionError | MissingFileError:
        """The error that names what is missing of the lake at *layout*."""
        found = f"{layout.output}: {len(self.missing):,} of the selected sessions are not there, {self.words}"
        otherwise = (
            'spx-data status says what stands in the way; missing="warn" reads the others, and data=… tells '
            "where the journals are, which know of dates that were accepted as they are"
        )
        if not self.lost:
            cure = f"Fill it with snakemake --cores 4; {otherwise}"
            return MissingFileError(found, cure=cure, path=layout.parquet(self.unfilled[0]), operation="read")
        remains = [path for path in layout.sealed_files(self.lost[0]) if path.exists()]
        return FileCorruptionError(
            found,
            cure=f"Run snakemake verify to see what is wrong, then snakemake --cores 4; {otherwise}",
            path=remains[0] if remains else layout.parquet(self.lost[0]),
            expected="a Parquet, its passport and its sidecar",
            actual=", ".join(path.name for path in remains) or "nothing",
        )


def look(layout: Layout, within: Dates | None) -> Presence:
    """What is there of the sessions *within* (None: all), and what should be.

    The journals of *layout* are read for what is not sealed alone; it may have none.
    """
    on_disk = tree.dates(layout)
    sealed = [date for date in on_disk if _is_within(date, within) and seals.is_sealed(layout.parquet(date))]
    case = _Case(layout, frozenset(on_disk), dataset.given_up(layout))
    journalled = (dt.date.fromisoformat(path.name[:10]) for path in layout.journals())
    there = set(sealed)
    doubtful = {date for date in (*on_disk, *journalled) if _is_within(date, within)} - there
    lost = {date for date in doubtful if case.is_lost(date)}
    single = set(within.single if within else ())
    between = set(_between(layout, on_disk, within)) - there - lost - single
    unfilled = {date for date in between if not case.is_settled(date)} | (single - there - lost)
    return Presence(sealed, sorted(lost), sorted(unfilled))


def named(dates: Iterable[dt.date]) -> str:
    """*dates* in words: up to twenty by name, the others as a number."""
    words = [date.isoformat() for date in dates]
    more = f" and {len(words) - _NAMED:,} more" if len(words) > _NAMED else ""
    return ", ".join(words[:_NAMED]) + more


def _is_within(date: dt.date, within: Dates | None) -> bool:
    return within is None or date in within


def _between(layout: Layout, on_disk: Sequence[dt.date], within: Dates | None) -> Iterator[dt.date]:
    """The sessions *within* that lie between the first and the last sealed day of the lake."""
    first = next((date for date in on_disk if seals.is_sealed(layout.parquet(date))), None)
    last = next((date for date in reversed(on_disk) if seals.is_sealed(layout.parquet(date))), None)
    if first is None or last is None:
        return
    for start, end in within.ranges if within else [(first, last)]:
        start, end = max(start, first), min(end, last)
        if start <= end:
            found = calendar.remembered(layout.calendar(_CALENDAR), _CALENDAR, start, end)
            yield from (session.date for session in found)


@dataclass(frozen=True)
class _Case:
    """What the files and the journals of a lake say about dates that are not sealed."""

    layout: Layout
    on_disk: frozenset[dt.date]
    given_up: dt.datetime | None

    def is_lost(self, date: dt.date) -> bool:
        """Whether *date* was sealed once; without the sidecar, the last one, a fill may be at work on it."""
        if self.layout.sidecar(date).exists():
            return True
        events = journal.read(self.layout.journal(date))
        return _was_sealed(events, self.given_up) or (date in self.on_disk and not events)

    def is_settled(self, date: dt.date) -> bool:
        """Whether *date* is rightly without data."""
        evidence = Evidence(events=journal.read(self.layout.journal(date)))
        return session_states.state(evidence, None, sessions.now(), _PATIENCE, products.DEFAULT).is_settled


def _was_sealed(events: Sequence[Event], since: dt.datetime | None) -> bool:
    """Whether *events* have the date as sealed after *since*, and no person accepted it without data then."""
    for event in reversed(events):
        if since is not None and dt.datetime.fromisoformat(event["at"]) <= since:
            return False
        if event["event"] in (journal.SEALED, journal.ACCEPTED):
            return bool(event["event"] == journal.SEALED)
    return False
