"""Inside a Parquet: whether it holds what passport and footer say, or where it is damaged.

A file can be sealed wrongly too: with another date's rows, by other hands, after it was damaged. So whatever
the Parquet library raises is a finding. Of bytes that nobody vouches for it says what still reads: it was
shown thousands of damaged files and survived each (decision 8).
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
from spx_data.market import schema
from spx_data.store import faults, parquet, reads
from spx_data.text.words import counted

Progress = Callable[[float], None]  # told the share of the pages read so far

BLOCK = 4096  # what file systems and devices lose at a time; a file's last one may be shorter
SECTOR = 512  # but not shorter than this: the odd byte is zero in any file

_LONGEST_TEXT = 16 << 20  # of a footer, in bytes
_READ = 256 * BLOCK
_ZEROS = bytes(BLOCK)
_MOST_NAMED = 5


@dataclass(frozen=True)
class Footer:
    """What the end of a Parquet file says about the rest of it."""

    rows: int
    records_sha256: str | None
    schema_version: str | None  # as it is told
    dates: frozenset[dt.date]  # by the statistics of the column `date`

    @classmethod
    def of(cls, file: pq.ParquetFile) -> Footer:
        """The footer of an open *file*."""
        words, dates = file.metadata.metadata or {}, set[dt.date]()
        for group in range(file.num_row_groups):
            for date in _bounds(file, group, "date"):
                if not isinstance(date, dt.date):
                    raise ValueError(f"the statistics of the column date are {date!r:.80}")
                dates.add(date)
        records, version = (
            words.get(key.encode()) for key in (parquet.RECORDS_DIGEST_KEY, parquet.SCHEMA_VERSION_KEY)
        )
        return cls(
            file.metadata.num_rows,
            records.decode() if records else None,
            version.decode() if version else None,
            frozenset(dates),
        )


def read_footer(path: Path) -> Footer:
    """The footer of *path*.

    Raises:
        FileCorruptionError: there is none that can be read.
        SpxDataError: the system does not give it.
    """
    try:
        with _opened(path) as file:
            return Footer.of(file)
    except Exception as error:  # of any kind: these bytes may be garbage
        if faults.is_the_systems(error):
            raise faults.of(error) from error
        raise FileCorruptionError(
            f"{path} has no footer that can be read: {_line(error)}",
            cure="`spx-data verify` says what is damaged, and moves it away",
            path=path,
            expected="the footer of a Parquet",
            actual=_line(error),
        ) from error


def _opened(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, page_checksum_verification=True, thrift_string_size_limit=_LONGEST_TEXT)


def _bounds(file: pq.ParquetFile, group: int, column: str) -> tuple[object, ...]:
    """The least and the greatest value of a *column* in a row group; nothing where its footer has neither."""
    if column not in file.schema_arrow.names:
        return ()
    told = file.metadata.row_group(group).column(file.schema_arrow.names.index(column)).statistics
    return (told.min, told.max) if told and told.has_min_max else ()


# Bytes that somebody vouches for ------------------------------------------------------------------------


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
    footer: Footer | None = None
    try:
        with _opened(path) as file:
            footer = Footer.of(file)
            version = parquet.version_of(footer.schema_version, path)
            found, dates = [*_schema(file, version), *_described(footer, passport)], footer.dates
            if depth == "pages" and not any(each.damage is Damage.SCHEMA_DIFFERS for each in found):
                read = parquet.contents(file, version, partial(_told, progress, footer.rows))
                found += _recomputed(read, footer)
                dates = read.dates
    except OtherVersionError:
        raise
    except SchemaValidationError as error:
        found, dates = [Finding(Damage.SCHEMA_DIFFERS, error.cause)], frozenset()
    except Exception as error:  # of any kind: these bytes may be garbage that somebody sealed
        if faults.is_the_systems(error):
            raise faults.of(error) from error  # says nothing about the bytes
        text = f"sealed like this: {type(error).__name__}: {_line(error)}"
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

    A passport that was sealed is as it was written, so it is the file that is another.
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


# Bytes that nobody vouches for -------------------------------------------------------------------------


def diagnose(path: Path, date: dt.date, size: int | None) -> list[Finding]:
    """What happened to the Parquet of *date*, which was sealed with *size* bytes (None where nobody says)."""
    surveyed = survey(path)
    dates = surveyed.dates
    if date not in dates and (swapped := another_day(dates, date)):
        return [swapped]
    found = path.stat().st_size
    findings = [*_length(found, size), *_zeros(path, found)]
    return findings or [Finding(Damage.BYTES_CHANGED, surveyed.words)]


@dataclass(frozen=True)
class Survey:
    """What of a file does not read, and the dates of its rows where all of it does."""

    faults: list[str]
    readable: str = ""  # what of the other chains does
    dates: frozenset[dt.date] = frozenset()

    @property
    def words(self) -> str:
        """Where the bytes are not what they were, as far as the pages' checksums tell."""
        if not self.faults:
            return (
                "every page has its checksum: what changed is the footer, the page index, the header of a "
                "page, or how the file begins"
            )
        named, more = "; ".join(self.faults[:_MOST_NAMED]), len(self.faults) - _MOST_NAMED
        return f"{named}; and {more:,} more places{self.readable}" if more > 0 else named + self.readable


def survey(path: Path) -> Survey:
    """Try every page of *path*, of which nobody vouches for the bytes."""
    found = dict[str, list[str]]()  # by chain, or by row group where the footer names none
    whole = set[str]()
    try:
        with _opened(path) as file:
            dates = Footer.of(file).dates
            for group in range(file.num_row_groups):
                chain, wrong = _chain(file, group), _columns_amiss(file, group, path)
                if wrong:
                    found.setdefault(chain, []).extend(
                        f"{chain} (row group {group}), {word}" for word in wrong
                    )
                else:
                    whole.add(chain)
    except Exception as error:  # of any kind
        parquet.raise_if_the_systems(error, path)
        return Survey([f"footer: {_line(error)}"])
    if not found:
        return Survey([], dates=dates)
    others = len(whole - found.keys())
    readable = f". {others:,} of {counted(others + len(found), 'chain')} can be read"
    return Survey([word for words in found.values() for word in words], readable)


def _chain(file: pq.ParquetFile, group: int) -> str:
    """The chain that a row group is of, as the footer tells."""
    root, expiration = ({*_bounds(file, group, name)} for name in ("root", "expiration"))
    return f"{root.pop()} {expiration.pop()}" if len(root) == len(expiration) == 1 else "unknown chain"


def _columns_amiss(file: pq.ParquetFile, group: int, path: Path) -> list[str]:
    """The columns of a row group that do not read, each with why."""
    if _trouble(file, group, None, path) is None:
        return []
    found = {name: _trouble(file, group, [name], path) for name in file.schema_arrow.names}
    wrong = [f"column {name}: {why}" for name, why in found.items() if why]
    return wrong or ["its columns do not go together"]


def _trouble(file: pq.ParquetFile, group: int, columns: list[str] | None, path: Path) -> str | None:
    """Why *columns* (None: all) of a row group do not read; None where they do."""
    try:
        file.read_row_group(group, columns)
    except Exception as error:  # of any kind
        parquet.raise_if_the_systems(error, path)
        return "a page fails its checksum" if "CRC" in str(error) else _line(error)
    return None


def _length(found: int, sealed: int | None) -> Iterator[Finding]:
    if sealed is not None and found < sealed:
        yield Finding(Damage.TRUNCATED, f"{found:,} of {sealed:,} bytes, {sealed - found:,} are gone")
    if sealed is not None and found > sealed:
        yield Finding(Damage.EXTENDED, f"{found:,} bytes instead of {sealed:,}, {found - sealed:,} too many")


def _zeros(path: Path, size: int) -> Iterator[Finding]:
    runs = list(zero_blocks(path))
    if not runs:
        return
    named = ", ".join(f"{first:,}–{last - 1:,}" for first, last in runs[:_MOST_NAMED])
    more = f" and {len(runs) - _MOST_NAMED:,} more places" if len(runs) > _MOST_NAMED else ""
    lost = sum(last - first for first, last in runs)
    yield Finding(Damage.ZERO_FILLED, f"{lost:,} of {size:,} bytes are blocks of zeros: bytes {named}{more}")


def zero_blocks(path: Path) -> Iterator[tuple[int, int]]:
    """The runs of aligned blocks of zeros in *path*, as byte ranges [first, last).

    No sealed Parquet has any: its pages are compressed, and it ends in PAR1.
    """
    run: tuple[int, int] | None = None
    with reads.reading(path, follow=True) as stream:
        at = 0
        while chunk := stream.read(_READ):
            for first, last in _zeros_in(chunk, at):
                if run and run[1] == first:
                    run = (run[0], last)
                    continue
                if run:
                    yield run
                run = (first, last)
            at += len(chunk)
    if run:
        yield run


def _zeros_in(chunk: bytes, at: int) -> Iterator[tuple[int, int]]:
    for start in range(0, len(chunk), BLOCK):
        block = chunk[start : start + BLOCK]
        if len(block) >= SECTOR and block == _ZEROS[: len(block)]:
            yield at + start, at + start + len(block)


def _short(digest: str | None) -> str:
    return f"{digest[:12]}…" if digest else "nothing"


def _line(error: object) -> str:
    return " ".join(str(error).split())[:200]
