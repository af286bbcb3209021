"""What an answer about a chain leaves behind: its checkpoint, the receipt for it, and word of it."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import NamedTuple

from spx_data.fill.lacking import Roll, evidence_of
from spx_data.fill.listing import Listing, checkpoint_of
from spx_data.fill.rejects import Believed, ConfirmedRejects
from spx_data.market.chains import ListedChain
from spx_data.market.records import Rejects
from spx_data.settings import Settings
from spx_data.sources.source import Source, history
from spx_data.store import journal, staging
from spx_data.store.journal import Journal
from spx_data.store.layout import Layout
from spx_data.store.staging import Receipt

_log = logging.getLogger(__name__)


class Taken(NamedTuple):
    """What an answer brought: the records, which are in the checkpoint, and what else there is to know."""

    roll: Roll
    bad: Rejects
    contracts: int
    rows: int
    size: int  # bytes
    checksum: str


class Tries:
    """Asking for one chain: each try writes its checkpoint anew and knows what those before have shown."""

    def __init__(self, settings: Settings, source: Source, entry: ListedChain, believed: Believed) -> None:
        self.entry, self.checkpoint = entry, checkpoint_of(settings.layout, entry)
        self.made = 0
        self.doubt: ConfirmedRejects | None = ConfirmedRejects(entry.chain, believed)
        self._source, self._window = source, settings.window
        self._windows = [settings.window]  # halved where one was too large, so that no try asks for it again

    def once(self) -> Taken:
        """Ask once; raises whatever the source raises, and DoubtedRowsError while there is doubt."""
        self.made += 1
        bad, roll = Rejects(), Roll(self.entry, self._window)
        # Whoever keeps the error that ended this early would keep the answer, and a place where it is read.
        with closing(history(self._source, self.entry, self._windows, bad)) as answer:
            batches = answer if self.doubt is None else self.doubt.resolved(answer, bad)
            return Taken(roll, bad, *staging.write_records(self.checkpoint, roll.taken(batches)))


def about(entry: ListedChain) -> dict[str, str]:
    """A chain, as events name it."""
    return {"root": entry.chain.root, "expiration": entry.chain.expiration.isoformat()}


def receipt_of(
    layout: Layout, listed: Listing, entry: ListedChain, taken: Taken, attempts: int, seconds: float
) -> Receipt:
    """The receipt for what was *taken* of a chain, whose bad rows are written now."""
    return Receipt(
        root=entry.chain.root,
        expiration=entry.chain.expiration,
        listing=listed.identity(entry),
        contracts=taken.contracts,
        rows=taken.rows,
        bytes=taken.size,
        sha256=taken.checksum,
        attempts=attempts,
        seconds=round(seconds, 3),
        rejected=len(taken.bad),
        rejects_sha256=staging.write_rejects(checkpoint_of(layout, entry), taken.bad.found),
        evidence=evidence_of(taken.roll, taken.bad.reading),
    )


def commit(layout: Layout, log: Journal, entry: ListedChain, receipt: Receipt) -> None:
    """Write the *receipt*: the chain is staged from now on, and the journal says so."""
    staging.write_receipt(checkpoint_of(layout, entry), receipt)
    told = {name: getattr(receipt, name) for name in ("contracts", "rows", "rejected", "bytes", "attempts")}
    log.record(journal.STAGED, **about(entry), **told)
    _log.info(
        "%s: %d rows of %d contracts in %.1f s",
        *(entry.chain, receipt.rows, receipt.contracts, receipt.seconds),
    )
