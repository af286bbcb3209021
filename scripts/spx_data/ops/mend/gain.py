"""What a day knows after a mend that it did not know before."""

from __future__ import annotations

from dataclasses import dataclass

from spx_data.errors import FileCorruptionError
from spx_data.ops.recheck.candidate import Passport
from spx_data.ops.recheck.report import Finding


@dataclass(frozen=True)
class Gain:
    """Of a day made again: rows more than before; and what is unknown or missing, and is not any more."""

    rows: int = 0
    unknown: int = 0  # roots, expirations and chains
    missing: int = 0  # contracts and contract-stamps

    def __bool__(self) -> bool:
        return self.rows > 0 or self.unknown > 0 or (self.unknown == 0 and self.missing > 0)

    @classmethod
    def of(cls, before: Passport, after: Passport) -> Gain:
        """The gain from one passport to the next."""
        (unknown, missing), (still_unknown, still_missing) = _lacks(before), _lacks(after)
        return cls(after["rows"] - before["rows"], unknown - still_unknown, missing - still_missing)


def _lacks(passport: Passport) -> tuple[int, int]:
    told = passport["completeness"]
    unknown = len(told["unknown"]) + told["unknown_more"]
    return unknown, told["contracts_missing"] + told["stamps_missing"]


def check_nothing_lost(finding: Finding) -> None:
    """Raise unless all that is sealed is in the new version too, bit for bit.

    Raises:
        FileCorruptionError: it is not, which would be a mistake of this project's own.
    """
    found = finding.differences
    if found.rows_removed or found.rows_changed:
        raise FileCorruptionError(
            f"the mended {finding.date} lacks {found.rows_removed:,} sealed rows and has "
            f"{found.rows_changed:,} others: it was not put in place",
            cure="Report it; the sealed day is as it was",
            path=None,
            expected="every sealed row",
            actual=f"{found.rows_removed} removed, {found.rows_changed} changed",
        )
