"""A day's passport: where its records came from, what was expected, what was received, what it is worth."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from spx_data import __version__, schema
from spx_data.evidence import Evidence
from spx_data.fill import underlying
from spx_data.fill.account import Account
from spx_data.fill.listing import Listing
from spx_data.fill.rejects import KeptFile
from spx_data.fill.underlying import Underlying
from spx_data.parquet import Written
from spx_data.quality import completeness, row_counts
from spx_data.quality.checks import Count
from spx_data.quality.completeness import Balance, Completeness
from spx_data.quality.hours import Hours, Told, Truth
from spx_data.quality.judgement import Judgement
from spx_data.settings import Window
from spx_data.staging import Receipt
from spx_data.theta.chains import ListedChain, midnight_ms

# Since 2 a passport vouches for its own bytes (`spx_data.vouched`); since 3 it says what the day is worth.
FORMAT = 3

_ZONE = ZoneInfo(schema.ZONE)


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
            return cls(entry, receipt, completeness.without_data(entry))
        span = hours.span(window, expiring=entry.chain.expiration == entry.chain.date)
        return cls(
            entry,
            receipt,
            completeness.of_chain(entry, account.census, span, receipt.evidence),
            _moment(account.first_stamp),
            _moment(account.last_stamp),
            account.underlying,
            account.rows,
            account.duplicates,
            account.conflicts,
            row_counts.counts(
                receipt.rows,
                receipt.rejected,
                sealed=account.rows,
                conflicts=account.conflicts,
                duplicates=account.duplicates,
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

    def as_json(self) -> dict[str, Any]:
        """The report as a JSON document."""
        contracts = self.completeness.contracts
        return {
            "root": self.entry.chain.root,
            "expiration": self.entry.chain.expiration.isoformat(),
            "contracts_listed": contracts.expected,
            "contracts_received": contracts.received + self.completeness.unlisted,
            "explained": None if self.has_data else _explained(self.receipt.evidence),
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
        return {
            **self.completeness.as_json(),
            "second_opinion": {
                "asked": evidence.asked,
                "recovered": evidence.recovered,
                "left_out": evidence.left_out,
                "unanswered": list(evidence.unanswered),
            },
        }


def _explained(evidence: Evidence) -> str:
    """Why a whole chain is not there."""
    said = "the source has no data for it on this date (status 472)"
    return (
        f"{said}, nor for {', '.join(evidence.unquoted)} asked for by themselves"
        if evidence.unquoted
        else said
    )


def _nulls(reports: Sequence[ChainReport]) -> dict[str, int]:
    """How many records of chains lack a value, by column in the day's order."""
    total = sum((Counter(report.nulls) for report in reports), Counter[str]())
    return {name: total[name] for name in schema.OPTIONAL if total[name]}


def _moment(ms: Any) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(ms) / 1000, _ZONE)


def passport(
    listing: Listing,
    reports: Sequence[ChainReport],
    written: Written,
    session: dict[str, Any] | None,
    rejects: KeptFile,
    judgement: Judgement,
) -> dict[str, Any]:
    """The passport of a merged date, but for the file's own checksum and the merge's duration."""
    contracts = sum((report.completeness.contracts for report in reports), Balance())
    stamps = sum((report.completeness.stamps for report in reports), Balance())
    prices = underlying.together(report.underlying for report in reports)
    return {
        "format": FORMAT,
        "date": listing.date.isoformat(),
        "session": session,
        "dataset": listing.dataset,
        "source": {"api": listing.api, "greeks_version": listing.dataset["greeks_version"]},
        "completeness": {
            "chains_listed": len(reports),
            "chains_received": sum(report.has_data for report in reports),
            **contracts.as_json("contracts"),
            **stamps.as_json("stamps"),
            "complete": not contracts.missing and not stamps.missing,
        },
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


def details(reports: Sequence[ChainReport], judgement: Judgement) -> dict[str, Any]:
    """The passport's `DETAILS`: the hits at each stamp, and each chain's proof and judgement, in order."""
    return {
        "minutes": judgement.minutes,
        "chains": [report.proof() | {"quality": judgement.of(report.key)} for report in reports],
    }


def session(
    listing: Listing, reports: Sequence[ChainReport], told: Told, truth: Truth, window: Window
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
