"""One answer about all chains of a root, as rows of each chain in turn."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from spx_data.market.chains import Chain, ListedChain
from spx_data.market.records import Rejects
from spx_data.market.schema import Schema
from spx_data.sources.source import Part
from spx_data.sources.theta.wire_rows import listed_date

Validated = tuple[pa.RecordBatch, Mapping[int, str]]


class Splitter:
    """Divides blocks of rows by their expirations; *validate* makes records of those of one chain."""

    def __init__(
        self,
        chains: Sequence[ListedChain],
        records: Schema,
        validate: Callable[[pa.RecordBatch, Chain], Validated],
    ) -> None:
        self._by_listed = {entry.chain.listed: entry for entry in chains}
        self._nothing = records.record.empty_table().to_batches() or [
            pa.RecordBatch.from_pylist([], schema=records.record)
        ]
        self._validate_chain = validate
        self._parts: list[tuple[ListedChain | None, pa.RecordBatch, int]] = []

    def validate(self, batch: pa.RecordBatch) -> Validated:
        """The records of all chains in a block, which are kept chain by chain, and its bad rows.

        A block that is read once more is divided once more.
        """
        self._parts, bad = [], dict[int, str]()
        for begin, end, listed in _runs(batch["expiration"]):
            entry, records, worse = self._of_run(batch.slice(begin, end - begin), listed)
            self._parts.append((entry, records, end - begin))
            bad |= {begin + at: reason for at, reason in worse.items()}
        found = [records for _, records, _ in self._parts if records.num_rows]
        return (found[0] if len(found) == 1 else pa.concat_batches(found or self._nothing)), bad

    def _of_run(
        self, rows: pa.RecordBatch, listed: str
    ) -> tuple[ListedChain | None, pa.RecordBatch, Mapping[int, str]]:
        date = listed_date(listed)
        entry = self._by_listed.get(date) if date else None
        if entry is None:
            return None, self._nothing[0], {}
        return entry, *self._validate_chain(rows, entry.chain)

    def split(self, blocks: Iterator[pa.RecordBatch], rejects: Rejects) -> Iterator[Part]:
        """The parts of *blocks*, of each of which this one's `validate` has made records.

        Nobody knows whose a row is that cannot be read: wherever rows of a block went to *rejects*, all that
        is in it, and what stands before and behind it, is doubtful.
        """
        held: list[Part] = []
        bad, shadow = 0, False
        for _ in itertools.chain(blocks, [None]):
            parts, self._parts = self._parts, []
            doubtful = len(rejects) > bad
            bad = len(rejects)
            if doubtful:
                held = [part._replace(is_doubtful=True) for part in held]
            yield from held
            held = [
                Part(entry, records, rows, doubtful or (shadow and at == 0), rejects.reading)
                for at, (entry, records, rows) in enumerate(parts)
            ]
            shadow = doubtful
        yield from held


def _runs(expirations: pa.DictionaryArray) -> Iterator[tuple[int, int, str]]:
    """Where rows of one expiration stand together: the first, the one behind the last, and its spelling."""
    codes = expirations.indices.to_numpy(zero_copy_only=False)
    words = expirations.dictionary.to_pylist()
    edges = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist(), len(codes)]
    for begin, end in itertools.pairwise(edges):
        if end > begin:
            yield begin, end, words[codes[begin]]
