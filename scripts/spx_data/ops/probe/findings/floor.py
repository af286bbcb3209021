"""Where the history begins that the subscription is given."""

from __future__ import annotations

import datetime as dt

from spx_data.errors import ApiDataNotFoundError, SubscriptionError
from spx_data.ops.probe.findings import looking
from spx_data.ops.probe.findings.assumption import Assumption, Seen
from spx_data.ops.probe.heard import CHAINS, Heard, Raw, Story, Topic
from spx_data.ops.probe.scrubbing import MOST_OPAQUE, sentence
from spx_data.sources.profile import Floor


def floor(story: Story) -> Floor:
    """The earliest date with data among those that were asked for, and the last one before it without."""
    had = [heard.date for heard, _ in looking.chains(story, Topic.FLOOR, *CHAINS) if heard.date]
    earliest = min(had, default=None)
    nothing = [heard for heard in story.of(Topic.FLOOR) if _has_none(heard, earliest)]
    last = max(nothing, key=_date, default=None)
    refused = [heard for heard in nothing if isinstance(heard.error, SubscriptionError) and heard.raws]
    refusal = _words(max(refused, key=_date).raws[-1]) if refused else None
    return Floor(earliest, _date(last) if last else None, refusal)


def _has_none(heard: Heard, earliest: dt.date | None) -> bool:
    """Whether there is no data of a date before the *earliest* with any."""
    silent = heard.error is None or isinstance(heard.error, ApiDataNotFoundError | SubscriptionError)
    return silent and not heard.has_rows and (earliest is None or _date(heard) < earliest)


def _date(heard: Heard) -> dt.date:
    assert heard.date
    return heard.date


def _words(raw: Raw) -> str:
    return f"status {raw.status} {sentence(raw.content(MOST_OPAQUE), raw.size)!r}"


def _begins(story: Story) -> Seen | None:
    asked, found = story.one(Topic.FLOOR), floor(story)
    if asked is None or asked.date is None:
        return None
    if asked.has_rows:
        further = " (and of none before it that was asked for)" if found.none_on else ""
        further = f", and of {found.earliest}" if found.earliest != asked.date else further
        text = f"there is data of {asked.date}, the lake's first date{further}"
        return Seen(text, True, "every date of the lake can be asked for", "floor")
    if found.none_on is None:
        return None
    none = f"{found.none_on}: {found.refusal or _words_of(story, found.none_on)}"
    if found.earliest is None:
        return Seen(f"no date that was asked for has data; {none}", False, "nothing can be filled", "floor")
    exact = _are_neighbours(story, found.none_on, found.earliest)
    between = "begins on" if exact else "begins no later than"
    cure = f"spx-data config set processing.start_date {found.earliest} spares asking in vain"
    return Seen(f"data {between} {found.earliest}; none of {none}", False, cure, "floor")


def _words_of(story: Story, date: dt.date) -> str:
    raws = next(heard.raws for heard in story.of(Topic.FLOOR) if heard.date == date)
    return _words(raws[-1]) if raws else "no answer"


def _are_neighbours(story: Story, none_on: dt.date, earliest: dt.date) -> bool:
    """Whether no session lies between two dates."""
    return not any(none_on < session.date < earliest for session in story.sessions)


ASSUMPTIONS = (Assumption("earliest-date", "there is data from the lake's first date on", _begins),)
