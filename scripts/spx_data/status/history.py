"""One trading date's history, as its files tell it: the journal, the passport, receipts, benchmarks."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spx_data import journal, ledger, staging, vouched
from spx_data.errors import SpxDataError
from spx_data.journal import Event
from spx_data.layout import Layout
from spx_data.ledger import Evidence, Kind, State

RULES = ("fetch_expirations", "download_expirations", "merge_date")

_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]*)?")
_TROUBLE = frozenset({journal.FAILED, journal.RETRIED, journal.EXPIRATION_FAILED})


@dataclass(frozen=True)
class History:
    """Everything the tree knows about one date."""

    layout: Layout
    date: dt.date
    state: State
    events: Sequence[Event]
    passport: dict[str, Any] | None  # of a sealed date

    @classmethod
    def of(cls, layout: Layout, date: dt.date, evidence: Evidence, state: State) -> History:
        """The history of *date* behind *evidence* and *state*, which were found just now."""
        if not evidence.sealed:
            return cls(layout, date, state, evidence.events, None)
        passport = None
        with suppress(SpxDataError):  # `verify` names a lost passport; the log goes on without it
            passport = vouched.read(layout.passport(date))
        return cls(layout, date, state, journal.read(layout.journal(date)), passport)

    @cached_property
    def _by_kind(self) -> dict[str, list[Event]]:
        found: dict[str, list[Event]] = {}
        for event in self.events:
            found.setdefault(event["event"], []).append(event)
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
        return next((event["at"] for event in reversed(self.last_run) if ledger.is_outcome(event)), None)

    @cached_property
    def sealed_at(self) -> str | None:
        """When the date was sealed."""
        sealed = self.of_kind(journal.SEALED)
        return sealed[-1]["at"] if sealed and self.state.kind is Kind.SEALED else None

    @cached_property
    def duration_ms(self) -> int | None:
        """Working time of the last run's stages."""
        seconds = [
            event["seconds"]
            for event in self.last_run
            if event["event"] in {journal.FINISHED, journal.FAILED}
        ]
        return round(1000 * sum(seconds)) if seconds else None

    @cached_property
    def chains(self) -> list[dict[str, Any]]:
        """The date's chains: root, expiration, status, rows, bytes, attempts, error."""
        found = self._sealed_chains() if self.passport else self._staged_chains()
        return sorted(found, key=lambda chain: (chain["root"], chain["expiration"]))

    def _sealed_chains(self) -> Iterator[dict[str, Any]]:
        for chain in self.passport["chains"] if self.passport else ():
            yield {
                "root": chain["root"],
                "expiration": chain["expiration"],
                "status": "no-data" if chain["explained"] else "success",
                "rows": chain["rows"],
                "bytes": chain["checkpoint"]["bytes"],
                "attempts": chain["attempts"],
                "error": chain["explained"],
            }

    def _staged_chains(self) -> Iterator[dict[str, Any]]:
        failures = self.of_kind(journal.EXPIRATION_FAILED)
        attempts = Counter((event["root"], event["expiration"]) for event in failures)
        failed = {
            (event["root"], event["expiration"]): f"{event['error']}: {event['cause']}" for event in failures
        }
        receipts = map(staging.read_receipt, self.layout.receipts(self.date))
        for receipt in filter(None, receipts):
            key = (receipt.root, receipt.expiration.isoformat())
            failed.pop(key, None)
            yield {
                "root": key[0],
                "expiration": key[1],
                "status": "staged" if receipt.rows else "no-data",
                "rows": receipt.rows,
                "bytes": receipt.bytes,
                "attempts": receipt.attempts,
                "error": None,
            }
        for (root, expiration), cause in failed.items():
            yield {
                "root": root,
                "expiration": expiration,
                "status": "failed",
                "rows": 0,
                "bytes": 0,
                "attempts": attempts[root, expiration],
                "error": cause,
            }

    @cached_property
    def memory_peak_mb(self) -> float | None:
        """The largest resident set of the date's jobs, from Snakemake's benchmarks."""
        peaks = [peak for rule in RULES if (peak := self._peak(rule)) is not None]
        return max(peaks, default=None)

    def _peak(self, rule: str) -> float | None:
        try:
            text = self.layout.benchmark(rule, self.date).read_text(errors="replace")
        except OSError:
            return None
        head, *rows = (line.split("\t") for line in text.splitlines() or [""])
        if "max_rss" not in head:
            return None
        column = head.index("max_rss")
        values = [row[column] for row in rows if len(row) > column]
        return max((float(value) for value in values if _NUMBER.fullmatch(value)), default=None)
