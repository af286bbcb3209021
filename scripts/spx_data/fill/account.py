"""What the records of one chain say together, taken in chunk by chunk."""

from __future__ import annotations

from collections import Counter

from spx_data.fill import underlying
from spx_data.fill.underlying import Underlying
from spx_data.market import schema
from spx_data.market.chains import ListedChain, midnight_ms
from spx_data.market.records import Settled
from spx_data.market.window import Window
from spx_data.quality.presence import Presence


class Account:
    """An account of a chain's records that needs none of them any more."""

    def __init__(self, entry: ListedChain, window: Window) -> None:
        self.census = Presence(window, midnight_ms(entry.chain.date), {*entry.calls, *entry.puts})
        self.rows = 0  # as they are sealed
        self.duplicates = 0  # dropped, because they repeat another one
        self.conflicts = 0  # of which the source has several versions
        self.first_stamp: int | None = None  # ms since the epoch
        self.last_stamp: int | None = None
        self.underlying: Underlying | None = None
        self.nulls: Counter[str] = Counter()  # records that lack a value, by column

    def add(self, settled: Settled) -> None:
        """Take in one chunk, which has at least one record."""
        records = settled.records
        self.census.add_records(records)
        self.rows += len(records)
        for name in schema.OPTIONAL:
            if lacking := records[name].null_count():
                self.nulls[name] += lacking
        self.duplicates += settled.duplicates
        self.conflicts += settled.conflicting
        self.underlying = underlying.together([self.underlying, Underlying.of(records)])
        stamps = records["timestamp"].to_numpy()
        first, last = int(stamps.min()), int(stamps.max())
        self.first_stamp = first if self.first_stamp is None else min(first, self.first_stamp)
        self.last_stamp = last if self.last_stamp is None else max(last, self.last_stamp)
