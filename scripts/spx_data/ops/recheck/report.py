"""What a recheck found about one date, and the report of it: one JSON document, complete.

It names the two versions by their checksums and says where each of them is, so that a backtest can tell
which one it used.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from spx_data.ops.recheck.candidate import Passport
from spx_data.ops.recheck.differences import Differences
from spx_data.store import files

FORMAT = 1
NAME = "report.json"

_OTHER_API = (
    "sealed from API {before}, asked again through {after}: left out is what these two always say "
    "differently, rows without an underlying and the leftovers of the model where no volatility was found "
    "(docs/decisions/0009)"
)


class Kind(StrEnum):
    """What the source says about a sealed date when it is asked again."""

    UNCHANGED = "unchanged"
    RESTATED = "restated"
    WITHDRAWN = "withdrawn"  # it has no data for the date any more
    MENDED = "mended"  # what the day lacked was asked for, and some of it was there (`ops.mend`)


class Action(StrEnum):
    """What became of the source's new version."""

    REPORTED = "reported"  # only this report is left of it
    KEPT = "kept"  # in `after`, beside the report; the sealed day is the old one
    REPLACING = "replacing"  # begun and not yet ended: both versions are beside the report
    REPLACED = "replaced"  # it is the sealed day; the old one is in `before`, beside the report


_PLACES = {
    Action.REPORTED: ("sealed", "not kept"),
    Action.KEPT: ("sealed", "after/"),
    Action.REPLACING: ("before/, or still sealed", "after/"),
    Action.REPLACED: ("before/", "sealed"),
}


@dataclass(frozen=True)
class Listing:
    """How two listings of a date differ; chains are spelt like `SPXW 2024-01-05`."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    contracts: dict[str, tuple[int, int]]  # their number before and after, where both list the chain

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.contracts)

    @classmethod
    def of(cls, before: Passport, after: Passport) -> Listing:
        """What the listing behind the second passport says differently from that behind the first."""
        old, new = _listed(before), _listed(after)
        return cls(
            added=tuple(chain for chain in new if chain not in old),
            removed=tuple(chain for chain in old if chain not in new),
            contracts={
                chain: (old[chain], new[chain]) for chain in old if chain in new and old[chain] != new[chain]
            },
        )

    def as_json(self) -> dict[str, Any]:
        """The differences as a JSON document."""
        return {
            "chains_added": list(self.added),
            "chains_removed": list(self.removed),
            "contracts_listed": {
                chain: {"before": old, "after": new} for chain, (old, new) in self.contracts.items()
            },
        }


def _listed(passport: Passport) -> dict[str, int]:
    return {
        f"{chain['root']} {chain['expiration']}": chain["contracts_listed"] for chain in passport["chains"]
    }


@dataclass(frozen=True)
class Finding:
    """One date, asked for again; there is no second passport where the source has no data any more."""

    date: dt.date
    before: Passport
    after: Passport | None
    differences: Differences
    listing: Listing
    answer: str = ""  # the source's "no data", in our words
    mends: bool = False  # only what the sealed day lacks was asked for

    @property
    def kind(self) -> Kind:
        """What became of the date."""
        if self.mends:
            return Kind.MENDED
        if self.after is None:
            return Kind.WITHDRAWN
        return Kind.RESTATED if self.differences or self.listing else Kind.UNCHANGED

    @property
    def notes(self) -> list[str]:
        """What a reader must know to judge the differences."""
        notes = [self.answer] if self.answer else []
        if self.after is not None and is_of_other_api(self.before, self.after):
            notes.append(_OTHER_API.format(before=_api(self.before), after=_api(self.after)))
        return notes

    def summary(self) -> dict[str, Any]:
        """The counts alone, for the journal."""
        found = self.differences
        return {
            "changed": self.kind is not Kind.UNCHANGED,
            "found": self.kind.value,
            "rows_added": found.rows_added,
            "rows_removed": found.rows_removed,
            "rows_changed": found.rows_changed,
            "cells": {name: change.cells for name, change in found.columns.items()},
            "listing": bool(self.listing),
            "api_before": _api(self.before),
            "api_after": self.after and _api(self.after),
            "before": self.before["records_sha256"],
            "after": self.after and self.after["records_sha256"],
        }


def is_of_other_api(before: Passport, after: Passport) -> bool:
    """Whether the two versions came through different versions of the terminal's API."""
    return _api(before) != _api(after)


def _api(passport: Passport) -> str:
    return str(passport["source"]["api"])


def write(finding: Finding, action: Action, folder: Path) -> None:
    """Write the report on *finding* to *folder*; written again, it says what became of the new version."""
    before, after = _PLACES[action]
    document = {
        "format": FORMAT,
        "date": finding.date.isoformat(),
        "written_at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        "found": finding.kind.value,
        "action": action.value,
        "notes": finding.notes,
        "versions": {
            "before": _version(finding.before, before),
            "after": finding.after and _version(finding.after, after),
        },
        "listing": finding.listing.as_json(),
        "records": finding.differences.as_json(),
    }
    files.write_json(folder / NAME, document)


def _version(passport: Passport, place: str) -> dict[str, Any]:
    """Which version it is, and where: `sealed` is the date's own place, the rest is beside the report."""
    return {
        "where": place,
        "sha256": passport["parquet"]["sha256"],
        "records_sha256": passport["records_sha256"],
        "rows": passport["rows"],
        "sealed_at": passport["sealed_at"],
        "source": passport["source"],
        "completeness": passport["completeness"],
        "written_by": passport["written_by"],
    }
