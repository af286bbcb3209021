"""What a date will take where no day is sealed yet: by the profile of the terminal that a probe left.

Rows are the contracts that one ordinary day lists, times the stamps of the window; bytes and our own seconds
are what each row of a date of real size was measured to take (benchmarks/RESULTS.md, decision 4). All days
count as that one, though the older a day, the fewer contracts it has.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spx_data.ops.gaps.estimate import Estimate
from spx_data.sources import profile

if TYPE_CHECKING:
    from spx_data.market.sessions import Session
    from spx_data.settings import Settings

# Each row of 20 dates of 8.4 million rows: 18.7 bytes of Parquet, 114 of checkpoints at most, and, where the
# terminal keeps nobody waiting, 332.7 s / 168 million on two cores.
_PARQUET_BYTES, _STAGED_BYTES, _OWN_SECONDS = 18.7, 114.0, 2e-6


@dataclass(frozen=True)
class Guess:
    """What one listing and the terminal's speed tell."""

    settings: Settings
    listed_on: dt.date
    chains: int
    contracts: int
    complete: bool  # every root of the lake was asked for
    rows_per_second: float | None  # with as many requests in flight as the terminal serves at once

    @classmethod
    def of(cls, settings: Settings) -> Guess | None:
        """What the lake's profile tells; None where it has no listing of the lake's roots.

        Nothing either where `processing.max_dte` leaves expirations out: a total does not say which.
        """
        found = profile.known(settings.layout.profile)
        if found is None or found.volume is None or settings.max_dte is not None:
            return None
        volume = found.volume
        roots = [root for root in settings.roots if volume.contracts.get(root) and volume.chains.get(root)]
        if not roots:
            return None
        limit = settings.terminal.max_concurrent_requests
        in_flight = min(limit, found.most_at_once or limit)
        speed = found.speed.rows_per_second
        return cls(
            settings,
            volume.date,
            sum(volume.chains[root] for root in roots),
            sum(volume.contracts[root] for root in roots),
            complete=set(settings.roots) <= volume.contracts.keys(),
            rows_per_second=speed * in_flight if speed else None,
        )

    def estimate(self, session: Session, chains: int = 0, staged_bytes: int = 0) -> Estimate:
        """What *session* will take, alone at the terminal, with these *chains* and bytes staged already."""
        rows = self.contracts * self._stamps(session)
        left = max(0.0, 1 - chains / self.chains)
        seconds = None
        if self.rows_per_second:
            seconds = round(left * rows * max(1 / self.rows_per_second, _OWN_SECONDS), 3)
        return Estimate(
            rows=rows,
            bytes=round(rows * _PARQUET_BYTES),
            temp_bytes=max(0, round(rows * _STAGED_BYTES) - staged_bytes),
            seconds=seconds,
            guessed=f"by the listing of {self.listed_on} that a probe saw, for no day is sealed yet",
            at_least=not self.complete,
        )

    def _stamps(self, session: Session) -> int:
        """Stamps of the window while the session is open."""
        window = self.settings.window
        begin = max(window.start_ms, _ms(session.opens))
        end = min(window.end_ms, _ms(session.closes))
        return max(0, (end - begin) // window.step_ms + 1)


def _ms(moment: dt.datetime) -> int:
    """Milliseconds since midnight in New York, where sessions have their hours."""
    return (moment.hour * 3600 + moment.minute * 60 + moment.second) * 1000
