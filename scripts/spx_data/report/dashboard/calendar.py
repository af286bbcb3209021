"""Every session as a cell of a calendar, coloured by its state, with a card of what it is.

The cards are small enough for ten years of them. Texts stand in the page once, and a session has their places
in columns. Where a text would name the date of its session, a substitute stands for it, and so the text is
that of many.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from spx_data.lake.session_states import Kind
from spx_data.ops.gaps import Gap
from spx_data.report.dashboard.view import View
from spx_data.report.page import Content
from spx_data.settings import Settings
from spx_data.status import Summary
from spx_data.status.quality import Day
from spx_data.text import commands
from spx_data.text.words import count, counted, duration, minute, points, size

_WEEK = 7
_WORKING_DAYS = 5


@dataclass(frozen=True)
class Month:
    """A month, week by week: *lead* places are left free in its first one; None is no session."""

    name: str
    lead: int
    slots: Sequence[dt.date | None]


@dataclass(frozen=True)
class Year:
    """A year, and how many of its sessions are sealed."""

    number: int
    months: Sequence[Month]
    sealed: int
    sessions: int


def content(view: View) -> Content:
    """The sessions by year and month, and what the legend and the cards say of them."""
    known = tones(view.settings)
    names = {summary.date: name_of(summary, view.day_of.get(summary.date)) for summary in view.in_range}
    # Trading on weekends, which other calendars know, takes two more rows, and a month touches six weeks.
    days = _WEEK if any(date.weekday() >= _WORKING_DAYS for date in names) else _WORKING_DAYS
    years = list(_years(names, days))
    counts = Counter(names.values())
    in_order = [date for year in years for month in year.months for date in month.slots if date]
    outside = len(view.dates) - len(view.in_range)
    more = f" Not shown: {counted(outside, 'date')} outside of the configured range." if outside else ""
    return Content(
        f"One cell per session, one column per week. Hover over or tap a cell for details.{more}",
        more={
            "years": years,
            "tones": {date: known[name] for date, name in names.items()},
            "rows": days,
            "columns": 5 if days == _WORKING_DAYS else 6,
            "legend": [(tone, counts[tone.name]) for tone in known.values()],
            "cards": _cards(view, in_order, names, known),
        },
    )


def _years(names: Mapping[dt.date, str], days: int) -> Iterator[Year]:
    """The years, newest first, each with the months of which any has sessions: they stand in columns."""
    dates = sorted(names)
    months = sorted({date.month for date in dates})
    by_year = {year: list(found) for year, found in groupby(dates, key=lambda date: date.year)}
    for year in sorted(by_year, reverse=True):
        of_year = by_year[year]
        sealed = sum(names[date].startswith(Kind.SEALED) for date in of_year)
        found = [_month(names, dt.date(year, month, 1), days) for month in months]
        yield Year(year, found, sealed, len(of_year))


def _month(names: Mapping[dt.date, str], first: dt.date, days: int) -> Month:
    length = calendar.monthrange(first.year, first.month)[1]
    month = (first + dt.timedelta(number) for number in range(length))
    dates = [date for date in month if date.weekday() < days]
    slots = [date if date in names else None for date in dates] if not names.keys().isdisjoint(dates) else []
    return Month(f"{first:%b}", dates[0].weekday(), slots)


# The looks of a session ---------------------------------------------------------------------------------

UNJUDGED = "unjudged"
# Of what is not sealed.
_MEANINGS = {
    Kind.MISSING: "should be sealed and is not: the next run fills it",
    Kind.PARTIAL: "started, not finished: the next run continues",
    Kind.FAILED: "the last try failed: the next run retries",
    Kind.PARKED: "failed in too many runs: skipped until you retry it",
    Kind.CORRUPT: "sealed, then found damaged: the next run fetches it again",
    Kind.NO_DATA: "nothing at the source (asked again later), or the exchange was closed",
    Kind.PENDING: "still trading, or not yet available at the source",
    Kind.ACCEPTED: "left as it is, by your decision",
}


@dataclass(frozen=True)
class Tone:
    """A look that `dashboard.css` has by the *classes* of a cell; *name* is that of the legend's entry."""

    name: str
    classes: str
    title: str
    meaning: str


def name_of(summary: Summary, day: Day | None) -> str:
    """The tone of a session; *day* is its judgement, if there is one."""
    kind = summary.state.kind
    if kind is not Kind.SEALED:
        return kind.value
    if day is None or day.verdict is None:
        return f"{kind}-{UNJUDGED}"
    return kind.value if day.verdict == "good" else f"{kind}-{day.verdict}"


def tones(settings: Settings) -> dict[str, Tone]:
    """Every tone by its name, in the order of the legend."""
    rules, sealed = settings.quality, Kind.SEALED
    warned = f"score below {rules.warn_below:g}, or a part below {rules.fail_below:g}: take a look"
    failed = f"score below {rules.fail_below:g}: do not use before you know why"
    found = (
        _tone(sealed, "Parquet and sidecar are present, and the score is good"),
        Tone(f"{sealed}-warn", f"state-{sealed} verdict-warn", "sealed, warn", warned),
        Tone(f"{sealed}-fail", f"state-{sealed} verdict-fail", "sealed, fail", failed),
        Tone(f"{sealed}-{UNJUDGED}", f"state-{sealed} {UNJUDGED}", "sealed, not judged", "no score"),
        *(_tone(kind, meaning) for kind, meaning in _MEANINGS.items()),
    )
    return {tone.name: tone for tone in found}


def _tone(kind: Kind, meaning: str) -> Tone:
    return Tone(kind.value, f"state-{kind}", kind.value, meaning)


# Cards --------------------------------------------------------------------------------------------------

# A reason may be a server's whole answer; `spx-data errors` has it in full.
_LONGEST = 300
# Of the checks that cost a day points; a good day has but one of them told.
_TOLD = 3
# The character that Unicode calls so; no text that people read has it.
_SUBSTITUTE = "\x1a"

Facts = Mapping[str, str]
# In the order in which a card tells them.
_FACTS = (
    *("why", "tries", "staged", "next run", "estimate"),
    *("score", "points lost by", "outlier in", "hours", "rows", "Parquet", "expirations", "sealed"),
)


def _cards(
    view: View, dates: Sequence[dt.date], names: Mapping[dt.date, str], tones: Mapping[str, Tone]
) -> dict[str, Any]:
    """The cards of *dates* in their order, as `calendar.js` reads them; *names* are those of their tones."""
    texts = {"": 0}  # each of them once, with its place

    def place_of(text: str, date: dt.date) -> int:
        return texts.setdefault(text.replace(date.isoformat(), _SUBSTITUTE), len(texts))

    summaries = {summary.date: summary for summary in view.in_range}
    places = {gap.date: place for place, gap in enumerate(view.plan.gaps, start=1)}
    columns = {name: [0] * len(dates) for name in _FACTS}
    commands = []
    for row, date in enumerate(dates):
        summary, gap = summaries[date], view.gap_of.get(date)
        for name, text in _facts(view, summary, gap, places.get(date)).items():
            columns[name][row] = place_of(text, date)
        commands.append(place_of(_command(summary, gap, view.pages) or "", date))
    order = list(tones)
    return {
        "tones": [[tone.name, tone.title] for tone in tones.values()],
        "tone": [order.index(names[date]) for date in dates],
        "facts": {name: column for name, column in columns.items() if any(column)},
        "command": commands,
        "page": [int(date in view.pages) for date in dates],
        "texts": list(texts),
    }


def _facts(view: View, summary: Summary, gap: Gap | None, place: int | None) -> Facts:
    if summary.state.kind is Kind.SEALED:
        outliers = view.outliers.get(summary.date, ())
        return _of_sealed(summary, view.day_of.get(summary.date), map(str, outliers))
    if gap is None:
        return {"why": shortened(summary.state.words)}
    return _of_gap(gap, place, len(view.plan.gaps))


def _of_sealed(summary: Summary, day: Day | None, outliers: Iterable[str]) -> Facts:
    facts = summary.facts
    return {
        "score": _score(day),
        "points lost by": "\n".join(_losses(day)) if day else "",
        "outlier in": ", ".join(outliers),
        "hours": "\n".join(map(shortened, day.session_findings)) if day else "",
        "rows": count(facts.rows),
        "Parquet": size(facts.bytes),
        "expirations": count(facts.chains),
        "sealed": f"{minute(facts.sealed_at)} UTC" if facts.sealed_at else "",
    }


def _score(day: Day | None) -> str:
    if day is None:
        return "not judged"
    if day.score is None:
        return "nothing could be judged"
    return f"{points(day.score)} of 100, {day.verdict}"


def _losses(day: Day) -> Iterable[str]:
    shown = day.findings[: 1 if day.verdict == "good" else _TOLD]
    yield from map(shortened, shown)
    if left := len(day.findings) - len(shown):
        yield f"and {left:,} more"


def _of_gap(gap: Gap, place: int | None, queue: int) -> Facts:
    return {
        "why": shortened(gap.why),
        "tries": counted(gap.tries, "failed run") if gap.tries else "",
        "staged": counted(gap.staged, "expiration") if gap.staged else "",
        "next run": _turn(gap, place, queue),
        "estimate": _estimated(gap),
    }


def _turn(gap: Gap, place: int | None, queue: int) -> str:
    if place is not None:
        return f"queued, number {place:,} of {queue:,}"
    return "skipped until you retry it" if gap.needs_you else "skipped"


def _estimated(gap: Gap) -> str:
    if gap.estimate is None:
        return ""
    found = gap.estimate
    time = "" if found.seconds is None else f", {duration(found.seconds)}"
    return f"about {count(found.rows)} rows, {size(found.bytes)}{time}"


def _command(summary: Summary, gap: Gap | None, pages: Container[dt.date]) -> str | None:
    """The command for a session; none where its page is there, or waiting is right."""
    if summary.state.kind is Kind.SEALED:
        return None if summary.date in pages else commands.shown(f"`spx-data report {summary.date}`")
    return gap.command if gap else None


def shortened(text: str) -> str:
    """A text of others, cut where it is so long that nobody would read it here."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip()} …"
