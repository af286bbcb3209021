"""What the calendar says of each session when somebody points at it: small enough for ten years of them.

Texts stand in the page once, and a session has their places in columns. Where a text would name the date of
its session, a substitute stands for it, and so the text is that of many.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from spx_data.lake.session_states import Kind
from spx_data.ops.gaps import Gap
from spx_data.report.dashboard.tones import Tone
from spx_data.report.dashboard.view import View
from spx_data.status import Summary
from spx_data.status.quality import Day
from spx_data.text.words import count, counted, duration, minute, points, size

# A reason may be a server's whole answer; `spx-data errors` has it in full.
_LONGEST = 300
# Of the checks that cost a day points; a good day has but one of them told.
_TOLD = 3
# The character that Unicode calls so; no text that people read has it.
_SUBSTITUTE = "\x1a"

Facts = Mapping[str, str]
# In the order in which a card tells them.
_FACTS = (
    *("why", "tries", "staged", "next run", "it takes"),
    *("score", "points lost by", "stands out", "hours", "rows", "Parquet", "expirations", "sealed"),
)


def data(
    view: View, dates: Sequence[dt.date], names: Mapping[dt.date, str], tones: Mapping[str, Tone]
) -> dict[str, Any]:
    """The cards of *dates* in their order, as `calendar.js` reads them; *names* are those of their tones."""
    texts = _Texts()
    summaries = {summary.date: summary for summary in view.dates}
    places = {gap.date: place for place, gap in enumerate(view.plan.gaps, start=1)}
    columns = {name: [0] * len(dates) for name in _FACTS}
    commands = []
    for row, date in enumerate(dates):
        summary, gap = summaries[date], view.gap_of.get(date)
        for name, text in _facts(view, summary, gap, places.get(date)).items():
            columns[name][row] = texts.place(text, date)
        commands.append(texts.place(_command(summary, gap, view.pages) or "", date))
    order = list(tones)
    return {
        "tones": [[tone.name, tone.title] for tone in tones.values()],
        "tone": [order.index(names[date]) for date in dates],
        "facts": {name: column for name, column in columns.items() if any(column)},
        "command": commands,
        "page": [int(date in view.pages) for date in dates],
        "texts": texts.all,
    }


class _Texts:
    """Texts, each of them once; the first is the empty one."""

    def __init__(self) -> None:
        self._places = {"": 0}

    @property
    def all(self) -> list[str]:
        return list(self._places)

    def place(self, text: str, date: dt.date) -> int:
        shared = text.replace(date.isoformat(), _SUBSTITUTE)
        return self._places.setdefault(shared, len(self._places))


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
        "stands out": ", ".join(outliers),
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
        return "nothing of it could be judged"
    return f"{points(day.score)} of 100, {day.verdict}"


def _losses(day: Day) -> Iterable[str]:
    shown = day.findings[: 1 if day.verdict == "good" else _TOLD]
    yield from map(shortened, shown)
    if left := len(day.findings) - len(shown):
        yield f"and {left:,} more"


def _of_gap(gap: Gap, place: int | None, queue: int) -> Facts:
    return {
        "why": shortened(gap.why),
        "tries": counted(gap.tries, "failing run") if gap.tries else "",
        "staged": counted(gap.staged, "expiration") if gap.staged else "",
        "next run": _turn(gap, place, queue),
        "it takes": _estimated(gap),
    }


def _turn(gap: Gap, place: int | None, queue: int) -> str:
    if place is not None:
        return f"takes it, number {place:,} of {queue:,}"
    return "leaves it alone until you ask for it" if gap.needs_you else "leaves it alone"


def _estimated(gap: Gap) -> str:
    if gap.estimate is None:
        return ""
    found = gap.estimate
    time = "" if found.seconds is None else f", {duration(found.seconds)}"
    return f"about {count(found.rows)} rows, {size(found.bytes)}{time}"


def _command(summary: Summary, gap: Gap | None, pages: Container[dt.date]) -> str | None:
    """What somebody would type about a session; nothing where its page is there, or waiting is right."""
    if summary.state.kind is Kind.SEALED:
        return None if summary.date in pages else f"spx-data report {summary.date}"
    return gap.command if gap else None


def shortened(text: str) -> str:
    """A text of others, cut where it is so long that nobody would read it here."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip()} …"
