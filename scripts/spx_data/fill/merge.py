"""Stage three of a date: its checkpoints become one sealed Parquet.

Publication order, each step on the device before the next begins: the Parquet as `.part`, read back; its
rename; the file of the day's contracts, likewise; the bad records, if any; the passport; the sidecar, which
is the commit. A crash between any two leaves a date that is simply not done.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from spx_data.errors import FileCorruptionError, MissingFileError, SchemaValidationError, SpxDataError
from spx_data.fill import passport, reports
from spx_data.fill.chunks import Account, chunks
from spx_data.fill.computed import Computed
from spx_data.fill.contracts import Contracts, quoted, section, table
from spx_data.fill.listing import Manifest, checkpoint_of
from spx_data.fill.passport import ChainReport
from spx_data.fill.rejects import RejectsWriter
from spx_data.fill.relay import Relay, until_none
from spx_data.market import schema
from spx_data.market.chains import Chain, ListedChain, midnight_ms
from spx_data.market.contracts import Report
from spx_data.market.records import Settled, settle
from spx_data.market.sessions import Session
from spx_data.quality import DETAILS, panel
from spx_data.quality.hours import HoursReports
from spx_data.quality.judgement import Judge, Judgement, Rules
from spx_data.settings import Settings
from spx_data.sources import profile
from spx_data.store import contracts, dataset, files, journal, locks, names, reads, seals, staging
from spx_data.store.journal import Journal
from spx_data.store.parquet import DayWriter, Piece, Written, read_back
from spx_data.store.staging import Receipt

if TYPE_CHECKING:
    import polars as pl

_log = logging.getLogger(__name__)


def merge_date(
    settings: Settings,
    date: dt.date,
    manifest: Path,
    target: Path,
    *,
    session: Session | None,
    as_is: str | None = None,
    stays: Collection[Path] = (),
    cores: int = 1,
) -> None:
    """Seal *date*: its checkpoints become *target*, its passport and its sidecar.

    *session* is the date's by the exchange calendar (None where it has none); the caller knows it, and
    loading the calendar would cost every job more than a small date's merge. *as_is* is the reason for which
    a person has it sealed as it is, where one does. Of what was staged, the files that the caller clears away
    itself *stay*. With more *cores* than one the chains are read, judged and written side by side.

    Raises:
        DatasetMismatchError: the lake holds another data set.
        FileCorruptionError: a checkpoint is damaged; it is dropped, so that the next run fetches it anew.
        SchemaValidationError: the manifest is none or was made for other settings; it is dropped likewise.
    """
    begun = time.monotonic()
    log = Journal(settings.layout.journal(date), "merge")
    with locks.alone(settings.layout.day_lock(date)), log.attempt():
        staged = _current(settings, manifest)
        dataset.claim(settings.layout, staged.listing.dataset)
        merge = _Merge(settings, staged, session, cores)
        figures = _figures(settings, staged, manifest)
        written = _write(merge, manifest, target)
        file: dict[str, Any] = {"bytes": reads.size(target), "sha256": reads.digest(target)}
        contracts_sha256, told = merge.write_contracts(names.contracts_of(target), figures)
        passport = merge.passport(written, file, told, as_is, begun)
        sealed = seals.seal(target, file["sha256"], passport, contracts_sha256)
        log.mention(journal.SEALED, rows=written.rows, **file, passport_sha256=sealed.passport)
    _log.info("%s: sealed %d rows in %d bytes", date, written.rows, file["bytes"])
    if not settings.keep_ndjson:
        _clear(settings.layout.staging(date), stays)


def _clear(staged: Path, stays: Collection[Path]) -> None:
    """Remove what the sealed date no longer needs; failing at that must not undo the date.

    Snakemake deletes the outputs of a job that fails.
    """
    try:
        others = staging.clear(staged, stays)
    except SpxDataError as error:
        _log.warning("checkpoints stay behind: %s", error)
    else:
        if others:
            _log.warning("%s: what is not this project's stays: %d files", staged, len(others))


def _current(settings: Settings, path: Path) -> Manifest:
    """The manifest at *path*, provided it was made for these settings."""
    try:
        manifest = Manifest.of_json(reads.read_json(path))
    except SchemaValidationError:
        files.remove(path)
        raise
    wanted = settings.identity(manifest.listing.dataset["greeks_version"])
    if manifest.listing.dataset != wanted:
        files.remove(path)
        raise SchemaValidationError(
            f"{path} was made with other settings than today's",
            cure="Run the workflow again: the date is staged anew",
            what=str(path),
            reason=f"{manifest.listing.dataset} is not {wanted}",
        )
    return manifest


def _figures(settings: Settings, staged: Manifest, manifest: Path) -> dict[Report, pl.DataFrame]:
    """What the source reported of the date's contracts; where that is damaged, it is asked for anew."""
    try:
        return reports.read(settings.layout, staged.listing.date, staged.reports)
    except (FileCorruptionError, MissingFileError):
        files.remove(manifest)
        raise


def _write(merge: _Merge, manifest: Path, target: Path) -> Written:
    """Write *target* from the checkpoints and read it back before it gets its name."""
    written: Written

    def check(part: Path) -> None:
        read_back(part, merge.columns, written, merge.ahead)

    with files.atomic(target, check=check) as stream:
        try:
            written = merge.write(stream)
        except (FileCorruptionError, MissingFileError):
            # The damaged checkpoint has lost its receipt; without the manifest the download takes it up.
            files.remove(manifest)
            raise
    return written


class _Merge:
    """A date on its way into one file; what is known of its chains gathers here, chain by chain."""

    def __init__(self, settings: Settings, staged: Manifest, session: Session | None, cores: int) -> None:
        self._settings, self._staged = settings, staged
        self.columns = schema.newest(settings.records)
        known = profile.known(settings.layout.profile)
        self._profile = known if known and known.api == staged.listing.api else None
        self._known = known
        listing = staged.listing
        self._told = HoursReports.of(
            *(settings, listing.date, listing.vendor, session, staged.receipts, self._profile)
        )
        self._truth = self._told.truth(settings.window, staged.listing.api)
        self._judge = Judge(staged.listing.date, self._rules())
        self._kept = RejectsWriter(staged.listing.api)
        self._reports: list[ChainReport] = []
        self._computed = Computed(self.columns, settings.product)
        self._contracts = Contracts(settings.product, listing.date)
        self._judgement: Judgement
        self._cores, self._relay = cores, Relay(cores, schema.PIECE_ROWS)

    def _rules(self) -> Rules:
        listing = self._staged.listing
        return Rules(
            product=self._settings.product,
            greeks_version=listing.dataset["greeks_version"],
            step_ms=self._settings.window.step_ms,
            closes_ms=midnight_ms(listing.date) + self._truth.hours.closes_ms,
            weights=self._settings.quality.weights,
            columns=self.columns.record.names,
            clocks=self._profile.clock_names if self._profile else {},
        )

    def write(self, stream: BinaryIO) -> Written:
        """Write the chains to *stream* in sealed order; each is judged while it is in memory."""
        listing = self._staged.listing
        keys = ("greeks_version", "model")
        told = {name: listing.dataset[name] for name in keys if name in listing.dataset}
        metadata = {"source_api": listing.api, **told}
        with (
            DayWriter(stream, self.columns, metadata) as writer,
            self._relay.stage(self._read()) as read,
            self._relay.stage(self._judged(read)) as judged,
        ):
            for entry, receipt in self._staged.chains():
                if receipt.rows:
                    self._write_chain(writer, entry.chain, receipt, judged)
            next(judged, None)  # the last chains' reports
            return writer.close()

    def write_contracts(
        self, target: Path, figures: dict[Report, pl.DataFrame]
    ) -> tuple[str, dict[str, Any]]:
        """Write the day's contracts to *target*; returns the file's SHA-256, and what is known of them."""
        rows = self._contracts.rows(figures)
        told = section(rows, figures, self._staged.reports)
        return contracts.write(target, table(rows), told), told

    # Three stages, each of which takes what the one before it makes: of each chain its chunks, then None. ---

    def _read(self) -> Iterator[Settled | None]:
        """The records of every chain that has any; what is bad of it is kept."""
        for entry, receipt in self._staged.chains():
            if receipt.rows:
                yield from self._settled(entry, receipt)
                yield None

    def _judged(self, read: Iterator[Settled | None]) -> Iterator[pa.Table | None]:
        """The same as rows of the day; each chain is judged, and of it only what reports need stays."""
        import polars as pl

        window = self._settings.window
        for entry, receipt in self._staged.chains():
            chain, account, quotes = entry.chain, None, list[pl.DataFrame]()
            if receipt.rows:
                account, judged = Account(entry, window), list[pl.DataFrame]()
                completed = None
                for settled in until_none(read):
                    account.add(settled)
                    quotes.append(quoted(settled.records))
                    judged.append(panel.judged(settled.records, window.step_ms))
                    every = self._every(entry, receipt, settled)
                    completed = completed or self._computed.of_chain(chain.root, chain.expiration, every)
                    records = completed(settled.records)
                    yield self.columns.table(chain.date, chain.root, chain.expiration, records)
                    del settled, records, every  # or they would stay in memory while the next ones are made
                yield None
                self._judge.add(chain.root, chain.expiration, pl.concat(judged))
                del judged
            report = ChainReport.of(entry, receipt, account, window, self._truth.quoted)
            self._reports.append(report)
            self._contracts.add(entry, quotes, report.completeness.explained_contracts)
        # While the last chains are written.
        self._judgement = self._judge.finish(
            {
                report.key: [*report.counts(), self._truth.count()]
                for report in self._reports
                if report.has_data
            }
        )

    def ahead(self, pieces: Iterator[Piece]) -> AbstractContextManager[Iterator[Piece]]:
        """*pieces* that are read back, on several cores the next ones while one is looked at."""
        pa.default_memory_pool().release_unused()  # what writing needed: reading has other threads' memory
        return Relay(self._cores, schema.PIECE_ROWS // 2).ahead(pieces, lambda piece: len(piece[2]))

    def _write_chain(
        self, writer: DayWriter, chain: Chain, receipt: Receipt, judged: Iterator[pa.Table | None]
    ) -> None:
        """Write one chain; the room that its records took in memory is free again."""
        if _is_large(receipt):
            tables = until_none(judged, lambda: self._give_back(_room(receipt)))
            writer.add(chain.root, chain.expiration, tables)
        else:
            writer.add(chain.root, chain.expiration, until_none(judged))
            self._relay.give(_room(receipt))

    def _give_back(self, room: int) -> None:
        """Give back the room of a large chunk, and what Arrow would keep of it."""
        pa.default_memory_pool().release_unused()
        self._relay.give(room)

    def _settled(self, entry: ListedChain, receipt: Receipt) -> Iterator[Settled]:
        """The records of a checkpoint, chunk by chunk, once there is room for one; what is bad of it is kept.

        A checkpoint that is damaged loses its receipt, so that it is fetched anew.
        """
        checkpoint, room = checkpoint_of(self._settings.layout, entry), _room(receipt)
        try:
            self._kept.add(entry.chain, staging.read_rejects(checkpoint, receipt))
            self._relay.take(room)
            for settled in self._chunks(entry, receipt):
                self._kept.add(entry.chain, [], settled.conflicts)
                yield settled
                del settled
                if _is_large(receipt):
                    self._relay.take(room)
        except (FileCorruptionError, MissingFileError):
            files.remove(checkpoint.receipt)
            raise
        if _is_large(receipt):
            self._relay.give(room)

    def _chunks(self, entry: ListedChain, receipt: Receipt) -> Iterator[Settled]:
        """The records of a checkpoint, chunk by chunk."""
        layout, window = self._settings.layout, self._settings.window
        expected = dict.fromkeys({*entry.calls, *entry.puts}, 2 * window.stamps)
        blocks = staging.read_blocks(checkpoint_of(layout, entry), receipt)
        return map(settle, chunks(blocks, expected, layout.temp, schema.PIECE_ROWS))

    def _every(
        self, entry: ListedChain, receipt: Receipt, first: Settled
    ) -> Callable[[], Iterable[pl.DataFrame]]:
        """What gives all records of a chain whose *first* chunk is at hand: mostly there is no other."""
        if receipt.rows <= schema.PIECE_ROWS:
            return lambda: [first.records]
        return lambda: (settled.records for settled in self._chunks(entry, receipt))

    def passport(
        self,
        written: Written,
        file: dict[str, Any],
        beside: dict[str, Any],
        as_is: str | None,
        begun: float,
    ) -> dict[str, Any]:
        """The date's passport, once it is written; the bad records, which it counts, get their file first."""
        listing, window, reports = self._staged.listing, self._settings.window, self._reports
        rejects, judgement = self._kept.write(self._settings.layout.rejects(listing.date)), self._judgement
        hours = passport.session(listing, reports, self._told, self._truth, window)
        return {
            **passport.passport(listing, reports, written, hours, rejects, judgement),
            "profile": self._profiled(judgement),
            **({} if as_is is None else {"as_is": {"reason": as_is}}),
            "parquet": file,
            "contracts": beside,
            "sealed_at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            "merge_seconds": round(time.monotonic() - begun, 3),
            DETAILS: passport.details(reports, judgement),
        }

    def _profiled(self, judgement: Judgement) -> dict[str, Any] | None:
        """The passport's word on the terminal's profile, and on what the date met otherwise."""
        if self._known is None:
            return None
        differs = [*self._told.differs(self._truth, self._settings.window), *judgement.differs]
        return passport.profiled(self._known, self._staged.listing.api, self._staged.receipts, differs)


def _is_large(receipt: Receipt) -> bool:
    """Whether a chain may come in several chunks: one of them is under way at a time, and nothing else."""
    return receipt.rows > schema.PIECE_ROWS


def _room(receipt: Receipt) -> int:
    """The records of a chain that are under way at a time."""
    return min(receipt.rows, schema.PIECE_ROWS)
