"""Which sealed dates are looked at again: those not looked at for longest, so in time all of them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence

from spx_data.lake import session_states
from spx_data.settings import Settings
from spx_data.store import journal
from spx_data.store.journal import Event


def dates_due(settings: Settings) -> list[dt.date]:
    """The dates that this call rechecks: all that it names, else a sample of the sealed ones.

    A date named by itself is among them sealed or not; of a range, only what is sealed.
    """
    sealed = session_states.sealed_dates(settings.layout, settings.dates)
    ordered = by_last_look(sealed, journal.read(settings.layout.lake_journal))
    if settings.dates is None:
        return ordered[: settings.recheck.sample]
    return [date for date in settings.dates.single if date not in sealed] + ordered


def by_last_look(dates: Iterable[dt.date], events: Sequence[Event]) -> list[dt.date]:
    """*dates* in the order in which to look at them, by the lake's *events*.

    Never looked at comes first, then the look that is longest ago. Equals are ordered by a digest of the
    date, so that the first looks are spread over the lake instead of walking through its oldest month.
    """
    last = {
        str(event.get("date")): number
        for number, event in enumerate(events)
        if event["event"] == journal.RECHECKED
    }
    return sorted(dates, key=lambda date: (last.get(date.isoformat(), -1), _spread(date)))


def _spread(date: dt.date) -> str:
    return hashlib.sha256(date.isoformat().encode()).hexdigest()
