"""A sealed day made again in a lake aside, of what is sealed and what the source has besides.

A chain that is asked for once more is united with what is sealed, and nothing gets lost: of a contract and
stamp that is sealed, the sealed record stays.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

import pyarrow as pa

from spx_data.errors import SpxDataError
from spx_data.fill.download import download_expirations
from spx_data.fill.lacking import Roll, evidence_of
from spx_data.fill.listing import Listing, Reports, checkpoint_of
from spx_data.fill.merge import merge_date
from spx_data.fill.rejects import ConfirmedRejects, DoubtedRowsError
from spx_data.fill.survey import fetch_expirations
from spx_data.lake import passports
from spx_data.market.chains import ListedChain
from spx_data.market.records import Reject, Rejects
from spx_data.market.second_opinion import SecondOpinion
from spx_data.market.sessions import Session
from spx_data.ops.mend.sealed import Key, SealedDay
from spx_data.ops.recheck import versions
from spx_data.ops.recheck.versions import Passport
from spx_data.settings import Settings
from spx_data.sources.session import SourceSession
from spx_data.sources.source import history
from spx_data.store import files, journal, reads, staging
from spx_data.store.names import Checkpoint
from spx_data.store.staging import Receipt

_LISTING = "listing"  # a chain's own witness (`ListedChain`)

_log = logging.getLogger(__name__)


def aside(settings: Settings) -> Settings:
    """*settings* for the lake aside: there every try is a date's last, so no chain that fails holds it."""
    patience = settings.patience._replace(max_attempts=1)
    layout = settings.layout.aside(versions.MEND)
    return replace(settings, layout=layout, keep_ndjson=False, patience=patience)


def remade(
    there: Settings,
    day: SealedDay,
    session: Session | None,
    most: int | None,
    reported: Callable[[], Reports | None],
) -> Passport:
    """Make *day* again in the lake aside; returns the new passport.

    Asked for are the chains that it lacks, *most* of them, and second opinions on them; what was *reported*
    of its contracts is known. Nothing that is sealed is missing from the new day.

    Raises:
        SpxDataError: what would meet every request, or no listing where one is needed.
    """
    layout, date = there.layout, day.date
    versions.drop(layout, date)
    files.remove(layout.dataset)
    lacking = day.lacking[:most]
    questions = there.second_opinions if most is None else min(there.second_opinions, most - len(lacking))
    there = replace(there, second_opinions=questions)
    listing = _listing(there, day)
    files.write_json(layout.listing(date), listing.as_json())
    day.stage(layout, there.window, listing, [chain.key for chain in lacking])
    with_data = {chain.key for chain in lacking if chain.has_data}
    unite(there, listing, [entry for entry in listing.chains if _key(entry) in with_data])
    download_expirations(
        *(there, date, layout.listing(date), layout.manifest(date)), session=session, reported=reported
    )
    merge_date(there, date, layout.manifest(date), layout.parquet(date), session=session)
    return passports.read(layout, date, whole=True).document


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
    listed = {entry.chain.root for entry in chains if entry.witness == _LISTING} - sealed.roots.keys()
    return replace(
        fresh,
        chains=chains,
        roots={root: silent for root, silent in fresh.roots.items() if root not in listed},
        vendor=fresh.vendor or sealed.vendor,
        unknown=None if sealed.vendor else fresh.unknown,
    )


def _both(sealed: ListedChain, fresh: ListedChain) -> ListedChain:
    witness = _LISTING if fresh.witness == _LISTING else sealed.witness
    return replace(sealed.united(fresh), witness=witness)


def _key(entry: ListedChain) -> Key:
    return entry.chain.root, entry.chain.expiration


def unite(there: Settings, listing: Listing, entries: Sequence[ListedChain]) -> None:
    """Ask once more for *entries*, each of which is staged in the lake aside, and add what is new.

    A chain that cannot be had stays as it is staged.

    Raises:
        SpxDataError: what would meet every other request too.
    """
    if not entries:
        return
    with (
        SourceSession.open(there, listing.date, "download") as line,
        ThreadPoolExecutor(there.terminal.max_concurrent_requests, thread_name_prefix="chain") as pool,
    ):
        list(pool.map(lambda entry: _Again(there, line, listing, entry).add(), entries))


@dataclass(frozen=True)
class _Answer:
    """What the new answer was: *receipt* vouches for the union, *lacked* counts sealed records it has not."""

    roll: Roll
    receipt: Receipt
    bad: Rejects
    news: int
    lacked: int


class _Again:
    """One staged chain, and the source's new answer about it."""

    def __init__(self, there: Settings, line: SourceSession, listing: Listing, entry: ListedChain) -> None:
        self._there, self._line, self._entry = there, line, entry
        receipt = staging.staged(self._checkpoint, listing.identity(entry))
        assert receipt is not None
        self._receipt = receipt
        self._doubt: ConfirmedRejects | None = ConfirmedRejects(entry.chain)
        self._windows = [there.window]

    @property
    def _checkpoint(self) -> Checkpoint:
        return checkpoint_of(self._there.layout, self._entry)

    def add(self) -> None:
        """Ask, and stage the union."""
        chain = self._entry.chain
        about = {"root": chain.root, "expiration": chain.expiration.isoformat()}
        try:
            try:
                found = self._line.ask(self._asked, **about)
            except DoubtedRowsError:
                self._doubt = None  # other bad rows each time: the good ones are better than none
                found = self._line.ask(self._asked, **about)
        except SpxDataError as error:
            if error.surroundings:
                raise
            self._leave(error)
        else:
            self._stage(found)

    def _leave(self, error: SpxDataError) -> None:
        """What is staged stays, and says that it was asked for in vain."""
        _log.warning("%s: %s", self._entry.chain, error.cause)
        evidence = self._receipt.evidence
        unanswered = (*evidence.unanswered, f"the whole chain: {error.cause}")
        evidence = replace(evidence, unanswered=unanswered, asked_again=evidence.asked_again + 1)
        staging.write_receipt(self._checkpoint, replace(self._receipt, evidence=evidence))

    def _asked(self) -> _Answer:
        sealed, answered, union = (Roll(self._entry, self._there.window) for _ in range(3))
        for block in staging.read_blocks(self._checkpoint, self._receipt):
            sealed.census.add_records(block)
            union.census.add_records(block)
        bad = Rejects()

        def news(answer: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in self._doubt.resolved(answer, bad) if self._doubt else answer:
                answered.take(batch)
                union.take(batch)
                # All versions of a record that is not sealed: the merge settles them as it does in any fill.
                yield batch.filter(pa.array(sealed.lacks(batch)))

        with closing(history(self._line.source, self._entry, self._windows, bad)) as answer:
            receipt = staging.add_records(self._checkpoint, self._receipt, news(answer))
        new = union.records - sealed.records
        return _Answer(union, receipt, bad, new, sealed.records - (answered.records - new))

    def _stage(self, found: _Answer) -> None:
        rejects = _either(staging.read_rejects(self._checkpoint, self._receipt), found.bad.found)
        receipt = replace(
            found.receipt,
            attempts=self._receipt.attempts + 1,
            rejected=sum(reject.rows for reject in rejects),
            rejects_sha256=staging.write_rejects(self._checkpoint, rejects),
            evidence=_after(self._receipt.evidence, found),
        )
        staging.write_receipt(self._checkpoint, receipt)
        _log.info("%s: asked for once more, %d new records", self._entry.chain, found.news)


def _either(sealed: Sequence[Reject], new: Sequence[Reject]) -> list[Reject]:
    """The bad rows of two answers, each as often as the one has it that has it more often."""
    both = _counted(sealed) | _counted(new)
    found: list[Reject] = []
    for (reason, raw), rows in both.items():
        found += [Reject(reason, raw)] * rows if raw else [Reject(reason, raw, rows)]
    return sorted(found)


def _counted(rejects: Sequence[Reject]) -> Counter[tuple[str, str]]:
    found = Counter[tuple[str, str]]()
    for reject in rejects:
        found[reject.reason, reject.raw] += reject.rows
    return found


def _after(before: SecondOpinion, found: _Answer) -> SecondOpinion:
    """The evidence after one more answer about the whole chain.

    Where it has nothing new, what was confirmed so far still is; else all of it is in question again. Two
    answers disagree no more once the new one has all that is sealed.
    """
    now = evidence_of(found.roll, found.bad.reading)
    recovered = min(before.recovered, found.lacked)
    opinions = now.opinions if found.news else before.opinions
    if not found.lacked:
        opinions = {lack: opinion._replace(contradicted=()) for lack, opinion in opinions.items()}
    return replace(
        now,
        opinions=opinions,
        asked=before.asked,
        recovered=recovered,
        lost=found.lacked - recovered,
        asked_again=before.asked_again + 1,
        regained=before.regained + found.news,
    )
