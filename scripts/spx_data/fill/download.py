"""Stage two of a date: every listed chain to a checkpoint of its own, a few at a time.

A rerun takes up where the last one stopped: chains whose checkpoint is whole are not asked for again. The
manifest is written only when every chain is either staged or known to have no data.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

from spx_data import files, journal, staging
from spx_data.errors import (
    ApiDataNotFoundError,
    ConfigurationValidationError,
    SpxDataError,
    is_the_machines,
)
from spx_data.evidence import Evidence
from spx_data.fill import rejects, room
from spx_data.fill.inquiry import Inquiry
from spx_data.fill.listing import Listing, current
from spx_data.fill.manifest import Manifest
from spx_data.fill.rejects import Doubt
from spx_data.fill.source import Line
from spx_data.layout import Checkpoint
from spx_data.quality.hours import of_vendor
from spx_data.records import Rejects
from spx_data.settings import Settings
from spx_data.staging import Receipt
from spx_data.theta.chains import ListedChain
from spx_data.theta.windows import history

_log = logging.getLogger(__name__)

# Threads beyond the limit of requests: what they have fetched they stage while as many others are in flight.
_AHEAD = 2


def download_expirations(settings: Settings, date: dt.date, listing: Path, target: Path) -> None:
    """Stage every chain of *listing*, a few at a time, and write the manifest to *target*.

    Raises:
        InsufficientDiskSpaceError: the date would not fit; nothing was fetched.
        SpxDataError: the first failure, after the other chains were staged where that made sense.
        ApiDataNotFoundError: not one chain had a record: evidence that the date has no data.
        TooManyRejectsError: more of the rows are bad than the settings allow.
    """
    with Line.open(settings, date, "download") as line:
        listed = current(settings, line, date, listing)
        receipts = _stage_all(settings, line, listed)
        if not any(receipt.rows for receipt in receipts):
            raise ApiDataNotFoundError(
                f"the source lists {len(receipts)} chains on {date} and has records of none",
                cure="It is asked again in later runs",
                date=date,
            )
        rejects.check(settings, listed, receipts)
        files.write_json(target, Manifest(listed, tuple(receipts)).as_json())


def _stage_all(settings: Settings, line: Line, listed: Listing) -> list[Receipt]:
    """The receipts of all chains, in the listing's order."""
    receipts: dict[int, Receipt] = {}
    waiting: list[int] = []
    for position, entry in enumerate(listed.chains):
        receipt = staging.staged(_checkpoint(settings, entry), listed.identity(entry))
        if receipt is None:
            waiting.append(position)
        else:
            receipts[position] = receipt
    _log.info("%s: %d chains listed, %d staged before", listed.date, len(listed.chains), len(receipts))
    room.check(settings, listed, sum(listed.chains[position].contracts for position in waiting))

    stop = threading.Event()

    def stage(position: int) -> Receipt:
        """Stage one chain; after a failure that would meet every request alike, begin no other.

        Whoever fails says so before it takes the next chain up: nobody could tell it as early.
        """
        if stop.is_set():
            raise CancelledError
        entry = listed.chains[position]
        try:
            return _stage(settings, line, listed, entry)
        except Exception as error:
            if _meets_all(error):
                stop.set()
            raise

    threads = settings.terminal.max_concurrent_requests + _AHEAD
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="chain") as pool:
        futures = {position: pool.submit(stage, position) for position in waiting}
    if errors := [error for future in futures.values() if (error := future.exception())]:
        raise next(filter(_meets_all, errors), errors[0])
    receipts.update({position: future.result() for position, future in futures.items()})
    return [receipts[position] for position in range(len(listed.chains))]


def _meets_all(error: BaseException) -> bool:
    """Whether every other request would meet *error* too."""
    if isinstance(error, SpxDataError):
        return error.surroundings or isinstance(error, ConfigurationValidationError)
    return is_the_machines(error)


def _stage(settings: Settings, line: Line, listed: Listing, entry: ListedChain) -> Receipt:
    """Fetch one chain into its checkpoint; a chain without data gets a receipt alone."""
    chain, checkpoint = entry.chain, _checkpoint(settings, entry)
    about = {"root": chain.root, "expiration": chain.expiration.isoformat()}
    begun, attempts, windows = time.monotonic(), 0, [settings.window]
    evidence, bad, doubt = Evidence(), Rejects(), Doubt(chain)

    def fetch() -> tuple[int, int, int, str | None]:
        nonlocal attempts, evidence, bad
        attempts += 1
        bad = Rejects()
        inquiry = Inquiry(line, entry, windows, of_vendor(listed.vendor), bad)
        answered = doubt.resolved(history(line.source, chain, windows, bad), bad)
        try:
            return staging.write_records(checkpoint, inquiry.completed(answered))
        finally:
            evidence = inquiry.evidence()

    try:
        contracts, rows, size, checksum = line.ask(fetch, **about)
    except ApiDataNotFoundError as error:
        contracts, rows, size, checksum = 0, 0, 0, None
        line.journal.record(journal.NO_DATA, **about, cause=error.cause)
    except SpxDataError as error:
        _log.error("%s: %s", chain, error)
        line.journal.mention(journal.EXPIRATION_FAILED, **about, **journal.described(error))
        raise
    rejects_checksum = staging.write_rejects(checkpoint, bad.found)
    receipt = Receipt(
        root=chain.root,
        expiration=chain.expiration,
        listing=listed.identity(entry),
        contracts=contracts,
        rows=rows,
        bytes=size,
        sha256=checksum,
        attempts=attempts,
        seconds=round(time.monotonic() - begun, 3),
        rejected=len(bad),
        rejects_sha256=rejects_checksum,
        evidence=evidence,
    )
    staging.write_receipt(checkpoint, receipt)
    if rows:
        line.journal.record(
            journal.STAGED,
            **about,
            contracts=contracts,
            rows=rows,
            rejected=len(bad),
            bytes=size,
            attempts=attempts,
        )
    _log.info("%s: %d rows of %d contracts in %.1f s", chain, rows, contracts, receipt.seconds)
    return receipt


def _checkpoint(settings: Settings, entry: ListedChain) -> Checkpoint:
    chain = entry.chain
    return settings.layout.checkpoint(chain.date, chain.root, chain.expiration)
