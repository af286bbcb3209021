"""Why a date has no page, and what to do about it: in words, and as the page that is served in its place."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spx_data import status
from spx_data.errors import DateValidationError
from spx_data.lake import naming
from spx_data.lake.session_states import Kind, State
from spx_data.report.page import Content, Page, Section
from spx_data.settings import Settings
from spx_data.status import Summary
from spx_data.store.layout import Layout
from spx_data.text import commands


def error(
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


# Links to the days beside -------------------------------------------------------------------------------


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


# The page in its place ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """What is shown of a date without a page."""

    date: dt.date
    error: DateValidationError
    beside: Beside


def page(settings: Settings, moment: dt.datetime, date: dt.date, error: DateValidationError) -> Page[View]:
    """The page that says why there is none of *date*."""
    summaries = status.summaries(settings, moment)
    sealed = [summary.date for summary in summaries if summary.state.kind is Kind.SEALED]
    return Page(
        title=f"{settings.product.symbol} {date}",
        subtitle=f"{date:%A}, no page",
        made_at=moment.astimezone(dt.UTC),
        view=View(date, error, beside(settings.layout, sealed, date, sealed)),
        sections=SECTIONS,
        styles=["day.css"],
        home=f"../{settings.layout.dashboard.name}",
    )


def _content(view: View) -> Content:
    before, after = view.beside
    more = {"cure": commands.parts(view.error.cure), "before": before, "after": after}
    return Content(f"{view.error.cause}.", more=more)


SECTIONS = (Section("absent", "No page", _content, "absent"),)
