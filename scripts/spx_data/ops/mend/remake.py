"""A sealed day made again in a lake aside, of what is sealed and what the source has besides."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import replace

from spx_data.errors import SpxDataError
from spx_data.fill.download import download_expirations
from spx_data.fill.listing import Listing, fetch_expirations
from spx_data.fill.merge import merge_date
from spx_data.market.chains import ListedChain
from spx_data.market.sessions import Session
from spx_data.ops.mend.again import unite
from spx_data.ops.mend.sealed import Key, SealedDay
from spx_data.ops.recheck import candidate
from spx_data.ops.recheck.candidate import Passport
from spx_data.settings import Settings
from spx_data.store import files, journal, reads

NAME = "mend"  # of the lake aside
_LISTING = "listing"  # a chain's own witness (`ListedChain`)

_log = logging.getLogger(__name__)


def aside(settings: Settings) -> Settings:
    """*settings* for the lake aside: there every try is a date's last, so no chain that fails holds it."""
    patience = replace(settings.patience, max_attempts=1)
    layout = settings.layout.aside(NAME)
    return replace(settings, layout=layout, keep_ndjson=False, patience=patience)


def remade(there: Settings, day: SealedDay, session: Session | None, most: int | None) -> Passport:
    """Make *day* again in the lake aside; returns the new passport.

    Asked for are the chains that it lacks, *most* of them, and second opinions on them. Nothing that is
    sealed is missing from the new day.

    Raises:
        SpxDataError: what would meet every request, or no listing where one is needed.
    """
    layout, date = there.layout, day.date
    candidate.drop(layout, date)
    files.remove(layout.dataset)
    lacking = day.lacking[:most]
    questions = there.second_opinions if most is None else min(there.second_opinions, most - len(lacking))
    there = replace(there, second_opinions=questions)
    listing = _listing(there, day)
    files.write_json(layout.listing(date), listing.as_json())
    day.stage(layout, there.window, listing, [chain.key for chain in lacking])
    with_data = {chain.key for chain in lacking if chain.has_data}
    unite(there, listing, [entry for entry in listing.chains if _key(entry) in with_data])
    download_expirations(there, date, layout.listing(date), layout.manifest(date), session=session)
    merge_date(there, date, layout.manifest(date), layout.parquet(date), session=session)
    passport: Passport = reads.read_json(layout.passport(date))
    return passport


def asked(there: Settings, date: dt.date) -> int:
    """How many requests about *date* were made for the lake aside."""
    events = journal.read(there.layout.journal(date))
    return sum(event["event"] == journal.REQUEST for event in events)


# The listing --------------------------------------------------------------------------------------------


def _listing(there: Settings, day: SealedDay) -> Listing:
    """What is listed for the date: as it was sealed, and as it is today where that is in doubt."""
    if not day.lacks_listing:
        return day.listing
    path = there.layout.listing(day.date)
    try:
        fetch_expirations(there, day.date, path)
    except SpxDataError as error:
        if error.surroundings or day.listing_is_cut_off:
            raise
        _log.warning("%s: its listing stays as it is: %s", day.date, error)
        return day.listing
    return united(day.listing, Listing.of_json(reads.read_json(path)))


def united(sealed: Listing, fresh: Listing) -> Listing:
    """A listing with all that one of the two has; what they say of the rest is the *fresh* one's."""
    found = {_key(entry): entry for entry in sealed.chains}
    for entry in fresh.chains:
        found[_key(entry)] = _both(found[_key(entry)], entry) if _key(entry) in found else entry
    chains = tuple(sorted(found.values(), key=lambda entry: entry.chain))
    listed = {entry.chain.root for entry in chains if entry.witness == _LISTING}
    return replace(
        fresh,
        chains=chains,
        roots={root: silent for root, silent in fresh.roots.items() if root not in listed},
        vendor=fresh.vendor or sealed.vendor,
        unknown=None if sealed.vendor else fresh.unknown,
    )


def _both(sealed: ListedChain, fresh: ListedChain) -> ListedChain:
    calls, puts = {*sealed.calls, *fresh.calls}, {*sealed.puts, *fresh.puts}
    witness = _LISTING if _LISTING in (sealed.witness, fresh.witness) else sealed.witness
    return ListedChain(sealed.chain, tuple(sorted(calls)), tuple(sorted(puts)), witness)


def _key(entry: ListedChain) -> Key:
    return entry.chain.root, entry.chain.expiration
