"""One date as the tree shows it now: its state, and how the files are that its facts come from."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass

from spx_data.lake import session_states
from spx_data.lake.session_states import Evidence, State
from spx_data.market.sessions import Session
from spx_data.settings import Settings
from spx_data.status.history import History
from spx_data.store import names
from spx_data.store.layout import Layout

# A file that changed just now may change again without its time showing it: some disks count in seconds.
_SETTLED_NS = 3_000_000_000
_NONE = [0, 0, 0]


@dataclass(frozen=True)
class Sight:
    """A date, its state, and what tells whether its history is another than it was.

    *sources* are the state and the signatures (size, time of the last change, inode) of the files behind it.
    They tell one content from the next if they were looked at some time after the last change: see `settled`.
    """

    layout: Layout
    date: dt.date
    state: State
    is_sealed: bool
    changed_ns: int  # when any of its files did last (Unix); 0 where there is none
    sources: str

    def settled(self, at_ns: int) -> bool:
        """Whether its files had changed long enough before *at_ns* for a later change to show."""
        return self.changed_ns < at_ns - _SETTLED_NS

    def history(self) -> History:
        """What the files say of it now."""
        evidence = Evidence(sealed=True) if self.is_sealed else session_states.gather(self.layout, self.date)
        return History.of(self.layout, self.date, evidence, self.state)


class Looker:
    """Looks at the dates of one lake."""

    def __init__(self, settings: Settings, moment: dt.datetime) -> None:
        self._settings, self._layout, self._moment = settings, settings.layout, moment
        journal = self._layout.journal_pattern
        found = (self._layout.passport_pattern, journal, names.compressed_of(journal))
        self._patterns = [str(path) for path in found]

    def at(self, date: dt.date, session: Session | None) -> Sight:
        """The sight of *date*; *session* is None where the settings do not ask for it."""
        settings, evidence = self._settings, session_states.gather(self._layout, date)
        state = session_states.state(evidence, session, self._moment, settings.patience, settings.product)
        signatures = [_signature(path) for path in names.filled(self._patterns, date)]
        told = [state.kind.value, state.due, state.reason, state.tries, state.error, state.cure]
        if not evidence.sealed:
            receipts = self._layout.receipts(date) if evidence.begun else ()
            signatures += [_signature(str(path)) for path in receipts]
            # Events of a job that died stand elsewhere.
            told += [len(evidence.events), evidence.begun, *(event["at"] for event in evidence.events[-1:])]
        changed_ns = max(changed for _, changed, _ in signatures)
        sources = repr((told, signatures))  # in half of the time that JSON takes
        return Sight(self._layout, date, state, evidence.sealed, changed_ns, sources)


def _signature(path: str) -> list[int]:
    """Size, time of the last change and inode of a file; zeros where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116  # a Path for each of so many would take longer than the asking
    except OSError:
        return _NONE
    return [status.st_size, status.st_ctime_ns, status.st_ino]
