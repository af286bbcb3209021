"""What stands where, in a few numbers and a line for each date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from spx_data.ledger import Kind, State
from spx_data.status.history import History


@dataclass(frozen=True)
class DateLine:
    """One trading date in a table: its state and, once sealed, what it holds."""

    date: dt.date
    state: State
    chains: int
    contracts: int | None
    contracts_missing: int | None
    rows: int
    bytes: int

    @classmethod
    def of(cls, history: History) -> DateLine:
        """The line of a date's history."""
        passport = history.passport or {}
        completeness = passport.get("completeness", {})
        return cls(
            date=history.date,
            state=history.state,
            chains=len([chain for chain in history.chains if chain["rows"]]),
            contracts=completeness.get("contracts_received"),
            contracts_missing=completeness.get("contracts_missing"),
            rows=sum(chain["rows"] for chain in history.chains),
            bytes=passport.get("parquet", {}).get("bytes", 0),
        )


@dataclass(frozen=True)
class Overview:
    """The lake at a glance, oldest date first."""

    dates: tuple[DateLine, ...]
    last_activity: str | None

    @classmethod
    def of(cls, histories: Sequence[History]) -> Overview:
        """The overview of all dates' histories."""
        activity = [history.events[-1]["at"] for history in histories if history.events]
        return cls(tuple(DateLine.of(history) for history in histories), max(activity, default=None))

    def count(self, kind: Kind) -> int:
        """Number of dates of *kind*."""
        return sum(line.state.kind is kind for line in self.dates)

    @property
    def rows(self) -> int:
        """Sealed rows."""
        return sum(line.rows for line in self.dates if line.state.kind is Kind.SEALED)

    @property
    def bytes(self) -> int:
        """Bytes of sealed Parquet."""
        return sum(line.bytes for line in self.dates)
