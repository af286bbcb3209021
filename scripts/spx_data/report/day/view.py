"""What the page of a day shows, read once for all of its sections; or why there is none, and what helps."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeVar

from spx_data import status
from spx_data.errors import DateValidationError
from spx_data.lake import naming, passports
from spx_data.lake.session_states import Kind, State
from spx_data.report.day.market import Market
from spx_data.settings import Settings
from spx_data.status import Summary, day_report, quality
from spx_data.status.history import Item, items
from spx_data.store import journal
from spx_data.store.journal import Event
from spx_data.store.layout import Layout

_BESIDE = 20  # dates before a day and after it


@dataclass(frozen=True)
class View:
    """One sealed day: its summary, and all that its passport says (`status.dossier`)."""

    settings: Settings
    date: dt.date
    summary: Summary
    dossier: Mapping[str, Any]
    others: Sequence[quality.Day]  # every judged day, oldest first
    summaries: Sequence[Summary] = ()  # every date of the lake, oldest first
    pages: Collection[dt.date] = ()  # of these dates there are some, or will be

    @classmethod
    def of(
        cls,
        settings: Settings,
        moment: dt.datetime,
        date: dt.date,
        together: Collection[dt.date] = (),
        summaries: Sequence[Summary] | None = None,
    ) -> View:
        """The view of *date*, whose page is made *together* with those of other dates.

        *summaries* are those of `status.summaries` at this moment, where they were read before.

        Raises:
            DateValidationError: it is not sealed.
            SchemaValidationError: it was sealed without a judgement.
            FileCorruptionError, MissingFileError: its passport is not what was sealed with it.
        """
        if summaries is None:
            summaries = status.summaries(settings, moment)
        summary = next((summary for summary in summaries if summary.date == date), None)
        if summary is None or summary.state.kind is not Kind.SEALED:
            raise no_page(settings, moment, date, summaries)
        days = quality.days(summaries, settings.quality)
        found_of_it = day_report.of(settings, summaries, days, date)
        there = {dt.date.fromisoformat(path.stem) for path in settings.layout.day_pages()}
        return cls(settings, date, summary, found_of_it, days, summaries, {*together, *there})

    @property
    def layout(self) -> Layout:
        """The paths of the lake."""
        return self.settings.layout

    @cached_property
    def passport(self) -> passports.Reading:
        """The day's passport.

        Raises:
            FileCorruptionError, MissingFileError: it is not what was sealed with the day.
        """
        return passports.read(self.layout, self.date, whole=True)

    @property
    def dataset(self) -> Mapping[str, Any]:
        """What the lake held when the day was sealed (`store.dataset`), whatever the settings say now."""
        found: Mapping[str, Any] = self.passport.document["dataset"]
        return found

    @cached_property
    def market(self) -> Market:
        """What the day's records say.

        Raises:
            FileCorruptionError, MissingFileError: its Parquet is not what was sealed.
        """
        return Market.of(self.settings.product, self.layout.parquet(self.date), self.passport.document)

    @cached_property
    def events(self) -> list[Event]:
        """What happened to the date, oldest first."""
        return journal.read(self.layout.journal(self.date))

    @cached_property
    def rechecks(self) -> list[Event]:
        """The looks that were taken at the source after the date was sealed, oldest first."""
        date = self.date.isoformat()
        return [
            event
            for event in journal.read(self.layout.lake_journal)
            if event["event"] == journal.RECHECKED and event.get("date") == date
        ]

    @cached_property
    def files(self) -> list[Item]:
        """The sealed files of the date."""
        facts = self.summary.facts
        return list(
            items(self.layout, self.date, facts.sha256 or "", facts.rows, facts.sealed_at, self.passport)
        )

    @property
    def beside(self) -> Beside:
        """Links to the sealed dates before and after this one."""
        sealed = (each.date for each in self.summaries if each.state.kind is Kind.SEALED)
        return beside(self.layout, sealed, self.date, self.pages)


class _Dated(Protocol):
    @property
    def date(self) -> dt.date: ...


D = TypeVar("D", bound=_Dated)


def around(every: Sequence[D], date: dt.date) -> list[D]:
    """The one of *date* among those beside it, of *every* one by date; none where it is not there."""
    place = next((number for number, each in enumerate(every) if each.date == date), None)
    return [] if place is None else list(every[max(0, place - _BESIDE) : place + _BESIDE + 1])


# Links to the days beside, and why there is no page ---------------------------------------------------------


def no_page(
    settings: Settings, moment: dt.datetime, date: dt.date, summaries: Sequence[Summary]
) -> DateValidationError:
    """Why *date*, which is not sealed, has no page, with what helps; *summaries* are `status.summaries`."""
    known = {summary.date: summary.state for summary in summaries}
    found, cure = _why(settings, moment, date, known.get(date))
    return DateValidationError(
        f"{date} has no page: {found}", cure=cure, what="dates", reason=f"{date}: {found}"
    )


def _why(settings: Settings, moment: dt.datetime, date: dt.date, state: State | None) -> tuple[str, str]:
    """What stands between *date* and its page, and the cure."""
    if state is not None and (settings.covers(date) or state.kind is not Kind.MISSING):
        return _in_state(date, state)
    if refused := naming.refusals(settings, [date], moment).get(date):
        return refused.reason, refused.cure
    fills = f"`spx-data process {date}` fills it all the same"
    if date < settings.start_date:
        return f"before the start date, {settings.start_date}", fills
    return f"after the end date, {settings.end_date}", fills


def _in_state(date: dt.date, state: State) -> tuple[str, str]:
    """The same of a date that the lake knows."""
    if state.kind is Kind.PENDING:
        return f"not sealed yet ({state.reason})", f"Wait until then; `spx-data process {date}` fills it"
    found = "not sealed yet" if state.kind is Kind.MISSING else f"not sealed ({state.words})"
    more = f"`spx-data gaps --start-date {date} --end-date {date}` shows more"
    return found, state.what_helps(date) or more


class Link(NamedTuple):
    """A sealed date, and where a page about it is, seen from the page of another one."""

    date: dt.date
    href: str


# The sealed dates before and after another one; None where there is none.
Beside = tuple[Link | None, Link | None]


def beside(layout: Layout, sealed: Iterable[dt.date], date: dt.date, pages: Container[dt.date]) -> Beside:
    """Links to those of the *sealed* dates that are next to *date*, to their own *pages* if there are any.

    Otherwise to the dashboard, which opens the card of the date: that has the command for its page.
    """
    ordered = sorted(sealed)
    found = bisect_left(ordered, date), bisect_right(ordered, date)
    return (
        _link(layout, ordered[found[0] - 1], pages) if found[0] else None,
        _link(layout, ordered[found[1]], pages) if found[1] < len(ordered) else None,
    )


def _link(layout: Layout, date: dt.date, pages: Container[dt.date]) -> Link:
    own = layout.day_page(date).name
    return Link(date, own if date in pages else f"../{layout.dashboard.name}#{date}")
