"""All chains of a root in one answer, split into the checkpoints of its chains as it is read.

No order of chains is taken for granted. One that comes in one piece is staged as by a request of its own; one
that is met again after others, or of which anything is doubtful, is not, and is asked for by itself. A chain
counts at once where nothing of it is lacking, up to the last stamp; others count when the answer has ended
well, for until then more of them may come. So an answer that breaks off costs no chain that came whole.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import pyarrow as pa

from spx_data.errors import SpxDataError, is_the_machines
from spx_data.fill import taking
from spx_data.fill.lacking import Roll
from spx_data.fill.listing import Listing, checkpoint_of
from spx_data.fill.rejects import Believed, ConfirmedRejects, DoubtedRowsError
from spx_data.fill.taking import Taken
from spx_data.market.chains import ListedChain
from spx_data.market.records import Rejects
from spx_data.market.second_opinion import Lack
from spx_data.settings import Settings
from spx_data.sources.session import SourceSession
from spx_data.sources.source import Part
from spx_data.store import files, journal, staging
from spx_data.store.staging import Receipt

_log = logging.getLogger(__name__)

# Where fewer are lacking, or less than half of a root's contracts, they are asked for by themselves.
_FEW = 2


def stage(
    settings: Settings,
    line: SourceSession,
    listed: Listing,
    waiting: Sequence[ListedChain],
    believed: Believed,
) -> dict[ListedChain, Receipt]:
    """Stage what of the chains *waiting* comes with all others of its root; the rest is for others to ask.

    Raises:
        SpxDataError: this machine failed, not the source.
    """
    if not line.capabilities.answers_whole_dates(settings.records, settings.window):
        return {}
    roots = [root for root in {entry.chain.root: None for entry in waiting} if _pays(root, listed, waiting)]
    streams = [_Stream(settings, line, listed, root, waiting, believed) for root in roots]
    with ThreadPoolExecutor(settings.terminal.max_concurrent_requests, thread_name_prefix="root") as pool:
        list(pool.map(_Stream.take, streams))
    return {entry: receipt for stream in streams for entry, receipt in stream.staged.items()}


def _pays(root: str, listed: Listing, waiting: Sequence[ListedChain]) -> bool:
    """Whether enough of a *root* is lacking to ask for all of it."""
    mine = [entry.contracts for entry in waiting if entry.chain.root == root]
    every = sum(entry.contracts for entry in listed.chains if entry.chain.root == root)
    return len(mine) >= _FEW and 2 * sum(mine) >= every


class _Stream:
    """One root's answer: what of it is *staged*, and what waits for its end."""

    def __init__(
        self,
        settings: Settings,
        line: SourceSession,
        listed: Listing,
        root: str,
        waiting: Sequence[ListedChain],
        believed: Believed,
    ) -> None:
        self.staged: dict[ListedChain, Receipt] = {}
        self._settings, self._line, self._listed, self._believed = settings, line, listed, believed
        self._root = root
        self._wanted = {entry for entry in waiting if entry.chain.root == root}
        self._met: set[ListedChain] = set()
        self._pending: dict[ListedChain, Receipt] = {}
        self._strange = 0  # rows of chains that nobody lists

    def take(self) -> None:
        """Ask, and stage what comes whole; raises where this machine fails."""
        chains = [entry for entry in self._listed.chains if entry.chain.root == self._root]
        date, window = self._listed.date, self._settings.window
        try:
            parts = self._line.source.whole_date(self._root, date, chains, window, self._settings.max_dte)
            for entry, group in groupby(parts, lambda part: part.entry):
                self._take_chain(entry, group)
        except Exception as error:
            # Whatever the source did, a chain's own answer may be better, or say what is wrong.
            if isinstance(error, OSError) or (not isinstance(error, SpxDataError) and is_the_machines(error)):
                raise
            self._give_up(error)
            return
        for entry, receipt in self._pending.items():
            self._commit(entry, receipt)
        if self._strange:
            _log.warning("%s: %d rows are of chains that nobody lists", self._root, self._strange)

    def _give_up(self, error: Exception) -> None:
        """Say why the rest is asked for chain by chain."""
        told = journal.described(error)
        self._line.journal.record(journal.RETRIED, root=self._root, **told, attempt=1, wait=0.0)
        lacking = len(self._wanted) - len(self.staged)
        _log.warning("%s: %d chains are asked for by themselves: %s", self._root, lacking, error)

    def _take_chain(self, entry: ListedChain | None, parts: Iterator[Part]) -> None:
        """Take in rows of one chain that stand together."""
        if entry is None or entry not in self._wanted or entry in self._met:
            if entry in self._met:
                self._forget(entry)
            self._strange += sum(part.rows for part in parts if entry is None)
            return
        self._met.add(entry)
        begun, doubts = time.monotonic(), list[bool]()
        try:
            taken = self._written(entry, parts, doubts)
        except DoubtedRowsError:
            return
        if any(doubts) or not taken.rows:
            return
        seconds = time.monotonic() - begun
        receipt = taking.receipt_of(self._settings.layout, self._listed, entry, taken, 1, seconds)
        if _lacks_nothing(taken.roll):
            self._commit(entry, receipt)
        else:
            self._pending[entry] = receipt

    def _written(self, entry: ListedChain, parts: Iterator[Part], doubts: list[bool]) -> Taken:
        """Write the records in *parts* to their checkpoint; *doubts* learns which parts are doubtful."""
        bad, roll = Rejects(), Roll(entry, self._settings.window)

        def batches() -> Iterator[pa.RecordBatch]:
            for part in parts:
                doubts.append(part.is_doubtful)
                bad.read_by(part.reading)
                bad.lack(part.records)
                if part.records.num_rows:
                    yield part.records

        believed = ConfirmedRejects(entry.chain, self._believed).resolved(batches(), bad)
        checkpoint = checkpoint_of(self._settings.layout, entry)
        return Taken(roll, bad, *staging.write_records(checkpoint, roll.taken(believed)))

    def _commit(self, entry: ListedChain, receipt: Receipt) -> None:
        taking.commit(self._settings.layout, self._line.journal, entry, receipt)
        self.staged[entry] = receipt

    def _forget(self, entry: ListedChain) -> None:
        """Let a chain that is met again be asked for by itself."""
        self._pending.pop(entry, None)
        if self.staged.pop(entry, None) is not None:
            files.remove(checkpoint_of(self._settings.layout, entry).receipt)


def _lacks_nothing(roll: Roll) -> bool:
    """Whether each listed contract has records up to the last stamp of the window."""
    lacking, ends = roll.lacking().contracts, roll.ends
    whole = ends is not None and ends[1] == roll.census.stamp(roll.census.stamps - 1)
    return whole and not lacking.get(Lack.ABSENT) and not lacking.get(Lack.EARLY)
