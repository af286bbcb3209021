"""One trading date's history, as its files tell it: the journal, the passport, receipts."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple

from spx_data.errors import SpxDataError
from spx_data.lake import passports, session_states
from spx_data.lake.session_states import Evidence, Kind, State
from spx_data.status import digest
from spx_data.status.digest import Digest
from spx_data.store import journal, staging
from spx_data.store.journal import Event
from spx_data.store.layout import Layout

_ENDS = frozenset({journal.FINISHED, journal.FAILED})
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
    def digest(self) -> Digest | None:
        """What the passport says the date is worth; None where it was not judged."""
        return digest.of(self.passport) if self.passport else None

    @cached_property
    def _by_kind(self) -> dict[str, list[Event]]:
        found: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            found[event["event"]].append(event)
        return found

    def of_kind(self, kind: str) -> list[Event]:
        """The events of that kind, oldest first."""
        return self._by_kind.get(kind, [])

    @cached_property
    def troubles(self) -> list[Event]:
        """Failures and retries, oldest first."""
        return [event for event in self.events if event["event"] in _TROUBLE]

    @cached_property
    def last_run(self) -> list[Event]:
        """The events of the last call of the workflow that touched the date."""
        last = self.events[-1]["run"] if self.events else ""
        return [event for event in self.events if event["run"] == last]

    @cached_property
    def started_at(self) -> str | None:
        """When the last run began with this date."""
        return next((event["at"] for event in self.last_run if event["event"] == journal.STARTED), None)

    @cached_property
    def completed_at(self) -> str | None:
        """When the date's last try came to an end, good or bad."""
        if self.state.kind is Kind.PARTIAL:
            return None
        return next(
            (event["at"] for event in reversed(self.last_run) if session_states.is_outcome(event)), None
        )

    @cached_property
    def sealed_at(self) -> str | None:
        """When the date was sealed."""
        sealed = self.of_kind(journal.SEALED)
        return sealed[-1]["at"] if sealed and self.state.kind is Kind.SEALED else None

    @cached_property
    def duration_ms(self) -> int | None:
        """Working time of the last run's stages."""
        seconds = [event["seconds"] for event in self.last_run if event["event"] in _ENDS]
        return round(1000 * sum(seconds)) if seconds else None

    @cached_property
    def chains(self) -> list[Chain]:
        """The date's chains, by root and expiration."""
        found = self._sealed_chains(self.passport) if self.passport else self._staged_chains()
        return sorted(found, key=itemgetter(0, 1))  # several times as fast as by their names

    @cached_property
    def chain_rows(self) -> int:
        """The rows of all chains."""
        return sum(chain.rows for chain in self.chains)

    @cached_property
    def chain_bytes(self) -> int:
        """The bytes of all chains' checkpoints."""
        return sum(chain.bytes for chain in self.chains)

    @cached_property
    def chains_with_rows(self) -> int:
        """How many chains have rows."""
        return sum(chain.rows > 0 for chain in self.chains)

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

    @cached_property
    def memory_peak_mb(self) -> float | None:
        """The largest resident set of the date's jobs, as they measured it themselves."""
        peaks = (event["memory_mb"] for kind in _ENDS for event in self.of_kind(kind))
        return max(peaks, default=0.0) or None
