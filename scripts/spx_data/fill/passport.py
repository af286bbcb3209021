"""A day's passport: where its records came from, what was expected, what was received.

Expected is what the source listed; received is what it sent; explained is what it answered with "no data".
What is left over is named, contract by contract.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from spx_data import __version__, schema
from spx_data.fill import underlying
from spx_data.fill.listing import Listing
from spx_data.fill.underlying import Underlying
from spx_data.parquet import Written
from spx_data.quality.judgement import Judgement
from spx_data.sessions import Session
from spx_data.settings import Window
from spx_data.staging import Receipt
from spx_data.theta.chains import ListedChain

if TYPE_CHECKING:
    import polars as pl

# Since 2 a passport vouches for its own bytes (`spx_data.vouched`); since 3 it says what the day is worth.
FORMAT = 3

_ZONE = ZoneInfo(schema.ZONE)


@dataclass(frozen=True)
class ChainReport:
    """One chain of the day: what was listed, what came of it."""

    entry: ListedChain
    receipt: Receipt
    received: frozenset[tuple[str, float]]  # contracts as (right, strike)
    first_stamp: dt.datetime | None
    last_stamp: dt.datetime | None
    underlying: Underlying | None = None

    @classmethod
    def of(cls, entry: ListedChain, receipt: Receipt, records: pl.DataFrame | None) -> ChainReport:
        """The report on *records* (`schema.RECORD`); None where the source had no data."""
        if records is None:
            return cls(entry, receipt, frozenset(), None, None)
        contracts = records.select("right", "strike").unique().rows()
        first, last = records["timestamp"].min(), records["timestamp"].max()
        return cls(
            entry, receipt, frozenset(contracts), _moment(first), _moment(last), Underlying.of(records)
        )

    @property
    def listed(self) -> frozenset[tuple[str, float]]:
        """The listed contracts as (right, strike)."""
        return frozenset([("C", k) for k in self.entry.calls] + [("P", k) for k in self.entry.puts])

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
        missing = sorted(self.listed - self.received) if self.has_data else []
        return {
            "root": self.entry.chain.root,
            "expiration": self.entry.chain.expiration.isoformat(),
            "contracts_listed": len(self.listed),
            "contracts_received": len(self.received),
            "contracts_missing": [f"{right} {strike:g}" for right, strike in missing],
            "contracts_unlisted": len(self.received - self.listed),
            "explained": None if self.has_data else "the source has no data for it on this date",
            "rows": self.receipt.rows,
            "first_stamp": self.first_stamp and self.first_stamp.isoformat(),
            "last_stamp": self.last_stamp and self.last_stamp.isoformat(),
            "checkpoint": {"bytes": self.receipt.bytes, "sha256": self.receipt.sha256},
            "attempts": self.receipt.attempts,
            "seconds": self.receipt.seconds,
        }


def _moment(ms: Any) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(ms) / 1000, _ZONE)


def passport(
    listing: Listing,
    reports: Sequence[ChainReport],
    written: Written,
    session: Session | None,
    window: Window,
    judgement: Judgement,
) -> dict[str, Any]:
    """The passport of a merged date, but for the file's own checksum and the merge's duration."""
    expected = sum(len(report.listed) for report in reports)
    received = sum(len(report.listed & report.received) for report in reports)
    explained = sum(len(report.listed) for report in reports if not report.has_data)
    prices = underlying.of_day(report.underlying for report in reports)
    return {
        "format": FORMAT,
        "date": listing.date.isoformat(),
        "session": _session(session, reports, window),
        "dataset": listing.dataset,
        "source": {"api": listing.api, "greeks_version": listing.dataset["greeks_version"]},
        "completeness": {
            "chains_listed": len(reports),
            "chains_received": sum(report.has_data for report in reports),
            "contracts_expected": expected,
            "contracts_received": received,
            "contracts_explained": explained,
            "contracts_missing": expected - received - explained,
        },
        "underlying": prices and prices.as_json(),
        "quality": judgement.day,
        "rows": written.rows,
        "records_sha256": written.records_sha256,
        "written_by": {"spx-data": __version__, "pyarrow": pa.__version__},
        "chains": [report.as_json() | {"quality": judgement.of(report.key)} for report in reports],
    }


def _session(
    session: Session | None, reports: Sequence[ChainReport], window: Window
) -> dict[str, Any] | None:
    """The exchange's hours, and whether the day's last stamp is the one they lead to."""
    if session is None:
        return None
    stamps = [report.last_stamp for report in reports if report.last_stamp]
    lives_on = any(r.has_data and r.entry.chain.expiration > session.date for r in reports)
    expected = session.last_stamp(window, expiring=not lives_on)
    return {
        "opens": session.opens.isoformat(),
        "closes": session.closes.isoformat(),
        "early_close": session.early_close,
        "last_stamp_expected": expected.isoformat(),
        "last_stamp_received": max(stamps).isoformat() if stamps else None,
    }
