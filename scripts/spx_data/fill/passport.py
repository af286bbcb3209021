"""A day's passport: where its records came from, what was expected, what was received, what it is worth."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from spx_data._version import __version__
from spx_data.fill.chunks import Account, Underlying
from spx_data.fill.listing import Listing
from spx_data.fill.rejects import RejectsFile
from spx_data.lake import passports
from spx_data.market import columns
from spx_data.market.chains import ListedChain, midnight_ms
from spx_data.market.dates import ZONE
from spx_data.market.second_opinion import READINGS, ChainState, Lack, SecondOpinion
from spx_data.market.sessions import Window
from spx_data.quality import completeness
from spx_data.quality.checks import Count
from spx_data.quality.completeness import Balance, Completeness
from spx_data.quality.hours import Hours, HoursReports, Truth
from spx_data.quality.judgement import Judgement
from spx_data.sources.profile import Profile
from spx_data.store.parquet import Written
from spx_data.store.staging import Receipt

MOST_UNKNOWN = 50  # things that are named one by one

_ZONE = ZoneInfo(ZONE)


@dataclass(frozen=True)
class ChainReport:
    """One chain of the day: what was listed, what came of it."""

    entry: ListedChain
    receipt: Receipt
    completeness: Completeness
    first_stamp: dt.datetime | None = None
    last_stamp: dt.datetime | None = None
    underlying: Underlying | None = None
    rows: int = 0  # as they are sealed
    duplicates: int = 0  # dropped, because they repeat another one
    conflicts: int = 0  # rows of which the source has several versions
    row_counts: Sequence[Count] = ()
    nulls: Mapping[str, int] = field(default_factory=dict)  # records that lack a value, by column

    @classmethod
    def of(
        cls, entry: ListedChain, receipt: Receipt, account: Account | None, window: Window, hours: Hours
    ) -> ChainReport:
        """The report on a chain by the account of its records; None where the source had no data."""
        if account is None:
            return cls(entry, receipt, completeness.without_data(entry, receipt.evidence))
        span = hours.span(window, expiring=entry.chain.expiration == entry.chain.date)
        return cls(
            entry,
            receipt,
            completeness.of_chain(entry, account.census, span, receipt.evidence),
            _moment(account.first_stamp),
            _moment(account.last_stamp),
            account.underlying,
            account.rows,
            account.duplicates + receipt.duplicates,
            account.conflicts,
            completeness.row_counts(
                receipt.rows + receipt.duplicates,
                receipt.rejected,
                sealed=account.rows,
                conflicts=account.conflicts,
                duplicates=account.duplicates + receipt.duplicates,
            ),
            account.nulls,
        )

    def counts(self) -> list[Count]:
        """How complete the chain is, and how good its rows."""
        return [*self.completeness.counts(), *self.row_counts]

    @property
    def key(self) -> tuple[str, dt.date]:
        """What tells the chain from the day's others."""
        return self.entry.chain.root, self.entry.chain.expiration

    @property
    def has_data(self) -> bool:
        """Whether the source had any record of the chain."""
        return self.receipt.rows > 0

    @property
    def state(self) -> ChainState:
        """What is known of the chain."""
        if not self.has_data:
            silence = self.receipt.evidence.silence
            explained = self.receipt.error is None and silence is not None and silence.is_explained
            if self.entry.witness != "listing" and not (explained and self._may_be_later):
                return ChainState.UNLISTED
            return ChainState.WHOLE if explained else ChainState.UNAVAILABLE
        if self.receipt.evidence.disagreements:
            return ChainState.CONTRADICTED
        return ChainState.WHOLE if self.completeness.is_whole else ChainState.SHORT

    @property
    def _may_be_later(self) -> bool:
        """Whether it may not have been listed yet: the terminal's list of expirations has every date."""
        chain = self.entry.chain
        return self.entry.witness == "expirations" and chain.expiration != chain.date

    def unknown(self) -> str | None:
        """What is not known of the chain, in words; None where it is whole."""
        state, chain = self.state, self.entry.chain
        if state is ChainState.WHOLE:
            return None
        said = self._said()
        told = {
            ChainState.UNAVAILABLE: said,
            ChainState.UNLISTED: f"known from the {self.entry.witness}; {said}",
            ChainState.CONTRADICTED: f"{self.receipt.evidence.disagreements:,} records are in one answer "
            f"and not in another, {self._lacks()}",
            ChainState.SHORT: self._lacks(),
        }
        return f"{chain.root} {chain.expiration} {state}: {told[state]}"

    @property
    def _is_explained(self) -> bool:
        """Whether it has no record, and is known to have none."""
        return not self.has_data and self.state is ChainState.WHOLE

    def _said(self) -> str:
        """Why there is no record."""
        return self.receipt.error or _said_of(self.receipt.evidence)

    def _lacks(self) -> str:
        contracts, stamps = self.completeness.contracts.missing, self.completeness.stamps.missing
        return f"{contracts:,} contracts and {stamps:,} contract-stamps of others are missing"

    def as_json(self) -> dict[str, Any]:
        """The report as a JSON document."""
        contracts = self.completeness.contracts
        return {
            "root": self.entry.chain.root,
            "expiration": self.entry.chain.expiration.isoformat(),
            "listed": self.entry.chain.listed.isoformat(),
            "state": self.state,
            "witness": self.entry.witness,
            "error": None if self.has_data or self._is_explained else self._said(),
            "contracts_listed": contracts.expected,
            "contracts_received": contracts.received + self.completeness.unlisted,
            "explained": self._said() if self._is_explained else None,
            "rows": self.rows,
            "rejected": self.receipt.rejected,
            "duplicates_dropped": self.duplicates,
            "conflicts": self.conflicts,
            "first_stamp": self.first_stamp and self.first_stamp.isoformat(),
            "last_stamp": self.last_stamp and self.last_stamp.isoformat(),
            "checkpoint": {"bytes": self.receipt.bytes, "sha256": self.receipt.sha256},
            "attempts": self.receipt.attempts,
            "seconds": self.receipt.seconds,
            **({"nulls": _nulls([self])} if self.nulls else {}),
        }

    def proof(self) -> dict[str, Any]:
        """What is there, what is not, and who was asked about it: the chain's part of the details."""
        evidence = self.receipt.evidence
        told = evidence.as_json()
        about = ("opinions", "asked", "unanswered", "recovered", "asked_again", "regained", "lost", "silence")
        return {**self.completeness.as_json(), "second_opinion": {name: told[name] for name in about}}


def _said_of(evidence: SecondOpinion) -> str:
    """What the source said of a chain that gave nothing."""
    silence, asked = evidence.silence, evidence.opinion(Lack.ABSENT).confirmed
    if silence is None:
        return "not asked for"
    said = f"the source has no data for it on this date (status 472, {silence.answers} times)"
    if asked:
        said += f", nor for {', '.join(asked)} asked for by themselves"
    return f"{said}; its report of the day: {silence.eod}"


def _nulls(reports: Sequence[ChainReport]) -> dict[str, int]:
    """How many records of chains lack a value, by column in the day's order."""
    total = sum((Counter(report.nulls) for report in reports), Counter[str]())
    return {name: total[name] for name in columns.COLUMNS if total[name]}


def _moment(ms: Any) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(ms) / 1000, _ZONE)


def passport(
    listing: Listing,
    reports: Sequence[ChainReport],
    written: Written,
    session: dict[str, Any] | None,
    rejects: RejectsFile,
    judgement: Judgement,
) -> dict[str, Any]:
    """The passport of a merged date, but for the file's own checksum and the merge's duration."""
    prices = Underlying.together(report.underlying for report in reports)
    return {
        "format": passports.FORMAT,
        "date": listing.date.isoformat(),
        "session": session,
        "dataset": listing.dataset,
        "records": listing.dataset["records"],
        "schema_version": listing.dataset["schema_version"],
        "source": {"api": listing.api, "greeks_version": listing.dataset["greeks_version"]},
        "model": listing.dataset.get("model"),  # of what is computed
        "completeness": _completeness(listing, reports),
        "listing": {
            "left_out": {root: dict(reasons) for root, reasons in listing.left_out.items()},
            "silent_roots": {root: silent._asdict() for root, silent in listing.roots.items()},
            "expirations_unknown": dict(listing.expirations_unknown),
            "unasked": list(listing.unasked),
        },
        "second_opinions": _second_opinions(reports),
        "rejects": {
            "rows": rejects.rows,
            "reasons": dict(rejects.reasons),
            "duplicates_dropped": sum(report.duplicates for report in reports),
            "conflicts": sum(report.conflicts for report in reports),
            "sha256": rejects.sha256,
        },
        "nulls": _nulls(reports),
        "underlying": prices and prices.as_json(),
        "quality": judgement.day,
        "rows": written.rows,
        "records_sha256": written.records_sha256,
        "written_by": {"spx-data": __version__, "pyarrow": pa.__version__},
        "chains": [report.as_json() for report in reports],
    }


def _completeness(listing: Listing, reports: Sequence[ChainReport]) -> dict[str, Any]:
    """What was listed, what of it is there, and what nobody knows."""
    contracts = sum((report.completeness.contracts for report in reports), Balance())
    stamps = sum((report.completeness.stamps for report in reports), Balance())
    states, unknown = Counter(report.state for report in reports), [*_unknown(listing, reports)]
    return {
        "chains_listed": len(reports),
        "chains_received": sum(report.has_data for report in reports),
        "chains": {state.value: states[state] for state in ChainState},
        **contracts.as_json("contracts"),
        **stamps.as_json("stamps"),
        "complete": not unknown,
        "unknown": unknown[:MOST_UNKNOWN],
        "unknown_more": max(0, len(unknown) - MOST_UNKNOWN),
    }


def profiled(
    profile: Profile, api: str, receipts: Sequence[Receipt], differs: Sequence[str]
) -> dict[str, Any]:
    """Which profile a date was judged by, and what it met otherwise: alike dates have alike texts."""
    read = max((receipt.evidence.reading for receipt in receipts), key=READINGS.index, default="typed")
    if profile.api != api:
        differs = [f"the terminal speaks {api}, the profile is of one that speaks {profile.api}"]
    elif READINGS.index(read) > READINGS.index(profile.wire.reading):
        differs = [f"histories are spelt otherwise than in the profile ({read})", *differs]
    at = profile.probed_at.isoformat(timespec="seconds")
    return {"probed_at": at, "sha256": profile.sha256, "differs": list(differs)}


def _unknown(listing: Listing, reports: Sequence[ChainReport]) -> Iterator[str]:
    """What a day does not know, in words: of roots, then of chains."""
    for root, silent in listing.roots.items():
        if not silent.explained:
            yield f"{root}: {silent.reason}"
    yield from listing.unasked
    yield from (said for report in reports if (said := report.unknown()) is not None)


def _second_opinions(reports: Sequence[ChainReport]) -> dict[str, Any]:
    """How many questions were asked, and how often contracts confirmed or refuted what a chain lacked."""
    evidence = [report.receipt.evidence for report in reports]
    habits = {}
    for lack in Lack:
        opinions = [each.opinion(lack) for each in evidence if each.silence is None]
        if any(opinion.doubtful for opinion in opinions):
            habits[lack.value] = {
                "doubtful": sum(opinion.doubtful for opinion in opinions),
                "confirmed": sum(len(opinion.confirmed) for opinion in opinions),
                "contradicted": sum(len(opinion.contradicted) for opinion in opinions),
            }
    return {
        "asked": sum(each.asked + each.asked_again for each in evidence),
        "unanswered": sum(len(each.unanswered) for each in evidence),
        "habits": habits,
    }


def details(reports: Sequence[ChainReport], judgement: Judgement) -> dict[str, Any]:
    """The passport's `DETAILS`: the hits at each stamp, and each chain's proof and judgement, in order."""
    return {
        "minutes": judgement.minutes,
        "chains": [report.proof() | {"quality": judgement.of(report.key)} for report in reports],
    }


def session(
    listing: Listing, reports: Sequence[ChainReport], told: HoursReports, truth: Truth, window: Window
) -> dict[str, Any] | None:
    """The hours that were told and those the date is judged by, and the stamps that they lead to."""
    document = told.as_json(truth)
    if document is None:
        return None
    midnight = midnight_ms(listing.date)
    lives_on = any(r.has_data and r.entry.chain.expiration > listing.date for r in reports)
    span = truth.quoted.span(window, expiring=not lives_on)
    first, last = (midnight + window.start_ms + at * window.step_ms for at in (span.start, span.stop - 1))
    begun = [report.first_stamp for report in reports if report.first_stamp]
    ended = [report.last_stamp for report in reports if report.last_stamp]
    return document | {
        "opens": _moment(midnight + truth.hours.opens_ms).isoformat(),
        "closes": _moment(midnight + truth.hours.closes_ms).isoformat(),
        "vendor_unknown": listing.unknown,
        "first_stamp_expected": _moment(first).isoformat(),
        "first_stamp_received": min(begun).isoformat() if begun else None,
        "last_stamp_expected": _moment(last).isoformat(),
        "last_stamp_received": max(ended).isoformat() if ended else None,
    }
