"""What a person decides about a date: leave it as it is, or try it anew."""

from __future__ import annotations

import datetime as dt

from spx_data.errors import DateValidationError
from spx_data.lake import calendar, naming
from spx_data.market import sessions
from spx_data.settings import Settings
from spx_data.store import journal, seals
from spx_data.store.journal import Journal

_STAGE = "ledger"


def accept(settings: Settings, date: dt.date, reason: str, *, as_is: bool = False) -> None:
    """Leave *date* as it is from now on, for a *reason* that a reader of the journal will understand.

    With *as_is* it is about to be sealed so (`fill.as_is`).

    Raises:
        DateValidationError: see `check`.
    """
    check(settings, date, reason)
    _record(settings, date, journal.ACCEPTED, reason, **({"as_is": True} if as_is else {}))


def check(settings: Settings, date: dt.date, reason: str) -> None:
    """Raise unless *date* can be accepted for a *reason*.

    Raises:
        DateValidationError: it is no session, it is sealed, or there is no reason.
    """
    if not reason.strip():
        raise _invalid(f"{date} cannot be accepted without a reason", "Say why it may stay as it is")
    if seals.is_sealed(settings.layout.parquet(date)):
        raise _invalid(f"{date} is sealed: there is nothing to accept", "Name a date that is not")
    _check_session(settings, date)


def reopen(settings: Settings, date: dt.date, reason: str) -> None:
    """Take an acceptance of *date* back, or let a parked date be tried anew.

    Raises:
        DateValidationError: it is no session.
    """
    _record(settings, date, journal.REOPENED, reason)


def _record(settings: Settings, date: dt.date, event: str, reason: str, **fields: bool) -> None:
    _check_session(settings, date)
    layout, said = settings.layout, {"reason": reason, "by": journal.user(), **fields}
    Journal(layout.journal(date), _STAGE).record(event, **said)
    # Who decided what is looked for in one place.
    Journal(layout.lake_journal, _STAGE).mention(event, date=date.isoformat(), **said)


def _check_session(settings: Settings, date: dt.date) -> None:
    refused = naming.refusals(settings, [date], sessions.now()).get(date)
    if refused is None or refused.what == "trading":
        return
    # Settings may ask for what has no greeks, and somebody ends that so.
    if not (settings.covers(date) and calendar.known(settings, date, date)):
        raise _invalid(f"{date}: {refused.reason}", refused.cure)


def _invalid(reason: str, cure: str) -> DateValidationError:
    return DateValidationError(reason, cure=cure)
