"""A date sealed as it is, because a person says so: of what is staged, without a question to the source.

What is not staged is named in the passport as unavailable, and `mend` asks for it later.
"""

from __future__ import annotations

import datetime as dt
import logging
from contextlib import suppress

from spx_data.errors import (
    DateValidationError,
    FileCorruptionError,
    MissingFileError,
    SchemaValidationError,
    SpxDataError,
)
from spx_data.fill.listing import Listing, Manifest, checkpoint_of
from spx_data.fill.merge import merge_date
from spx_data.lake import acceptance, calendar, runs
from spx_data.market.chains import ListedChain
from spx_data.settings import Settings
from spx_data.store import files, journal, reads, seals, staging
from spx_data.store.staging import Receipt

NOT_FETCHED = "not fetched"

_log = logging.getLogger(__name__)


def seal_as_it_is(settings: Settings, date: dt.date, reason: str) -> None:
    """Seal what is staged of *date*, for a *reason* that its passport and its journal name.

    Raises:
        AnotherRunError: a run is at work.
        DateValidationError: it is no session, it is sealed, nothing of it is staged, or there is no reason.
        SpxDataError: it could not be merged; it is open as before.
    """
    acceptance.check(settings, date, reason)
    layout = settings.layout
    with runs.excluded(layout):
        while not seals.is_sealed(layout.parquet(date)):
            manifest = _manifest(settings, date)
            files.write_json(layout.manifest(date), manifest.as_json())
            acceptance.accept(settings, date, reason, as_is=True)
            try:
                session = next(iter(calendar.known(settings, date, date)), None)
                target = layout.parquet(date)
                merge_date(settings, date, layout.manifest(date), target, session=session, as_is=reason)
            except SpxDataError as error:
                acceptance.reopen(settings, date, f"it could not be sealed as it is: {error.cause}")
                if not isinstance(error, FileCorruptionError | MissingFileError):
                    raise
                # The damaged checkpoint has lost its receipt: the rest is sealed without it.
                _log.warning("%s", error)


def _manifest(settings: Settings, date: dt.date) -> Manifest:
    """What is staged of *date*: as a download would have left it, had it given up the rest."""
    layout = settings.layout
    told: Manifest | None = None
    with suppress(MissingFileError, SchemaValidationError):
        told = Manifest.of_json(reads.read_json(layout.manifest(date)))
    listing = told.listing if told else _listing(settings, date)
    errors = _errors(settings, date)
    before = dict(told.chains()) if told else {}
    receipts = tuple(
        _receipt(settings, listing, entry, before.get(entry), errors) for entry in listing.chains
    )
    if not any(receipt.rows for receipt in receipts):
        raise _nothing(date)
    return Manifest(listing, receipts, told.reports if told else None)


def _listing(settings: Settings, date: dt.date) -> Listing:
    try:
        return Listing.of_json(reads.read_json(settings.layout.listing(date)))
    except (MissingFileError, SchemaValidationError) as error:
        raise _nothing(date) from error


def _receipt(
    settings: Settings,
    listing: Listing,
    entry: ListedChain,
    told: Receipt | None,
    errors: dict[tuple[str, str], str],
) -> Receipt:
    """What is staged of a chain; *told* is the manifest's word on it, if there is one."""
    chain, identity = entry.chain, listing.identity(entry)
    found = staging.staged(checkpoint_of(settings.layout, entry), identity)
    if found is not None:
        return told if told is not None and told.sha256 == found.sha256 else found
    if told is not None and not told.rows:
        return told
    error = errors.get((chain.root, chain.expiration.isoformat()), NOT_FETCHED)
    return Receipt.empty(chain.root, chain.expiration, identity, error=error)


def _errors(settings: Settings, date: dt.date) -> dict[tuple[str, str], str]:
    """The last failure of each chain, by root and expiration, as the date's journal has it."""
    return {
        (event["root"], event["expiration"]): f"{event['error']}: {event['cause']}"
        for event in journal.read(settings.layout.journal(date))
        if event["event"] == journal.EXPIRATION_FAILED
    }


def _nothing(date: dt.date) -> DateValidationError:
    reason = f"nothing of {date} is staged: there is nothing to seal"
    return DateValidationError(
        reason,
        cure=f"`spx-data process {date}` asks for it; "
        f'`spx-data accept {date} --reason "…"` leaves it unsealed',
        what="date",
        reason=reason,
    )
