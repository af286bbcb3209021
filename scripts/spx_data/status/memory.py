"""What sealed dates' files said when they were last read: it saves time and decides nothing.

A sealed date's files hardly ever change, and there are thousands of them. So its facts are kept beside the
signatures (size, time of the last change, inode) of the files that they were read from, and read anew as
soon as one signature is another. Whether a date is sealed, and its state, is looked up every time.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from spx_data import __version__
from spx_data.errors import SpxDataError
from spx_data.status.history import History
from spx_data.status.summary import Facts, Trouble
from spx_data.store import documents, locks, names
from spx_data.store.layout import Layout

_FACTS = [field.name for field in fields(Facts)][:-1]  # `troubles` come last, and have a form of their own
_TROUBLE = [field.name for field in fields(Trouble) if field.name != "date"]
# What another release, or another set of fields, remembered is not ours to use.
_FORM = {"format": 5, "release": __version__, "facts": _FACTS, "trouble": _TROUBLE}

_values_of = attrgetter(*_FACTS)
_trouble_of = attrgetter(*_TROUBLE)

# A file that changed just now may change again without its time showing it: some disks count in seconds.
_SETTLED_NS = 3_000_000_000

Signatures = list[list[int]]


class Memory:
    """The facts of sealed dates, as remembered or read; `save` keeps them for the next process."""

    def __init__(self, of: Layout) -> None:
        self._layout = of
        self._patterns = _patterns(of)
        self._before = _read(of.summaries)
        self._now: dict[str, Any] = {}

    def facts(self, date: dt.date, read: Callable[[], History]) -> Facts:
        """The facts of a sealed *date*: remembered, or those of the history that *read* gives."""
        signatures = self._signatures(date)
        known = self._before.get(date.isoformat())
        if known is None or known[0] != signatures:
            return self._keep(signatures, read())
        self._now[date.isoformat()] = known
        _, values, troubles = known
        of_the_date = tuple(Trouble(date.isoformat(), *trouble) for trouble in troubles)
        return Facts(*[*values, of_the_date])  # in their order: by name takes twice as long

    def read(self, date: dt.date, read: Callable[[], History]) -> tuple[History, Facts]:
        """The history of a sealed *date* and its facts, read whatever is remembered."""
        signatures = self._signatures(date)
        history = read()
        return history, self._keep(signatures, history)

    def _signatures(self, date: dt.date) -> Signatures:
        return [_signature(path) for path in names.filled(self._patterns, date)]

    def _keep(self, signatures: Signatures, history: History) -> Facts:
        """The facts of *history*, remembered if they come from the files of *signatures* and no others."""
        facts = Facts.of(history)
        settled = max(changed for _, changed, _ in signatures) < time.time_ns() - _SETTLED_NS
        if history.passport is not None and settled:
            troubles = [list(_trouble_of(trouble)) for trouble in facts.troubles]
            self._now[history.date.isoformat()] = [signatures, list(_values_of(facts)), troubles]
        return facts

    def save(self) -> None:
        """Keep what is known now, where that is news; a lake that cannot be written is read all the same."""
        if self._now == self._before:
            return
        with suppress(SpxDataError), locks.locked(self._layout.lock("summaries")):
            documents.write_compact(self._layout.summaries, {"form": _FORM, "dates": self._now})


def _read(path: Path) -> dict[str, Any]:
    try:
        document = documents.read(path)
    except SpxDataError:
        return {}
    known: dict[str, Any] = document["dates"] if document.get("form") == _FORM else {}
    return known


def _patterns(of: Layout) -> list[str]:
    """What a sealed date's facts come from."""
    journal = of.journal_pattern
    found = (of.passport_pattern, journal, names.compressed_of(journal))
    return [str(path) for path in found]


def _signature(path: str) -> list[int]:
    """Size, time of the last change and inode of a file; zeros where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116  # a Path for each of so many would take longer than the asking
    except OSError:
        return [0, 0, 0]
    return [status.st_size, status.st_ctime_ns, status.st_ino]
