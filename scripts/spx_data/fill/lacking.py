"""What a chain's records lack, as far as a contract's own answer could tell more.

A row appears for every stamp once a contract has had a quote (docs/wire.md, 2.1). So a hole, an end
before the chain's own, a late beginning and a listed contract without any row are either facts of the source
or faults of one answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from spx_data.market.chains import ListedChain, midnight_ms
from spx_data.market.second_opinion import Lack, Opinion, Reading, SecondOpinion
from spx_data.market.sessions import Window
from spx_data.quality.checks import Floats, Ints, Mask
from spx_data.quality.panel import PUT, RIGHTS, Presence, first_and_last, runs

Contract = tuple[str, float]  # right and strike


@dataclass(frozen=True)
class Lacking:
    """What a chain lacks: the contracts in question, the most telling first, and the stamps nobody has."""

    contracts: Mapping[Lack, Sequence[Contract]]
    stamps: Mask  # of the window; true where no contract has a record, though some have others

    def count(self, lack: Lack) -> int:
        """How many contracts lack it; of stamps, how many stamps."""
        return int(self.stamps.sum()) if lack is Lack.STAMPS else len(self.contracts.get(lack, ()))


class Roll:
    """Which records of a chain are there, taken in batch by batch, and what is lacking."""

    def __init__(self, entry: ListedChain, window: Window) -> None:
        """A roll of a chain over *window*: it knows the listed contracts, and of no record yet."""
        self._entry = entry
        self.census = Presence(window, midnight_ms(entry.chain.date), {*entry.calls, *entry.puts})

    def take(self, batch: pa.RecordBatch) -> Mask:
        """Count the records of *batch* in; says which of them are new."""
        return self.census.add(*_keys(batch))

    def lacks(self, batch: pa.RecordBatch) -> Mask:
        """Which records of *batch* are not there; they are not counted in."""
        return self.census.lacks(*_keys(batch))

    def taken(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """*batches* on their way, counted in."""
        for batch in batches:
            self.take(batch)
            yield batch

    def news(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The records of *batch* that were not there; now they are."""
        return batch.filter(pa.array(self.take(batch)))

    @property
    def records(self) -> int:
        """How many contracts and stamps have a record."""
        return int(self.census.there.sum())

    @property
    def ends(self) -> tuple[int, int] | None:
        """The first and the last stamp of all, in ms since the epoch; None where there is no record."""
        seen = np.flatnonzero(self._common)
        return (self.census.stamp(int(seen[0])), self.census.stamp(int(seen[-1]))) if len(seen) else None

    @property
    def _common(self) -> Mask:
        return np.asarray(self.census.there.any(axis=(0, 1)))

    def lacking(self) -> Lacking:
        """What is lacking, whatever the hours of the session."""
        census, received, common = self.census, self.census.received, self._common
        absent = census.listed(self._entry.calls, self._entry.puts) & ~received
        stamps = ~common & common.any()
        if not received.any():
            return Lacking({Lack.ABSENT: self._by_centre(absent)}, stamps)
        seen = np.flatnonzero(common)
        first, last = first_and_last(census.there)
        before = np.concatenate([[0], np.cumsum(common)])
        full = before[last + 1] - before[first]
        found = {
            Lack.ABSENT: absent,
            Lack.LATE: received & (first > seen[0]),
            Lack.HOLES: received & (census.there.sum(axis=2) < full),
            Lack.EARLY: received & (last < seen[-1]),
        }
        return Lacking({lack: self._by_centre(where) for lack, where in found.items() if where.any()}, stamps)

    def fullest(self) -> list[Contract]:
        """The contracts that have records, those with most of them first."""
        there = self.census.there.sum(axis=2)
        places = np.argsort(-there, axis=None, kind="stable")[: int((there > 0).sum())]
        return [self._contract(*np.unravel_index(place, there.shape)) for place in places]

    def place(self, contract: Contract) -> tuple[int, int]:
        """Where a contract stands in the census."""
        right, strike = contract
        return RIGHTS.index(right), int(np.searchsorted(self.census.strikes, strike))

    def _by_centre(self, where: Mask) -> list[Contract]:
        """Contracts, those in the middle of the chain's strikes first: markets are thin at its ends."""
        places = np.argwhere(where)
        off = np.abs(places[:, 1] - (len(self.census.strikes) - 1) / 2)
        return [self._contract(*places[at]) for at in np.argsort(off, kind="stable")]

    def _contract(self, right: int, strike: int) -> Contract:
        return RIGHTS[right], float(self.census.strikes[strike])


def evidence_of(roll: Roll, reading: Reading = "typed") -> SecondOpinion:
    """What the first answer about a chain leaves in question; *reading* is what it took to be read."""
    lacking, ends = roll.lacking(), roll.ends
    return SecondOpinion(
        first_stamp=ends and ends[0],
        last_stamp=ends and ends[1],
        bare=tuple(runs_of(lacking.stamps, roll.census)),
        opinions={
            lack: Opinion(doubtful=lacking.count(lack))
            for lack in Lack
            if lack is not Lack.STAMPS and lacking.count(lack)
        },
        reading=reading,
    )


def _keys(batch: pa.RecordBatch) -> tuple[Floats, Mask, Ints]:
    """The strikes of records, whether they are puts, and their stamps."""
    import pyarrow.compute as pc

    put = pc.equal(batch["right"], RIGHTS[PUT]).to_numpy(zero_copy_only=False)
    return batch["strike"].to_numpy(), put, batch["timestamp"].to_numpy()


def spread(contracts: Sequence[Contract], most: int) -> list[Contract]:
    """At most *most* of the *contracts*: the first one, and others evenly spread."""
    if len(contracts) <= most:
        return list(contracts)
    return [contracts[number * len(contracts) // most] for number in range(most)]


def runs_of(stamps: Mask, census: Presence) -> list[tuple[int, int]]:
    """The stretches of *stamps* that are true, each as its first and last stamp in ms since the epoch."""
    return [(census.stamp(first), census.stamp(last)) for first, last in runs(stamps)]


def listed_contracts(entry: ListedChain) -> list[Contract]:
    """The contracts that are listed for a chain."""
    return [*(("C", strike) for strike in entry.calls), *(("P", strike) for strike in entry.puts)]
