"""Whether a run is the last one before a date is sealed as it is."""

from __future__ import annotations

import datetime as dt
import os

from spx_data.lake import endings, session_states
from spx_data.settings import Settings
from spx_data.store import journal


def is_last_try(settings: Settings, date: dt.date) -> bool:
    """Whether the date has failed in so many runs before this one that `max_attempts` is reached with it.

    Runs count as in `session_states.State.tries`; where max_attempts is null, no try is ever the last.
    """
    most = settings.patience.max_attempts
    if most is None:
        return False
    events = endings.with_the_lost(settings.layout, journal.read(settings.layout.journal(date)))
    this = os.environ.get(journal.RUN_VARIABLE, "")
    return len(set(session_states.failing_runs(events)) - {this}) + 1 >= most
