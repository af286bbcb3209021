"""Expirations that a date should have and that its source does not even list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Set as AbstractSet

Listed = AbstractSet[tuple[str, dt.date]]  # (root, expiration)

_SETTLED_AT_THE_OPEN = frozenset({"SPX"})  # last quoted the session before (wire-facts, section 10)


def lost_expirations(
    before: Listed, today: Listed, after: Listed | None, date: dt.date
) -> list[tuple[str, dt.date]]:
    """The expirations, sorted, that are lost on *date*: listed the session before and not *today*.

    Once listed, an expiration stays until it has expired; what is listed again the session *after* (None
    where that is not known) had not.
    """
    return sorted(
        (root, expiration)
        for root, expiration in before - today
        if _quoted_on(date, root, expiration) or (after is not None and (root, expiration) in after)
    )


def _quoted_on(date: dt.date, root: str, expiration: dt.date) -> bool:
    return expiration > date or (expiration == date and root not in _SETTLED_AT_THE_OPEN)
