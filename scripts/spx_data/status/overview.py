"""What stands where, in a few numbers and a line for each date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spx_data.lake.session_states import Kind
from spx_data.status.summary import Summary


@dataclass(frozen=True)
class Overview:
    """The lake at a glance, oldest date first."""

    dates: tuple[Summary, ...]

    @classmethod
    def of(cls, summaries: Sequence[Summary]) -> Overview:
        """The overview of all dates."""
        return cls(tuple(summaries))

    @property
    def last_activity(self) -> str | None:
        """When something last happened to any date (UTC, ISO 8601)."""
        return max((at for line in self.dates if (at := line.facts.updated_at)), default=None)

    def count(self, kind: Kind) -> int:
        """Number of dates of *kind*."""
        return sum(line.state.kind is kind for line in self.dates)

    @property
    def incomplete(self) -> int:
        """Number of sealed dates of which some could not be had."""
        return sum(line.is_incomplete for line in self.dates)

    @property
    def rows(self) -> int:
        """Sealed rows."""
        return sum(line.facts.rows for line in self.dates if line.state.kind is Kind.SEALED)

    @property
    def bytes(self) -> int:
        """Bytes of sealed Parquet."""
        return sum(line.facts.bytes for line in self.dates)
