"""Stage three of a date: its checkpoints become one sealed Parquet.

Publication order, each step on the device before the next begins: the Parquet as `.part`, read back; its
rename; the bad records, if any; the passport; the sidecar, which is the commit. A crash
between any two leaves a date that is simply not done.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from spx_data import dataset, files, journal, schema, seals, staging, vouched
from spx_data.errors import FileCorruptionError, MissingFileError, SchemaValidationError, SpxDataError
from spx_data.fill import passport
from spx_data.fill.manifest import Manifest
from spx_data.fill.passport import ChainReport
from spx_data.fill.rejects import Kept
from spx_data.journal import Journal
from spx_data.parquet import DayWriter, Written, read_back
from spx_data.quality import DETAILS
from spx_data.quality.checks import Count
from spx_data.quality.hours import Observed, Told, Truth
from spx_data.quality.judgement import Judge, Rules
from spx_data.records import Settled, settle
from spx_data.sessions import Session
from spx_data.settings import Settings
from spx_data.staging import Receipt
from spx_data.theta.chains import Chain, midnight_ms

_log = logging.getLogger(__name__)


def merge_date(
    settings: Settings, date: dt.date, manifest: Path, target: Path, *, session: Session | None
) -> None:
    """Seal *date*: its checkpoints become *target*, its passport and its sidecar.

    *session* is the date's by the exchange calendar (None where it has none); the caller knows it, and
    loading the calendar would cost every job more than a small date's merge.

    Raises:
        DatasetMismatchError: the lake holds another data set.
        FileCorruptionError: a checkpoint is damaged; it is dropped, so that the next run fetches it anew.
        SchemaValidationError: the manifest is none or was made for other settings; it is dropped likewise.
    """
    begun = time.monotonic()
    log = Journal(settings.layout.journal(date), "merge")
    with log.attempt():
        staged = _current(settings, manifest)
        dataset.claim(settings, staged.listing.dataset)
        told = _told(settings, staged, session)
        truth = told.truth(settings.window, staged.listing.api)
        judge, kept = Judge(date, _rules(settings, staged, truth)), Kept(staged.listing.api)
        reports, written = _write(settings, staged, manifest, target, judge, kept, truth)
        size, checksum = target.stat().st_size, files.digest(target)
        hours = passport.session(staged.listing, reports, told, truth, settings.window)
        judgement = judge.finish(_completeness(reports, truth))
        rejects = kept.write(settings.layout.rejects(date))
        document = passport.passport(staged.listing, reports, written, hours, rejects, judgement)
        document["parquet"] = {"bytes": size, "sha256": checksum}
        document["sealed_at"] = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        document["merge_seconds"] = round(time.monotonic() - begun, 3)
        document[DETAILS] = passport.details(reports, judgement)
        vouched.write(settings.layout.passport(date), document)
        seals.seal(target, checksum)
        log.mention(journal.SEALED, rows=written.rows, bytes=size, sha256=checksum)
    _log.info("%s: sealed %d rows in %d bytes", date, written.rows, size)
    if not settings.keep_ndjson:
        _clear(settings.layout.staging(date))


def _told(settings: Settings, staged: Manifest, session: Session | None) -> Told:
    """What the exchange's calendar, the vendor's and the staged records say of the date's hours."""
    stamps = (
        (receipt.expiration, receipt.evidence.first_stamp, receipt.evidence.last_stamp)
        for receipt in staged.receipts
    )
    observed = Observed.of(staged.listing.date, stamps)
    return Told(settings.calendar, session, staged.listing.vendor, observed)


def _completeness(reports: list[ChainReport], truth: Truth) -> Mapping[tuple[str, dt.date], Sequence[Count]]:
    return {report.key: [*report.counts(), truth.count()] for report in reports if report.has_data}


def _rules(settings: Settings, staged: Manifest, truth: Truth) -> Rules:
    return Rules(
        greeks_version=staged.listing.dataset["greeks_version"],
        step_ms=settings.window.step_ms,
        closes_ms=midnight_ms(staged.listing.date) + truth.hours.closes_ms,
        weights=settings.quality.weights,
    )


def _clear(staged: Path) -> None:
    """Remove what the sealed date no longer needs; failing at that must not undo the date.

    Snakemake deletes the outputs of a job that fails.
    """
    try:
        files.remove(staged)
    except SpxDataError as error:
        _log.warning("checkpoints stay behind: %s", error)


def _current(settings: Settings, path: Path) -> Manifest:
    """The manifest at *path*, provided it was made for these settings."""
    try:
        manifest = Manifest.of_json(files.read_json(path))
    except SchemaValidationError:
        files.remove(path)
        raise
    wanted = dataset.identity(settings, manifest.listing.dataset["greeks_version"])
    if manifest.listing.dataset != wanted:
        files.remove(path)
        raise SchemaValidationError(
            f"{path} was made with other settings than today's",
            cure="Run the workflow again: the date is staged anew",
            what=str(path),
            reason=f"{manifest.listing.dataset} is not {wanted}",
        )
    return manifest


def _write(
    settings: Settings,
    staged: Manifest,
    path: Path,
    target: Path,
    judge: Judge,
    kept: Kept,
    truth: Truth,
) -> tuple[list[ChainReport], Written]:
    """Write *target* from the checkpoints and read it back before it gets its name."""
    written: Written

    def check(part: Path) -> None:
        read_back(part, written)

    with files.atomic(target, check=check) as stream:
        try:
            reports, written = _merge(settings, staged, stream, judge, kept, truth)
        except (FileCorruptionError, MissingFileError):
            # The damaged checkpoint has lost its receipt; without the manifest the download takes it up.
            files.remove(path)
            raise
    return reports, written


def _merge(
    settings: Settings, staged: Manifest, stream: BinaryIO, judge: Judge, kept: Kept, truth: Truth
) -> tuple[list[ChainReport], Written]:
    listing = staged.listing
    metadata = {"source_api": listing.api, "greeks_version": listing.dataset["greeks_version"]}
    reports = []
    with DayWriter(stream, metadata) as writer:
        for entry, receipt in staged.chains():
            settled = _settled(settings, entry.chain, receipt, kept) if receipt.rows else None
            if settled is not None:
                chain, records = entry.chain, settled.records
                rows = schema.day_table(chain.date, chain.root, chain.expiration, records)
                writer.add(chain.root, chain.expiration, rows)
                judge.add(chain.root, chain.expiration, records)
            reports.append(ChainReport.of(entry, receipt, settled, settings.window, truth.quoted))
        return reports, writer.close()


def _settled(settings: Settings, chain: Chain, receipt: Receipt, kept: Kept) -> Settled:
    """The records of a checkpoint; what is bad of it goes to *kept*.

    A checkpoint that is damaged loses its receipt, so that it is fetched anew.
    """
    checkpoint = settings.layout.checkpoint(chain.date, chain.root, chain.expiration)
    try:
        settled = settle(staging.read_records(checkpoint, receipt))
        kept.add(chain, staging.read_rejects(checkpoint, receipt), settled.conflicts)
        return settled
    except (FileCorruptionError, MissingFileError):
        files.remove(checkpoint.receipt)
        raise
