"""One trading date as its files tell it now: its state; what its journal, passport and receipts say."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple

from spx_data.errors import FileCorruptionError, MissingFileError, SpxDataError
from spx_data.lake import passports, session_states
from spx_data.lake.session_states import Evidence, Kind, State
from spx_data.market.sessions import Session
from spx_data.settings import Settings
from spx_data.store import journal, names, reads, staging
from spx_data.store.journal import Event
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


_TROUBLE = frozenset({journal.FAILED, journal.RETRIED, journal.EXPIRATION_FAILED})


class Chain(NamedTuple):
    """What became of one chain of a date."""

    root: str
    expiration: str
    status: str  # success, no-data, staged or failed
    rows: int
    bytes: int  # of its checkpoint
    attempts: int
    error: str | None


@dataclass(frozen=True)
class History:
    """Everything the tree knows about one date."""

    layout: Layout
    date: dt.date
    state: State
    events: Sequence[Event]
    passport_file: passports.Reading | None  # of a sealed date

    @classmethod
    def of(cls, layout: Layout, date: dt.date, evidence: Evidence, state: State) -> History:
        """The history of *date* behind *evidence* and *state*, which were found just now."""
        if not evidence.sealed:
            return cls(layout, date, state, evidence.events, None)
        passport = None
        with suppress(SpxDataError, OSError):  # `verify` names a lost passport; the log goes on without it
            passport = passports.read(layout, date)
        return cls(layout, date, state, journal.read(layout.journal(date)), passport)

    @property
    def passport(self) -> dict[str, Any] | None:
        """The passport of a sealed date without its details; None where it is lost or damaged."""
        return self.passport_file.document if self.passport_file else None

    @cached_property
    def _by_kind(self) -> dict[str, list[Event]]:
        found: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            found[event["event"]].append(event)
        return found

    def of_kind(self, kind: str) -> list[Event]:
        """The events of that kind, oldest first."""
        return self._by_kind.get(kind, [])

    @property
    def troubles(self) -> list[Event]:
        """Failures and retries, oldest first."""
        return [event for event in self.events if event["event"] in _TROUBLE]

    @property
    def sealed_at(self) -> str | None:
        """When the date was sealed."""
        sealed = self.of_kind(journal.SEALED)
        return sealed[-1]["at"] if sealed and self.state.kind is Kind.SEALED else None

    @cached_property
    def chains(self) -> list[Chain]:
        """The date's chains, by root and expiration."""
        found = self._sealed_chains(self.passport) if self.passport else self._staged_chains()
        return sorted(found, key=itemgetter(0, 1))  # several times as fast as by their names

    def _sealed_chains(self, passport: dict[str, Any]) -> Iterator[Chain]:
        for chain in passport["chains"]:
            explained, error = chain["explained"], chain["error"]
            yield Chain(
                chain["root"],
                chain["expiration"],
                "no-data" if explained else "failed" if error else "success",
                chain["rows"],
                chain["checkpoint"]["bytes"],
                chain["attempts"],
                explained or error,
            )

    def _staged_chains(self) -> Iterator[Chain]:
        failures = self.of_kind(journal.EXPIRATION_FAILED)
        attempts = Counter((event["root"], event["expiration"]) for event in failures)
        failed = {
            (event["root"], event["expiration"]): f"{event['error']}: {event['cause']}" for event in failures
        }
        receipts = map(staging.read_receipt, self.layout.receipts(self.date))
        for receipt in filter(None, receipts):
            key = (receipt.root, receipt.expiration.isoformat())
            failed.pop(key, None)
            status = "staged" if receipt.rows else "no-data"
            yield Chain(*key, status, receipt.rows, receipt.bytes, receipt.attempts, None)
        for key, cause in failed.items():
            yield Chain(*key, "failed", 0, 0, attempts[key], cause)


@dataclass(frozen=True)
class Item:
    """One file of a sealed date; *rows* and the *checksum* of a Parquet are what its passport vouches for."""

    path: str
    date: dt.date
    kind: str  # parquet, passport or sidecar
    size: int  # bytes
    checksum: str  # SHA-256
    rows: int | None
    created: str | None  # when the date was sealed (UTC, ISO 8601)


def items(
    layout: Layout,
    date: dt.date,
    checksum: str,
    rows: int,
    created: str | None,
    passport: passports.Reading | None = None,
) -> Iterator[Item]:
    """The files of a sealed *date* that are there.

    *checksum* and *rows* are its Parquet's. A *passport* that has been read already is not read again.
    """
    sidecar, parquet, its_passport = layout.sealed_names(date)
    with suppress(FileNotFoundError):
        size = os.stat(parquet).st_size  # noqa: PTH116  # no Path for each of thousands
        yield Item(parquet, date, "parquet", size, checksum, rows, created)
    for kind, path in (("passport", its_passport), ("sidecar", sidecar)):
        if passport is not None and kind == "passport":
            size, found = passport.size, passport.sha256
        else:
            try:
                content = reads.content(path)
            except (MissingFileError, FileCorruptionError):  # `verify` names it
                continue
            size, found = len(content), hashlib.sha256(content).hexdigest()
        yield Item(path, date, kind, size, found, None, created)
