"""Who else knows what a date should have: the terminal's list of expirations, and the sealed days beside it.

The terminal lists every expiration of a root; that list is asked for once and kept. What was asked for after
a date's close knows all that were listed on it; else a list of the last day will do. Sealed days beside a
date name the chains that they have records of, and what they have confirmed of the source's habits. What a
listing or a report leaves out speaks against the rest of it.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from spx_data.errors import ApiDataNotFoundError, SpxDataError
from spx_data.lake import calendar, passports
from spx_data.market import sessions
from spx_data.market.chains import is_unusual
from spx_data.market.products import Product
from spx_data.market.second_opinion import ENOUGH, Lack
from spx_data.settings import Settings
from spx_data.sources.profile import Profile
from spx_data.sources.source import Source
from spx_data.store import seals
from spx_data.store.layout import Layout

if TYPE_CHECKING:
    from spx_data.sources.session import SourceSession

Listed = AbstractSet[tuple[str, dt.date]]  # (root, expiration)

# So often an answer is asked for that leaves out unusual rows, others each time.
MOST_ANSWERS = 3
# Questions that doubt an answer are this far apart, times `thetadata.retry_wait_factor`.
APART_SECONDS = 5.0
_FRESH = dt.timedelta(days=1)
# Calendar days to either side that tell of chains, and of habits: these may change with a release.
_REACH_DAYS, _HABIT_DAYS = 7, 14
# An exchange lists what expires sooner than this long before: nothing so near is new.
_NEAR_DAYS = 7
# How many entries of a list, all of them listed, show on either side that a gap is a hole.
_BESIDE = 5
# Near dates stand closer than far ones; where those behind a gap are so much wider apart, the near ones end.
_WIDER = 1.2


class UnansweredError(Exception):
    """A question that the source did not answer, and why: it explains nothing."""


# The terminal's list of expirations -------------------------------------------------------------------


class _Kept(NamedTuple):
    """A list of expirations, as listed, and the moment at which it was asked for."""

    at: dt.datetime
    dates: tuple[dt.date, ...]

    @classmethod
    def read(cls, layout: Layout, source: Source, root: str) -> _Kept | None:
        """What is kept of *source*'s list; None where that is nothing, or damaged."""
        try:
            document = seals.read_document(layout.lake.expirations_cache(root))
            if (document["base_url"], document["api"]) != (source.base_url, source.api):
                return None
            dates = tuple(dt.date.fromisoformat(text) for text in document["dates"])
            return cls(dt.datetime.fromisoformat(document["at"]), dates)
        except (SpxDataError, KeyError, TypeError, ValueError):
            return None


def ask_expirations(layout: Layout, source: Source, root: str) -> tuple[dt.date, ...]:
    """The expirations of *root* as *source* lists them now; they are kept.

    Raises:
        ApiDataNotFoundError: it knows no such root.
    """
    at = sessions.now()
    dates = source.expirations(root)
    document = {
        "at": at.isoformat(),
        "base_url": source.base_url,
        "api": source.api,
        "dates": [date.isoformat() for date in dates],
    }
    with suppress(SpxDataError):  # it only saves time
        seals.write_document(layout.lake.expirations_cache(root), document)
    return dates


def known_expirations(
    settings: Settings, line: SourceSession, root: str, date: dt.date
) -> tuple[dt.date, ...]:
    """The expirations of *root* as the source lists them, from what is kept where that knows *date*.

    Raises:
        SpxDataError: they had to be asked for, and could not be had.
    """
    kept = _Kept.read(settings.layout, line.source, root)
    if kept is not None and _knows(kept, settings, date):
        return kept.dates
    with suppress(ApiDataNotFoundError):
        return line.ask(lambda: ask_expirations(settings.layout, line.source, root), root=root)
    return ()


def _knows(kept: _Kept, settings: Settings, date: dt.date) -> bool:
    now = sessions.now()
    if kept.at > now:  # by a clock that was wrong
        return False
    if now - kept.at < _FRESH:
        return True
    known = calendar.known(settings, date, date)
    return any(kept.at >= session.options_close(settings.product) for session in known)


def is_live(product: Product, date: dt.date, root: str, expiration: dt.date) -> bool:
    """Whether contracts of *root* with that true expiration can still be quoted on *date*."""
    return expiration > date or (expiration == date and not product.settles_at_the_open(root))


def is_near(date: dt.date, expiration: dt.date) -> bool:
    """Whether an expiration is so near *date* that it was listed before."""
    return (expiration - date).days <= _NEAR_DAYS


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
    if is_near(date, live[at]):
        return len(known.intersection(after[:3])) >= min(2, len(after))
    if not before or len(after) < _BESIDE:
        return False
    pace, pace_after = away / at, (after[-1] - live[at]).days / len(after)
    return known.issuperset(before + after) and pace_after <= _WIDER * pace


# Answers that leave rows out ---------------------------------------------------------------------------


class _Answer(Protocol):
    @property
    def left_out(self) -> Mapping[str, int]: ...


A = TypeVar("A", bound=_Answer)


def steady(line: SourceSession, ask: Callable[[], A], most: int = MOST_ANSWERS) -> tuple[list[A], bool]:
    """The answers to *ask*, some time apart and *most* of them at most; and whether the last may be believed.

    What spoilt some rows may have spoilt those of a chain: an answer that leaves out unusual rows is believed
    once it leaves out the same again, which is the terminal's way then.

    Raises:
        SpxDataError: there is no first answer; as UnansweredError.
    """
    answers = [ask()]
    while is_unusual(answers[-1].left_out) and len(answers) < most:
        time.sleep(APART_SECONDS * line.wait_factor)
        try:
            answers.append(ask())
        except (SpxDataError, UnansweredError):
            break
        if answers[-1].left_out == answers[-2].left_out:
            return answers, True
    return answers, not is_unusual(answers[-1].left_out)


# Sealed days beside a date ---------------------------------------------------------------------------


class Neighbours(NamedTuple):
    """The nearest sealed days before and after a date, and the chains of which they have records."""

    product: Product
    date: dt.date
    before: Listed | None
    after: Listed | None
    days: tuple[dt.date, ...]

    @classmethod
    def of(cls, product: Product, layout: Layout, date: dt.date) -> Neighbours:
        """What is sealed within a week of *date*."""
        sides = [_nearest(layout, date, step) for step in (-1, 1)]
        before, after = (side and side[1] for side in sides)
        return cls(product, date, before, after, tuple(side[0] for side in sides if side))

    def lost(self, today: Listed) -> list[tuple[str, dt.date]]:
        """The chains, sorted, that were listed on the date by their word and are not among *today*'s."""
        return lost_expirations(self.product, self.before or frozenset(), today, self.after, self.date)

    def has(self, root: str) -> bool:
        """Whether one of them has records of *root*."""
        return any(root == found for side in (self.before, self.after) for found, _ in side or ())


def _nearest(layout: Layout, date: dt.date, step: int) -> tuple[dt.date, Listed] | None:
    """The nearest day in the direction of *step* that has a passport, and its chains."""
    for days in range(1, _REACH_DAYS + 1):
        day = date + dt.timedelta(days=step * days)
        if (passport := _passport(layout, day)) is not None:
            return day, frozenset(filter(None, map(_recorded, passport["chains"])))
    return None


def _recorded(chain: dict[str, Any]) -> tuple[str, dt.date] | None:
    """The root and the expiration of a passport's chain; None where the source had no record of it."""
    return (chain["root"], dt.date.fromisoformat(chain["expiration"])) if chain["rows"] else None


def lost_expirations(
    product: Product, before: Listed, today: Listed, after: Listed | None, date: dt.date
) -> list[tuple[str, dt.date]]:
    """The expirations, sorted, that are lost on *date*: listed the session before and not *today*.

    Once listed, an expiration stays until it has expired; what is listed again the session *after* (None
    where that is not known) had not.
    """
    return sorted(
        (root, expiration)
        for root, expiration in before - today
        if is_live(product, date, root, expiration) or (after is not None and (root, expiration) in after)
    )


def known_lacks(layout: Layout, date: dt.date, profile: Profile | None) -> frozenset[Lack]:
    """The lacks that sealed days around *date* confirm, `ENOUGH` times between them, or a probe did.

    What any of them refutes is none. The first question of a date still checks what is known so.
    """
    habits = [
        passport["second_opinions"]["habits"]
        for days in range(1, _HABIT_DAYS + 1)
        for beside in (date - dt.timedelta(days=days), date + dt.timedelta(days=days))
        if (passport := _passport(layout, beside)) is not None
    ]
    probed = profile.confirmed if profile else {}
    refuted = {lack for each in habits for lack, found in each.items() if found.get("contradicted")}
    refuted |= {lack for lack, count in (profile.contradicted if profile else {}).items() if count}
    return frozenset(
        lack
        for lack in Lack
        if lack not in refuted
        and (probed.get(lack) or sum(each.get(lack, {}).get("confirmed", 0) for each in habits) >= ENOUGH)
    )


def _passport(layout: Layout, date: dt.date) -> dict[str, Any] | None:
    """The passport of *date* where its sidecar vouches for it; `verify` tells what is wrong with another."""
    with suppress(SpxDataError):
        return passports.read(layout, date).document
    return None
