"""Expirations that a date should have and that its source's listing of the date does not name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from spx_data.market.products import settles_at_the_open

Listed = AbstractSet[tuple[str, dt.date]]  # (root, expiration)

# An exchange lists what expires sooner than this long before: nothing so near is new.
_NEAR_DAYS = 7
# How many entries of a list, all of them listed, show on either side that a gap is a hole.
_BESIDE = 5
# Near dates stand closer than far ones; where those behind a gap are so much wider apart, the near ones end.
_WIDER = 1.2


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
        if is_live(date, root, expiration) or (after is not None and (root, expiration) in after)
    )


def is_live(date: dt.date, root: str, expiration: dt.date) -> bool:
    """Whether contracts of *root* with that true expiration can still be quoted on *date*."""
    return expiration > date or (expiration == date and not settles_at_the_open(root))


def unlisted(entries: Iterable[dt.date], listed: AbstractSet[dt.date], date: dt.date) -> list[dt.date]:
    """The *entries*, ascending, that should be *listed* on *date* and are not.

    A terminal's list of expirations has every date ever, and some of them were not listed yet on *date*. So
    an entry is suspicious only where it is the date's own; where it is near and most of those just after it
    are listed; or where it is a gap in a row of listed ones that goes on behind it as it went before.

    Args:
        entries: the true expirations in the terminal's list that are live on *date*.
        listed: the true expirations that its listing of *date* has.
        date: the trading date.
    """
    live = sorted(set(entries))
    known = set(listed)
    # From the far end: a hole that was found counts for the one before it, so that holes may be wide.
    for at in reversed(range(len(live))):
        if live[at] not in known and (live[at] == date or _is_hole(live, at, known, date)):
            known.add(live[at])
    return [entry for entry in live if entry in known and entry not in listed]


def _is_hole(live: list[dt.date], at: int, known: set[dt.date], date: dt.date) -> bool:
    before, after = live[max(0, at - _BESIDE) : at], live[at + 1 : at + 1 + _BESIDE]
    away = (live[at] - date).days
    if away <= _NEAR_DAYS:
        return len(known.intersection(after[:3])) >= min(2, len(after))
    if not before or len(after) < _BESIDE:
        return False
    pace, pace_after = away / at, (after[-1] - live[at]).days / len(after)
    return known.issuperset(before + after) and pace_after <= _WIDER * pace
