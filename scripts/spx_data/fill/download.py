"""Stage two of a date: every listed chain to a checkpoint of its own, a few at a time; then second opinions.

A rerun takes up where the last one stopped: chains whose checkpoint is whole are not asked for again. One
chain that cannot be had costs no other: the date is held for some runs, and then sealed without it. The
manifest is written when every chain is staged, known to have no data, or given up.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from spx_data.errors import (
    ApiDataNotFoundError,
    ApiResponseInvalidError,
    ConfigurationValidationError,
    SpxDataError,
    TooManyRejectsError,
    is_the_machines,
)
from spx_data.fill import disk_space, rejects, whole_date
from spx_data.fill.listing import Listing, Manifest, Reports, checkpoint_of
from spx_data.fill.questions import Budget
from spx_data.fill.rejects import Believed, DoubtedRowsError
from spx_data.fill.reports import DayReports
from spx_data.fill.second_opinion import SecondOpinions, Silent, Witnesses, contradiction
from spx_data.fill.survey import current
from spx_data.fill.taking import Taken, Tries, about, commit, receipt_of
from spx_data.fill.unlisted import with_reported
from spx_data.fill.witnesses import known_lacks
from spx_data.lake import session_states
from spx_data.market.chains import ListedChain
from spx_data.market.second_opinion import SecondOpinion
from spx_data.market.sessions import Session
from spx_data.quality.hours import HoursReports
from spx_data.settings import Settings
from spx_data.sources.session import SourceSession
from spx_data.store import files, journal, staging
from spx_data.store.staging import Receipt

_log = logging.getLogger(__name__)

# Threads beyond the limit of requests: what they have fetched they stage while as many others are in flight.
_AHEAD = 2
# Chains that are asked for once more where all of a date gave nothing.
_DOUBTED = 3


def download_expirations(
    settings: Settings,
    date: dt.date,
    listing: Path,
    target: Path,
    *,
    session: Session | None = None,
    reported: Callable[[], Reports | None] | None = None,
) -> None:
    """Stage every chain of *listing*, a few at a time, and write the manifest to *target*.

    *session* is the date's by the exchange calendar, as far as the caller knows it. Who knows what was
    *reported* of its contracts stages that, and the source is not asked for it.

    Raises:
        InsufficientDiskSpaceError: the date would not fit; nothing was fetched.
        SpxDataError: the first failure, after the other chains were staged where that made sense. In the
            date's last try (`session_states.is_last_try`) only one that would meet every request alike, or
            where nothing at all could be had.
        ApiDataNotFoundError: not one chain had a record: evidence that the date has no data.
        TooManyRejectsError: more of the rows are bad than the settings allow, before the last try.
    """
    with SourceSession.open(settings, date, "download") as line:
        listed = current(settings, line, date, listing)
        budget, told = Budget(settings.second_opinions), DayReports(line, date)
        receipts = _Download(settings, line, listed, session, budget, told).receipts()
        reports = reported() if reported else told.stage(settings, listed)
        whole = with_reported(settings, line, listed, reports)
        if whole is not listed:
            files.write_json(listing, whole.as_json())
            receipts = _Download(settings, line, whole, session, budget, told).receipts()
        files.write_json(target, Manifest(whole, tuple(receipts), reports).as_json())


class _Download:
    """A date on its way to a manifest: of each chain its receipt, its silence, or its failure."""

    def __init__(
        self,
        settings: Settings,
        line: SourceSession,
        listed: Listing,
        session: Session | None,
        budget: Budget,
        reports: DayReports,
    ) -> None:
        self._settings, self._line, self._listed, self._session = settings, line, listed, session
        self._budget, self._reports = budget, reports
        self._believed = Believed(line.profile.blanks if line.profile else ())
        self._last = session_states.is_last_try(settings, listed.date)
        self._receipts: dict[ListedChain, Receipt] = {}
        self._silent: dict[ListedChain, Silent] = {}
        self._failures: dict[ListedChain, SpxDataError] = {}

    def receipts(self) -> Sequence[Receipt]:
        """What became of every chain, in the listing's order."""
        self._stage_all()
        self._ask_the_silent_again()
        self._ask_for_second_opinions()
        self._judge_silences()
        self._hold()
        receipts = [self._receipts[entry] for entry in self._listed.chains]
        try:
            rejects.check(self._settings, self._listed, receipts)
        except TooManyRejectsError as error:
            if not self._last:
                raise
            _log.warning("%s; sealed nevertheless: it was tried often enough", error.cause)
        return receipts

    # The chains -----------------------------------------------------------------------------------------

    def _stage_all(self) -> None:
        """Stage what is not staged yet.

        Raises:
            SpxDataError: what would meet every other request too.
        """
        for entry in self._listed.chains:
            receipt = staging.staged(
                checkpoint_of(self._settings.layout, entry), self._listed.identity(entry)
            )
            if receipt is not None:
                self._receipts[entry] = receipt
        waiting = [entry for entry in self._listed.chains if entry not in self._receipts]
        _log.info(
            "%s: %d chains listed, %d staged before",
            *(self._listed.date, len(self._listed.chains), len(self._receipts)),
        )
        disk_space.check(self._settings, self._listed, sum(entry.contracts for entry in waiting))
        self._receipts |= whole_date.stage(self._settings, self._line, self._listed, waiting, self._believed)
        self._stage_side_by_side([entry for entry in waiting if entry not in self._receipts])

    def _stage_side_by_side(self, waiting: Sequence[ListedChain]) -> None:
        """Stage the chains *waiting*; after a failure that would meet every request alike, begin no other."""
        stop = threading.Event()

        def stage(entry: ListedChain) -> None:
            if stop.is_set():
                raise CancelledError
            try:
                self._stage(entry)
            except Exception:
                # Said by the thread that failed, before it takes the next chain up: nobody could as early.
                stop.set()
                raise

        threads = self._settings.terminal.max_concurrent_requests + _AHEAD
        with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="chain") as pool:
            futures = [pool.submit(stage, entry) for entry in waiting]
        errors = [error for future in futures if (error := future.exception())]
        if told := [error for error in errors if not isinstance(error, CancelledError)]:
            raise told[0]

    def _stage(self, entry: ListedChain) -> None:
        """Fetch one chain into its checkpoint; raises what would meet every other chain too."""
        chain, named = entry.chain, about(entry)
        try:
            self._receipts[entry] = self._fetched(entry)
        except ApiDataNotFoundError as error:
            if (silent := self._silent.get(entry)) is not None:
                silent.again()
            else:
                self._silent[entry] = Silent(entry)
            _log.info("%s: %s", chain, error.cause)
        except Exception as error:
            if not isinstance(error, SpxDataError) and is_the_machines(error):
                raise
            told = error if isinstance(error, SpxDataError) else _unforeseen(entry, error)
            _log.error("%s: %s", chain, told)
            self._line.journal.mention(journal.EXPIRATION_FAILED, **named, **journal.described(told))
            if _meets_all(told):
                raise
            self._failures[entry] = told

    def _fetched(self, entry: ListedChain) -> Receipt:
        """The receipt of one chain that has records, each of which is in its checkpoint now."""
        begun = time.monotonic()
        tries = Tries(self._settings, self._line.source, entry, self._believed)
        taken = self._taken(tries)
        seconds = time.monotonic() - begun
        receipt = receipt_of(self._settings.layout, self._listed, entry, taken, tries.made, seconds)
        commit(self._settings.layout, self._line.journal, entry, receipt)
        return receipt

    def _taken(self, tries: Tries) -> Taken:
        """What the first try brought that is believed; of the date's last one, whatever rows are good."""
        named = about(tries.entry)
        try:
            return self._line.ask(tries.once, **named)
        except DoubtedRowsError:
            if not self._last:
                raise
            # Other bad rows each time: in the end the good ones are better than none.
            tries.doubt = None
            return self._line.ask(tries.once, **named)

    # Second opinions ------------------------------------------------------------------------------------

    def _ask_the_silent_again(self) -> None:
        """Ask once more for the chains without data, some time after the first answer.

        Raises:
            ApiDataNotFoundError: no chain has any record.
            SpxDataError: no chain could be had.
        """
        silent = list(self._silent.values())
        if not self._has_records():
            silent = silent[:_DOUBTED]
        for one in silent:
            one.wait(self._line.wait_factor)
            self._stage(one.entry)
            if one.entry in self._receipts or one.entry in self._failures:
                del self._silent[one.entry]
        if not self._has_records() and self._failures:
            raise self._counted(next(iter(self._failures.values())))
        if not self._has_records():
            vendor = self._listed.vendor
            raise ApiDataNotFoundError(
                f"the source lists {len(self._listed.chains)} chains on {self._listed.date} "
                "and has records of none",
                cure="It is asked again in later runs",
                date=self._listed.date,
                vendor=vendor and vendor.kind,
            )

    def _has_records(self) -> bool:
        return any(receipt.rows for receipt in self._receipts.values())

    def _ask_for_second_opinions(self) -> None:
        staged = [(entry, receipt) for entry, receipt in self._receipts.items()]
        receipts = [receipt for _, receipt in staged]
        profile = self._line.profile
        told = HoursReports.of(
            *(self._settings, self._listed.date, self._listed.vendor, self._session, receipts, profile)
        )
        self._hours = told.truth(self._settings.window, self._listed.api).quoted
        known = known_lacks(self._settings.layout.lake, self._listed.date, profile)
        self._opinions = SecondOpinions(self._settings, self._line, self._budget, self._hours, known)
        for (entry, _), receipt in zip(staged, self._opinions.given(staged), strict=True):
            self._receipts[entry] = receipt

    def _judge_silences(self) -> None:
        """What is believed of chains without data; one that another answer contradicts is a failure."""
        witnesses = Witnesses(self._settings, self._line, self._budget, self._hours, self._reports)
        for entry, silent in self._silent.items():
            evidence = witnesses.evidence(silent)
            receipt = self._empty(entry, silent.answers, evidence)
            error = contradiction(entry, evidence)
            if error is None:
                said = f"no data for {entry.chain} (status 472), {silent.answers} times"
                self._line.journal.record(journal.NO_DATA, **about(entry), cause=said)
                staging.write_receipt(checkpoint_of(self._settings.layout, entry), receipt)
                self._receipts[entry] = receipt
                continue
            self._line.journal.mention(journal.EXPIRATION_FAILED, **about(entry), **journal.described(error))
            if self._last and (found := self._opinions.recovered(entry, receipt)).rows:
                self._receipts[entry] = found
            else:
                self._failures[entry] = error

    def _hold(self) -> None:
        """Fail the date for chains that cannot be had, unless it was tried often enough."""
        ours = any(map(is_the_machines, self._failures.values()))
        if self._failures and (ours or not self._last):
            raise self._counted(next(iter(self._failures.values())))
        for entry, error in self._failures.items():
            _log.warning("%s is sealed as unavailable: %s", entry.chain, error.cause)
            self._receipts[entry] = replace(
                self._empty(entry, 0, SecondOpinion()), error=f"{type(error).__name__}: {error.cause}"
            )

    def _counted(self, error: SpxDataError) -> SpxDataError:
        error.fields |= {"chains": len(self._failures), "staged": len(self._receipts)}
        return error

    def _empty(self, entry: ListedChain, attempts: int, evidence: SecondOpinion) -> Receipt:
        """The receipt of a chain without records."""
        chain = entry.chain
        return Receipt.empty(
            chain.root, chain.expiration, self._listed.identity(entry), attempts=attempts, evidence=evidence
        )


def _meets_all(error: SpxDataError) -> bool:
    """Whether every other request would meet *error* too."""
    return error.surroundings or isinstance(error, ConfigurationValidationError)


def _unforeseen(entry: ListedChain, error: Exception) -> SpxDataError:
    """What our code raised over values that it did not expect, as the error of their chain."""
    _log.error("%s", "".join(traceback.format_exception(error)))
    return ApiResponseInvalidError(
        f"the answer about {entry.chain} could not be taken ({type(error).__name__}: {error})",
        cure="This is a defect of spx-data: please report it with the job's log",
        expected="an answer that is read or refused",
        excerpt="",
    )
