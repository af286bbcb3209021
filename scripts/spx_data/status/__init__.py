"""The status log, a SQLite file, and its summary: rebuilt from the tree, never read to decide anything."""

from __future__ import annotations

import datetime as dt
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from spx_data.lake import calendar, session_states
from spx_data.lake.session_states import Evidence, State
from spx_data.settings import Settings
from spx_data.status.history import History
from spx_data.status.memory import Memory
from spx_data.status.overview import Overview
from spx_data.status.summary import Facts, Summary, Trouble
from spx_data.store import tree
from spx_data.store.layout import Layout
from spx_data.store.tree import Tree

__all__ = ["Facts", "Overview", "Summary", "Trouble", "overview", "read", "rebuild", "summaries"]


def read(settings: Settings, moment: dt.datetime) -> Iterator[History]:
    """The history of every wanted session, and of every other date the tree knows, oldest first.

    One at a time: the events of ten years fill hundreds of megabytes.
    """
    return (sight.history() for sight in _sights(settings, moment))


def summaries(settings: Settings, moment: dt.datetime, walked: Tree | None = None) -> list[Summary]:
    """The summary of every wanted session, and of every other date the tree knows, oldest first.

    *walked* is what `tree.walk` has given, for who has walked already.
    """
    with _no_cycles():
        memory = Memory(settings.layout)
        sights = _sights(settings, moment, walked)
        found = [Summary(sight.date, sight.state, sight.facts(memory)) for sight in sights]
        memory.save()
    return found


def overview(settings: Settings, moment: dt.datetime, walked: Tree | None = None) -> Overview:
    """What stands where, without touching the database; *walked* as for `summaries`."""
    return Overview.of(summaries(settings, moment, walked))


def rebuild(settings: Settings, moment: dt.datetime) -> Overview:
    """Write the status log anew from the tree, whatever is remembered of it; returns its summary.

    Raises:
        DatabaseTransactionError: the database cannot be written.
    """
    from spx_data.status import database  # here, because nothing else needs SQLite

    memory = Memory(settings.layout)
    found: list[Summary] = []

    def histories() -> Iterator[History]:
        found.clear()  # what a try that failed has left
        for sight in _sights(settings, moment):
            history, facts = sight.read(memory)
            found.append(Summary(sight.date, sight.state, facts))
            yield history

    with _no_cycles():
        database.write(settings, histories)
        memory.save()
    return Overview.of(found)


@contextmanager
def _no_cycles() -> Iterator[None]:
    """Keep Python from looking for cycles in what has none: hundreds of thousands of events."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@dataclass(frozen=True)
class _Sight:
    """One date as the tree shows it now."""

    layout: Layout
    date: dt.date
    evidence: Evidence
    state: State

    def history(self) -> History:
        return History.of(self.layout, self.date, self.evidence, self.state)

    def facts(self, memory: Memory) -> Facts:
        return memory.facts(self.date, self.history) if self.evidence.sealed else Facts.of(self.history())

    def read(self, memory: Memory) -> tuple[History, Facts]:
        if self.evidence.sealed:
            return memory.read(self.date, self.history)
        history = self.history()
        return history, Facts.of(history)


def _sights(settings: Settings, moment: dt.datetime, walked: Tree | None = None) -> Iterator[_Sight]:
    """Every wanted session and every other date the tree knows, oldest first."""
    layout = settings.layout
    wanted = {session.date: session for session in calendar.wanted(settings, moment)}
    known = {dt.date.fromisoformat(path.stem) for path in layout.journals()}
    on_disk = walked.dates if walked else tree.dates(layout)
    for date in sorted({*wanted, *known, *on_disk}):
        evidence = session_states.gather(layout, date)
        state = session_states.state(evidence, wanted.get(date), moment, settings.patience, settings.product)
        yield _Sight(layout, date, evidence, state)
