"""Which sealed days are incomplete, and when each of them is asked about again.

The first mends come soon, for a source often has in the evening what it lacked in the morning; the longer
they brought nothing, the longer the next one waits. In the end it is one a month, and never none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from spx_data import status
from spx_data.lake import session_states
from spx_data.lake.session_states import Kind
from spx_data.settings import Settings
from spx_data.status import Summary
from spx_data.store import journal
from spx_data.store.journal import Event

# After the seal, and after each mend without gain: as for a date without data, and rarer in the end.
PAUSES = (*session_states.PAUSES, dt.timedelta(days=30))


def named(settings: Settings, moment: dt.datetime) -> list[dt.date]:
    """The dates that a person asks to mend, newest first: all that are named, else all incomplete days.

    A date named by itself is among them sealed or not; of a range, only what is sealed.
    """
    if settings.dates is None:
        return [summary.date for summary in _incomplete(settings, moment)]
    sealed = session_states.sealed_dates(settings.layout, settings.dates)
    return sorted({*settings.dates.single, *sealed}, reverse=True)


def due(settings: Settings, moment: dt.datetime) -> list[dt.date]:
    """The incomplete days whose pause is over at *moment*, newest first."""
    incomplete = _incomplete(settings, moment)
    events = journal.read(settings.layout.lake_journal) if incomplete else []
    return [
        each.date for each in incomplete if next_mend(each.facts.sealed_at, mends(events, each)) <= moment
    ]


def mends(events: Sequence[Event], of: Summary) -> Iterable[Event]:
    """Those of the lake's *events* that are mends of a date without gain, since it was sealed."""
    return [
        event
        for event in events
        if event["event"] == journal.MENDED
        and event.get("date") == of.date.isoformat()
        and not event.get("changed")
        and event["at"] >= (of.facts.sealed_at or "")
    ]


def next_mend(sealed_at: str | None, tries: Iterable[Event]) -> dt.datetime:
    """When a day is due that was sealed then, and mended without gain in these events."""
    moments = [event["at"] for event in tries]
    last = max([*moments, sealed_at or dt.datetime.min.replace(tzinfo=dt.UTC).isoformat()])
    return dt.datetime.fromisoformat(last) + PAUSES[min(len(moments), len(PAUSES) - 1)]


def _incomplete(settings: Settings, moment: dt.datetime) -> list[Summary]:
    """The sealed days whose passport names something unknown, newest first."""
    return [
        summary
        for summary in reversed(status.summaries(settings, moment))
        if summary.state.kind is Kind.SEALED
        and summary.facts.quality is not None
        and summary.facts.quality["complete"] is False
    ]
