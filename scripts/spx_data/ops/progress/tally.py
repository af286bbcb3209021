"""One trading date of one run, as its events and its staging tell it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from spx_data.store import journal
from spx_data.store.journal import Event

Key = tuple[str, str]  # root and expiration (ISO)

# A job that has ended is followed by the date's next one at once, or not for a long time.
_BREATH = dt.timedelta(seconds=3)
_NEXT = {"list": "download", "download": "merge"}


class Standing(StrEnum):
    """What became of a date in this run so far."""

    WAITING = "waiting"  # for its first job, or for its next one
    AT_WORK = "at work"
    DONE = "done"
    FAILED = "failed"
    NO_DATA = "no-data"


@dataclass(frozen=True)
class Chunk:
    """What one staged expiration added, and when."""

    at: dt.datetime
    rows: int
    bytes: int
    contracts: int


@dataclass(frozen=True)
class Staging:
    """What stands in a date's staging folder.

    *listed* has the contracts of every listed chain, in the order in which the download starts them;
    *staged* the rows and bytes of those whose checkpoint is whole.
    """

    listed: Mapping[Key, int] = field(default_factory=dict)
    staged: Mapping[Key, tuple[int, int]] = field(default_factory=dict)


@dataclass
class Tally:
    """What is known of *date* in the run named *run*; it is told to `stand` before it is told to `hear`."""

    date: dt.date
    run: str
    standing: Standing = Standing.WAITING
    stage: str = ""  # the one at work, or the one to come
    since: dt.datetime | None = None  # the last change of stage
    last: dt.datetime | None = None  # the last event of this run
    staging: Staging = field(default_factory=Staging)
    chains: dict[Key, int] = field(default_factory=dict)  # staged in any run, with their contracts
    recent: list[Chunk] = field(default_factory=list)
    rows: int = 0  # staged in this run, like the next two
    bytes: int = 0
    contracts: int = 0
    sealed_rows: int = 0
    sealed_bytes: int = 0
    symbol: str = ""  # of its lake, where the run is at work in several
    requests: int = 0
    requests_failed: int = 0
    retries: int = 0
    error: Event | None = None  # what the date failed with

    def stand(self, staging: Staging) -> None:
        """Take note of what is staged; a listing that is gone again was cleared away after the merge."""
        if staging.listed:
            self.staging = staging

    def hear(self, event: Event) -> None:
        """Take note of one event of the date's journal, of whatever run."""
        if event["event"] == journal.STAGED or (event["event"] == journal.NO_DATA and "expiration" in event):
            self._hear_chain(event)
        if event["run"] != self.run:
            return
        at = dt.datetime.fromisoformat(event["at"])
        self.last = max(at, self.last or at)
        match event["event"]:
            case journal.STARTED:
                self._turn(Standing.AT_WORK, event["stage"], at)
            case journal.FINISHED if event["stage"] in _NEXT:
                self._turn(Standing.WAITING, _NEXT[event["stage"]], at)
            case journal.SEALED | journal.FINISHED:
                self._turn(Standing.DONE, event["stage"], at)
                self.sealed_rows = _count(event.get("rows")) or self.sealed_rows
                self.sealed_bytes = _count(event.get("bytes")) or self.sealed_bytes
            case journal.STOPPED:
                self._turn(Standing.WAITING, event["stage"], at)
            case journal.FAILED:
                self._turn(Standing.FAILED, event["stage"], at)
                self.error = event
            case journal.NO_DATA if "expiration" not in event:
                self._turn(Standing.NO_DATA, event["stage"], at)
            case journal.REQUEST | journal.RETRIED:
                self._hear_traffic(event)

    def _hear_traffic(self, event: Event) -> None:
        if event["event"] == journal.RETRIED:
            self.retries += 1
            return
        self.requests += 1
        self.requests_failed += not journal.is_answered(event)

    def _turn(self, standing: Standing, stage: str, at: dt.datetime) -> None:
        self.standing, self.stage, self.since = standing, stage, at

    def _hear_chain(self, event: Event) -> None:
        key = (str(event.get("root")), str(event.get("expiration")))
        contracts = self.staging.listed.get(key, _count(event.get("contracts")))
        self.chains[key] = contracts
        if event["run"] == self.run:
            at = dt.datetime.fromisoformat(event["at"])
            chunk = Chunk(at, _count(event.get("rows")), _count(event.get("bytes")), contracts)
            self.recent.append(chunk)
            self.rows += chunk.rows
            self.bytes += chunk.bytes
            self.contracts += chunk.contracts

    def forget(self, before: dt.datetime) -> None:
        """Drop the chunks that no window reaches any more."""
        self.recent = [chunk for chunk in self.recent if chunk.at > before]

    def at_work(self, moment: dt.datetime) -> bool:
        """Whether a job of the date runs, or is about to."""
        if self.standing is Standing.WAITING:
            return self.since is not None and moment - self.since < _BREATH
        return self.standing is Standing.AT_WORK

    @property
    def ended(self) -> bool:
        """Whether this run is through with the date."""
        return self.standing in {Standing.DONE, Standing.FAILED, Standing.NO_DATA}

    @property
    def expirations(self) -> tuple[int, int] | None:
        """How many chains are staged, and how many there are; None while nobody knows."""
        if self.staging.listed:
            known = len(self.staging.listed)
            return known if self.standing is Standing.DONE else len(self.staging.staged), known
        return (len(self.chains), len(self.chains)) if self.standing is Standing.DONE else None

    @property
    def size(self) -> int | None:
        """The contracts of all its chains; None while nobody knows."""
        if self.staging.listed:
            return sum(self.staging.listed.values())
        return sum(self.chains.values()) if self.standing is Standing.DONE and self.chains else None

    @property
    def waiting_contracts(self) -> int:
        """The listed contracts that are not staged yet."""
        staging = self.staging
        return sum(contracts for key, contracts in staging.listed.items() if key not in staging.staged)

    @property
    def current(self) -> Key | None:
        """The first chain that is not staged: whatever else is in flight, this one is."""
        if self.stage != "download" or self.standing is not Standing.AT_WORK:
            return None
        return next((key for key in self.staging.listed if key not in self.staging.staged), None)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
