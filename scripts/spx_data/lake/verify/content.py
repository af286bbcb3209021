"""Inside a Parquet whose bytes somebody vouches for: whether it holds what passport and footer say.

A file can be sealed wrongly too: with another date's rows, by other hands, after it was damaged. So whatever
the Parquet library raises is a finding. Bytes that nobody vouches for are read in `diagnosis`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from spx_data.errors import FileCorruptionError, OtherVersionError, SchemaValidationError
from spx_data.lake.verify.witnesses import Damage, Depth, Finding, Passport
from spx_data.market.schema import Schema
from spx_data.store import faults, parquet

Progress = Callable[[float], None]  # told the share of the pages read so far

_LONGEST_TEXT = 16 << 20  # of a footer, in bytes


@dataclass(frozen=True)
class Footer:
    """What the end of a Parquet file says about the rest of it."""

    rows: int
    records_sha256: str | None
    records: str | None  # their kind, as it is told
    schema_version: str | None  # likewise
    dates: frozenset[dt.date]  # by the statistics of the column `date`

    @classmethod
    def of(cls, file: pq.ParquetFile) -> Footer:
        """The footer of an open *file*."""
        words, dates = file.metadata.metadata or {}, set[dt.date]()
        for group in range(file.num_row_groups):
            for date in bounds(file, group, "date"):
                if not isinstance(date, dt.date):
                    raise ValueError(f"the statistics of the column date are {date!r:.80}")
                dates.add(date)
        records = words.get(parquet.RECORDS_DIGEST_KEY.encode())
        return cls(
            file.metadata.num_rows,
            records.decode() if records else None,
            *parquet.told_by(file),
            frozenset(dates),
        )


def read_footer(path: Path) -> Footer:
    """The footer of *path*.

    Raises:
        FileCorruptionError: there is none that can be read.
        SpxDataError: the system does not give it.
    """
    try:
        with opened(path) as file:
            return Footer.of(file)
    except Exception as error:  # of any kind: these bytes may be garbage
        if faults.is_the_systems(error):
            raise faults.of(error) from error
        raise FileCorruptionError(
            f"{path} has no footer that can be read: {line(error)}",
            cure="`spx-data verify` says what is damaged, and moves it away",
            path=path,
            expected="the footer of a Parquet",
            actual=line(error),
        ) from error


def opened(path: Path) -> pq.ParquetFile:
    """The Parquet *path*, its pages' checksums to be looked at, and no text in its footer too long."""
    return parquet.opened(path, page_checksum_verification=True, thrift_string_size_limit=_LONGEST_TEXT)


def bounds(file: pq.ParquetFile, group: int, column: str) -> tuple[object, ...]:
    """The least and the greatest value of a *column* in a row group; nothing where its footer has neither."""
    if column not in file.schema_arrow.names:
        return ()
    told = file.metadata.row_group(group).column(file.schema_arrow.names.index(column)).statistics
    return (told.min, told.max) if told and told.has_min_max else ()


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

    It is judged by the kind of its records and the version of the schema that it was sealed with.

    Raises:
        OtherVersionError: this code does not know that version.
    """
    footer: Footer | None = None
    try:
        with opened(path) as file:
            footer = Footer.of(file)
            columns = parquet.named(footer.records, footer.schema_version, path)
            found, dates = [*_schema(file, columns), *_described(footer, passport)], footer.dates
            if depth == "pages" and not any(each.damage is Damage.SCHEMA_DIFFERS for each in found):
                read = parquet.contents(file, columns, partial(_told, progress, footer.rows))
                found += _recomputed(read, footer)
                dates = read.dates
    except OtherVersionError:
        raise
    except SchemaValidationError as error:
        found, dates = [Finding(Damage.SCHEMA_DIFFERS, error.cause)], frozenset()
    except Exception as error:  # of any kind: these bytes may be garbage that somebody sealed
        if faults.is_the_systems(error):
            raise faults.of(error) from error  # says nothing about the bytes
        text = f"sealed like this: {type(error).__name__}: {line(error)}"
        found, dates = [Finding(Damage.BYTES_CHANGED, text)], frozenset()
    swapped = another_day(dates, date)
    told = (footer.rows, footer.records_sha256) if footer else (None, None)
    return Inside((*([swapped] if swapped else []), *found), *told)


def another_day(dates: frozenset[dt.date], date: dt.date) -> Finding | None:
    """The finding that the rows are of *dates* instead of *date*; None where they are not."""
    if not dates or dates == {date}:
        return None
    named = ", ".join(sorted(day.isoformat() for day in dates)[:5])
    return Finding(Damage.DAY_SWAPPED, f"its column date holds {named}, not {date}")


def _told(progress: Progress, of: int, rows: int) -> None:
    progress(min(rows / max(of, 1), 1))


def _schema(file: pq.ParquetFile, columns: Schema) -> Iterator[Finding]:
    """Where the columns are not those that the file says it was sealed with."""
    found, day = file.schema_arrow, columns.day
    if found.equals(day):
        return
    names = dict(zip(day.names, day, strict=True))
    differing = [field.name for field in found if names.get(field.name) != field]
    lacking = [name for name in names if name not in found.names]
    text = f"{len(found)} columns instead of {len(names)}; differing: {', '.join(differing) or 'none'}"
    yield Finding(Damage.SCHEMA_DIFFERS, f"{text}; lacking: {', '.join(lacking) or 'none'}"[:300])


def _described(footer: Footer, passport: Passport | None) -> Iterator[Finding]:
    """Where the footer is not what the passport describes.

    A passport that was sealed is as it was written, so it is the file that is another.
    """
    if passport is None:
        return
    if (passport.records, str(passport.schema_version)) != (footer.records, footer.schema_version):
        says = f"the passport says {passport.schema_version} of {passport.records}"
        text = f"the footer has version {footer.schema_version} of {footer.records}, {says}"
        yield Finding(Damage.SCHEMA_DIFFERS, text)
    if passport.rows != footer.rows:
        yield Finding(
            Damage.ROWS_DIFFER, f"the footer has {footer.rows:,} rows, the passport says {passport.rows:,}"
        )
    if passport.records_sha256 != footer.records_sha256:
        says = f"the passport says {short(passport.records_sha256)}"
        yield Finding(
            Damage.RECORDS_DIFFER, f"the footer names the records {short(footer.records_sha256)}, {says}"
        )


def _recomputed(read: parquet.Contents, footer: Footer) -> Iterator[Finding]:
    """Where the pages do not hold what the footer says."""
    rows, records = read.written.rows, read.written.records_sha256
    if rows != footer.rows:
        yield Finding(Damage.ROWS_DIFFER, f"its pages hold {rows:,} rows, its footer says {footer.rows:,}")
    if records != footer.records_sha256:
        says = f"its footer says {short(footer.records_sha256)}"
        yield Finding(Damage.RECORDS_DIFFER, f"its pages hold the records {short(records)}, {says}")


def short(digest: str | None) -> str:
    """The first digits of a *digest*."""
    return f"{digest[:12]}…" if digest else "nothing"


def line(error: object) -> str:
    """What *error* says, in one line that is not too long."""
    return " ".join(str(error).split())[:200]
