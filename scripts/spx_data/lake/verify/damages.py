"""What can be wrong with a sealed date, by name, and what an examination found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Depth = Literal["pages", "bytes"]


class Damage(StrEnum):
    """A kind of damage; its value is what journals and reports say."""

    SIDECAR_LOST = "sidecar-lost"
    SIDECAR_DAMAGED = "sidecar-damaged"  # not the one line it was written as
    SIDECAR_SWAPPED = "sidecar-swapped"  # it vouches for another file
    PARQUET_LOST = "parquet-lost"
    TRUNCATED = "truncated"  # shorter than it was sealed
    EXTENDED = "extended"  # longer than it was sealed
    ZERO_FILLED = "zero-filled"  # blocks of it hold nothing but zeros
    DAY_SWAPPED = "day-swapped"  # its rows are of another trading date
    BYTES_CHANGED = "bytes-changed"  # anything else
    PASSPORT_LOST = "passport-lost"
    PASSPORT_DAMAGED = "passport-damaged"  # not as written, or at odds with the sealed Parquet
    PASSPORT_SWAPPED = "passport-swapped"  # it describes another date
    SCHEMA_DIFFERS = "schema-differs"
    ROWS_DIFFER = "rows-differ"
    RECORDS_DIFFER = "records-differ"
    REJECTS_LOST = "rejects-lost"  # the file of bad records; this and the next leave the day as it is
    REJECTS_CHANGED = "rejects-changed"


class Standing(StrEnum):
    """What an examination comes to."""

    HEALTHY = "healthy"
    DAMAGED = "damaged"
    UNFINISHED = "unfinished"  # its publication never ended: the next run does it again
    ABSENT = "absent"  # not sealed, and it never was since it was last moved away


@dataclass(frozen=True)
class Finding:
    """One damage, and in one line what shows it."""

    damage: Damage
    text: str

    def __str__(self) -> str:
        return f"{self.damage}: {self.text}"


@dataclass(frozen=True)
class Examination:
    """What one look at a date found; the cause of the damage comes first.

    *expected* and *found* are the same figures for machines: digests, bytes, rows, as far as known.
    """

    date: dt.date
    depth: Depth
    standing: Standing
    findings: tuple[Finding, ...] = ()
    bytes: int = 0  # of the Parquet
    expected: Mapping[str, Any] = field(default_factory=dict)
    found: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[Finding, ...] = ()  # what is wrong with files that the day can be read without
    dataset: Mapping[str, Any] | None = None  # which the day was sealed as, by a passport that holds

    @property
    def is_well(self) -> bool:
        """Whether nothing was found, neither with the day nor beside it."""
        return self.standing is not Standing.DAMAGED and not self.beside

    @property
    def damages(self) -> list[Damage]:
        """The kinds of damage found, each once."""
        return list(dict.fromkeys(finding.damage for finding in self.findings))
