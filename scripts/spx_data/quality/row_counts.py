"""Rows that are no records and records that come twice, as counts of a chain (`market.records`)."""

from __future__ import annotations

from spx_data.quality.checks import Check, Count, Part

REJECTED = Check(
    "rejected",
    Part.COMPLETENESS,
    "rows",
    "a row that breaks a rule of ingest, and that the source sends again when it is asked again",
    "spx_data.market.records; docs/wire.md, 0 and 2.1",
    ruinous=0.01,
)
CONFLICTING = Check(
    "conflicting",
    Part.COMPLETENESS,
    "records",
    "a contract of which the source has several records at one stamp, which are not the same",
    "docs/wire.md, 13: the vendor has sent records twice",
    ruinous=0.01,
)
REPEATED = Check(
    "repeated",
    Part.COMPLETENESS,
    "records",
    "a record that repeats another one in every column, and is dropped",
    "docs/wire.md, 13: the vendor has sent records twice",
    ruinous=None,
)
CHECKS = (REJECTED, CONFLICTING, REPEATED)


def counts(rows: int, rejected: int, *, sealed: int, conflicts: int, duplicates: int) -> list[Count]:
    """What came of a chain's good *rows*, and of those that were *rejected* beside them.

    Of the good ones *sealed* are left, because *duplicates* repeat another one; *conflicts* contracts and
    stamps have several versions (`records.Settled`).
    """
    return [
        Count(REJECTED, rejected, rows + rejected),
        Count(CONFLICTING, conflicts, sealed),
        Count(REPEATED, duplicates, rows),
    ]
