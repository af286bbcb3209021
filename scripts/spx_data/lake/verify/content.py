"""Inside a Parquet that has the bytes it was sealed with: whether it holds what passport and footer say.

A file can be sealed wrongly too: with another date's rows, by other hands, after it was damaged. So its
footer is read without trust first (`pages`), and whatever the Parquet library raises is a finding.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from spx_data.errors import SchemaValidationError
from spx_data.lake.verify import pages
from spx_data.lake.verify.damages import Damage, Depth, Finding
from spx_data.lake.verify.pages import Footer
from spx_data.lake.verify.witnesses import Passport
from spx_data.market import schema
from spx_data.store import faults, parquet

Progress = Callable[[float], None]  # told the share of the pages read so far


@dataclass(frozen=True)
class Inside:
    """What a vouched Parquet holds, and what is wrong with that."""

    findings: tuple[Finding, ...]
    rows: int | None = None
    records_sha256: str | None = None

    @property
    def holds_another_date(self) -> bool:
        """Whether the rows are of another date."""
        return any(finding.damage is Damage.DAY_SWAPPED for finding in self.findings)


def look_inside(
    path: Path, date: dt.date, passport: Passport | None, depth: Depth, progress: Progress
) -> Inside:
    """Look into the Parquet of *date*: schema, rows, records and date, by its footer or by its pages.

    It is judged by the version of the schema that it was sealed with.

    Raises:
        OtherVersionError: this code does not know that version.
    """
    surveyed = pages.survey(path) if depth == "pages" else pages.footer_alone(path)
    footer = surveyed.footer
    if footer is None or surveyed.faults:
        return Inside((Finding(Damage.BYTES_CHANGED, f"sealed like this: {_first(surveyed.faults)}"),))
    try:
        version = parquet.version_of(footer.schema_version, path)
    except SchemaValidationError as error:
        return Inside((Finding(Damage.SCHEMA_DIFFERS, error.cause),), footer.rows, footer.records_sha256)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            found = [*_schema(file, version), *_described(footer, passport)]
            dates = footer.dates
            if depth == "pages" and not _names(found, Damage.SCHEMA_DIFFERS):
                share = partial(_told, progress, footer.rows)
                read = parquet.contents(file, version, share)
                found += _recomputed(read, footer)
                dates = read.dates
    except Exception as error:  # of any kind: these bytes may be garbage that somebody sealed
        if faults.is_the_systems(error):
            raise faults.of(error) from error  # says nothing about the bytes
        text = f"sealed like this: {type(error).__name__}: {_line(error)}"
        return Inside((Finding(Damage.BYTES_CHANGED, text),), footer.rows, footer.records_sha256)
    swapped = another_day(dates, date)
    return Inside((*([swapped] if swapped else []), *found), footer.rows, footer.records_sha256)


def another_day(dates: frozenset[dt.date], date: dt.date) -> Finding | None:
    """The finding that the rows are of *dates* instead of *date*; None where they are not."""
    if not dates or dates == {date}:
        return None
    named = ", ".join(sorted(day.isoformat() for day in dates)[:5])
    return Finding(Damage.DAY_SWAPPED, f"its column date holds {named}, not {date}")


def _told(progress: Progress, of: int, rows: int) -> None:
    progress(min(rows / max(of, 1), 1))


def _schema(file: pq.ParquetFile, version: int) -> Iterator[Finding]:
    """Where the columns are not those of the version that the file was sealed with."""
    found, day = file.schema_arrow, schema.SCHEMAS[version].day
    if found.equals(day):
        return
    names = dict(zip(day.names, day, strict=True))
    differing = [field.name for field in found if names.get(field.name) != field]
    lacking = [name for name in names if name not in found.names]
    text = f"{len(found)} columns instead of {len(names)}; differing: {', '.join(differing) or 'none'}"
    yield Finding(Damage.SCHEMA_DIFFERS, f"{text}; lacking: {', '.join(lacking) or 'none'}"[:300])


def _described(footer: Footer, passport: Passport | None) -> Iterator[Finding]:
    """Where the footer is not what the passport describes.

    A passport that vouches for its own bytes is as it was written, so it is the file that is another.
    """
    if passport is None:
        return
    if str(passport.schema_version) != footer.schema_version:
        says = f"the passport says {passport.schema_version}"
        yield Finding(Damage.SCHEMA_DIFFERS, f"the footer has version {footer.schema_version}, {says}")
    if passport.rows != footer.rows:
        yield Finding(
            Damage.ROWS_DIFFER, f"the footer has {footer.rows:,} rows, the passport says {passport.rows:,}"
        )
    if passport.records_sha256 != footer.records_sha256:
        says = f"the passport says {_short(passport.records_sha256)}"
        yield Finding(
            Damage.RECORDS_DIFFER, f"the footer names the records {_short(footer.records_sha256)}, {says}"
        )


def _recomputed(read: parquet.Contents, footer: Footer) -> Iterator[Finding]:
    """Where the pages do not hold what the footer says."""
    rows, records = read.written.rows, read.written.records_sha256
    if rows != footer.rows:
        yield Finding(Damage.ROWS_DIFFER, f"its pages hold {rows:,} rows, its footer says {footer.rows:,}")
    if records != footer.records_sha256:
        says = f"its footer says {_short(footer.records_sha256)}"
        yield Finding(Damage.RECORDS_DIFFER, f"its pages hold the records {_short(records)}, {says}")


def _names(findings: list[Finding], damage: Damage) -> bool:
    return any(finding.damage is damage for finding in findings)


def _first(faults: tuple[str, ...]) -> str:
    more = f", and {len(faults) - 1:,} more" if len(faults) > 1 else ""
    return f"{faults[0]}{more}"


def _short(digest: str | None) -> str:
    return f"{digest[:12]}…" if digest else "nothing"


def _line(error: Any) -> str:
    return " ".join(str(error).split())[:200]
