"""Whether a date is held for another run, or sealed as it is."""

from __future__ import annotations

import datetime as dt
import os

from spx_data import journal, ledger
from spx_data.settings import Settings


def is_last_try(settings: Settings, date: dt.date) -> bool:
    """Whether this run is the last that *date* is held for: what cannot be had then is sealed as unknown.

    Counted are the runs before this one that failed for the date's own sake, as the ledger counts them.
    """
    most = settings.patience.max_attempts
    if most is None:
        return False
    events = journal.read(settings.layout.journal(date))
    failed = {*ledger.failing_runs(events)} - {os.environ.get(journal.RUN_VARIABLE, "")}
    return len(failed) + 1 >= most
