"""Sessions of which the subscription was seen to have nothing, as the profile of the terminal has it.

They are asked for all the same, after all others: a subscription may have changed since.
"""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

from spx_data.lake import calendar
from spx_data.ops.gaps.conflicts import Conflict
from spx_data.sources import profile
from spx_data.text.words import counted

if TYPE_CHECKING:
    from spx_data.settings import Settings
    from spx_data.sources.profile import Profile

_REFUSAL = 100  # characters of the terminal's words
# No exchange is closed for longer.
_HORIZON = dt.timedelta(14)
_AGAIN = "spx-data probe looks again"


def of_settings(settings: Settings) -> Conflict | None:
    """What is to be said of the sessions that the settings ask for; None where all may have data."""
    until = profile.nothing_until(settings.layout.profile)
    if until is None or settings.start_date > until:
        return None
    last = min(until, settings.end_date or until)
    wanted = calendar.known(settings, settings.start_date, last)
    return of_dates(settings, [session.date for session in wanted])


def of_dates(settings: Settings, dates: Iterable[dt.date]) -> Conflict | None:
    """What is to be said of these *dates*, sessions all of them; None where all may have data."""
    found = profile.known(settings.layout.profile)
    if found is None or found.floor.none_on is None:
        return None
    until = found.floor.none_on
    before = tuple(sorted(date for date in dates if date <= until))
    if not before:
        return None
    first = calendar.known(settings, until + dt.timedelta(1), until + _HORIZON)[0].date
    sets = found.floor.earliest is not None and settings.start_date <= until
    return Conflict(
        "before-floor",
        f"{counted(len(before), 'session')} before {first}, of which this subscription has nothing "
        f"({_seen(found)}); asked for all the same, after all others",
        f"spx-data config set processing.start_date {first}" if sets else _AGAIN,
        before,
        blocking=False,
    )


def _seen(found: Profile) -> str:
    answer = found.floor.refusal or "it had no data"
    return f"probed {found.probed_at:%Y-%m-%d}: {textwrap.shorten(answer, _REFUSAL, placeholder=' …')}"
