"""The sealed file's format: sorted rows, page checksums, and metadata that says where they came from.

The bytes are a function of the records alone: no clock, no host, no order of arrival gets in. A row group
never spans two expirations, so a question about one expiration reads nothing else.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from spx_data.errors import FileCorruptionError, SchemaValidationError
from spx_data.market import columns, schema
from spx_data.market.schema import Schema
from spx_data.store import dataset, faults

RECORDS_DIGEST_KEY = "spx_data.records_sha256"
SCHEMA_VERSION_KEY = "spx_data.schema_version"
RECORDS_KEY = "spx_data.records"  # their kind
_ARROW_KEY = b"ARROW:schema"  # what readers of Arrow take the columns for

# What we have in memory as a dictionary, and others as text.
_WORDS = [each.name for each in columns.COLUMNS.values() if each.type is columns.Type.WORD]

# Where few values repeat; numbers take more room with a dictionary than without (decision 20).
_WITH_DICTIONARY = ["date", "root", "expiration", "strike", "right", "timestamp"]
_WITH_DICTIONARY += ["iv_error", "forward", "discount"]
_WITH_DICTIONARY += [each.name for each in columns.COLUMNS.values() if each.type is columns.Type.WHOLE]
OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": _WITH_DICTIONARY,
    "max_rows_per_page": 1 << 17,
    "write_page_checksum": True,
    "write_page_index": True,
    "write_statistics": True,
    "data_page_version": "1.0",
    "version": "2.6",
}


def writer(stream: BinaryIO, sealed: pa.Schema, **options: Any) -> pq.ParquetWriter:
    """A writer of tables with the columns *sealed* to *stream*, by `OPTIONS` but for *options*.

    Words are written from their dictionaries, and declared as text (`schema.declared`). So whoever reads the
    file has text: Polars asks its conditions once for each word of a page, where it would make a Categorical
    of every row first, and what joins them needs no cast. Memory of ours has them by `opened`.
    """
    made = pq.ParquetWriter(stream, sealed, store_schema=False, **OPTIONS | options)
    told = schema.declared(sealed).serialize().to_pybytes()
    made.add_key_value_metadata({**(sealed.metadata or {}), _ARROW_KEY: base64.b64encode(told)})
    return made


def opened(source: Path | BinaryIO, *, words: Sequence[str] = _WORDS, **options: Any) -> pq.ParquetFile:
    """The Parquet *source*, its *words* as dictionaries, whatever it declares; *options* are pyarrow's."""
    try:
        return pq.ParquetFile(source, read_dictionary=list(words), **options)
    except KeyError:  # it lacks one: no file of ours, and its columns are for the caller to judge
        return pq.ParquetFile(source, **options)


@dataclass(frozen=True)
class Written:
    """What a `DayWriter` wrote."""

    rows: int
    records_sha256: str


class DayWriter:
    """Writes one trading date, chain by chain in sealed order, to an open stream, with *columns*."""

    def __init__(self, stream: BinaryIO, columns: Schema, metadata: Mapping[str, str]) -> None:
        sorting = pq.SortingColumn.from_ordering(
            columns.day, [(name, "ascending") for name in schema.SORTED_BY]
        )
        self._writer = writer(stream, columns.day, sorting_columns=sorting)
        told = {SCHEMA_VERSION_KEY: str(columns.version), RECORDS_KEY: columns.kind}
        self._writer.add_key_value_metadata(told | {f"spx_data.{k}": v for k, v in metadata.items()})
        self._digest = schema.RecordsDigest(columns)
        self._rows = 0

    def add(self, root: str, expiration: dt.date, tables: Iterable[pa.Table]) -> None:
        """Append one chain, in row groups of its own: *tables* have its sorted rows (`Schema.table`) in turn.

        Where one table ends and the next begins leaves no trace in the file.
        """
        for rows in schema.pieces(tables):
            # In one chunk, because pages end where chunks do; the digest is spared to join them once more.
            piece = rows.combine_chunks()
            del rows  # or both would stay in memory
            self._writer.write_table(piece, row_group_size=schema.PIECE_ROWS)
            self._digest.add(root, expiration, piece)
            self._rows += piece.num_rows
            del piece  # nor this while the next one is made

    def __enter__(self) -> DayWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            # The stream is about to be thrown away: let the writer finish before that, not after.
            self._writer.close()

    def close(self) -> Written:
        """Finish the file; its footer names the digest of the records."""
        written = Written(self._rows, self._digest.hexdigest())
        self._writer.add_key_value_metadata({RECORDS_DIGEST_KEY: written.records_sha256})
        self._writer.close()
        return written


Piece = tuple[str, dt.date, pa.Table]  # of a chain, by its root and its expiration
Ahead = Callable[[Iterator[Piece]], AbstractContextManager[Iterator[Piece]]]


@dataclass(frozen=True)
class Contents:
    """What the pages of a file hold: its records, and the trading dates of their rows."""

    written: Written
    dates: frozenset[dt.date]


def named(kind: str | None, version: str | None, path: Path) -> Schema:
    """The schema that the footer of *path* says it was sealed with, by the *kind* and *version* it tells.

    Raises:
        OtherVersionError: this code knows no version so high.
        SchemaValidationError: it says none, or no kind that there is.
    """
    if kind is None or kind not in schema.SCHEMAS:
        known = ", ".join(schema.SCHEMAS)
        raise _unnamed(path, f"kind of records it holds ({known})", kind)
    if version is None or not re.fullmatch(r"[1-9][0-9]{0,5}", version):
        raise _unnamed(path, "version of the columns it was sealed with", version)
    if (found := schema.SCHEMAS[kind].get(int(version))) is None:
        raise dataset.newer(path, "schema version", int(version), max(schema.SCHEMAS[kind]))
    return found


def _unnamed(path: Path, what: str, told: str | None) -> SchemaValidationError:
    return SchemaValidationError(
        f"{path} does not say which {what}, but {told!r:.40}",
        cure="`spx-data verify` looks at the whole day",
        what=str(path),
        reason=repr(told),
    )


def told_by(file: pq.ParquetFile) -> tuple[str | None, str | None]:
    """The kind of records and the version of its columns that an open file says it has."""
    words = file.metadata.metadata or {}
    kind, version = (words.get(key.encode()) for key in (RECORDS_KEY, SCHEMA_VERSION_KEY))
    return kind and kind.decode(errors="replace"), version and version.decode(errors="replace")


def schema_of(path: Path, file: pq.ParquetFile) -> Schema:
    """The schema that *path*, an open file, was sealed with, and has.

    Raises:
        OtherVersionError: this code does not know it.
        SchemaValidationError: it says none, or has other columns.
    """
    found = named(*told_by(file), path)
    if not file.schema_arrow.equals(found.day):
        raise SchemaValidationError(
            f"{path} has other columns than version {found.version} of {found.kind}: "
            f"{', '.join(file.schema_arrow.names)}",
            cure="`spx-data verify` looks at the whole day",
            what=str(path),
            reason=f"expected {found.day.to_string()}, found {file.schema_arrow.to_string()}",
        )
    return found


def contents(
    file: pq.ParquetFile,
    columns: Schema,
    progress: Callable[[int], None] | None = None,
    ahead: Ahead = nullcontext,
) -> Contents:
    """Read every page of an open file with these *columns*; *progress* is told how many rows are read.

    It is `opened` with `page_checksum_verification=True`, or damaged pages go unnoticed. Pieces come by way
    of *ahead*, which may read the next ones while one is digested.

    Raises:
        OSError, pyarrow.ArrowException: a page is damaged.
    """
    digest, rows, dates = schema.RecordsDigest(columns), 0, set[dt.date]()
    with ahead(_pieces(file)) as pieces:
        for root, expiration, piece in pieces:
            digest.add(root, expiration, piece)
            rows += piece.num_rows
            dates.update(piece["date"].unique().to_pylist())
            if progress:
                progress(rows)
            del piece  # or it would stay in memory while the next one is read
    return Contents(Written(rows, digest.hexdigest()), frozenset(dates))


def _pieces(file: pq.ParquetFile) -> Iterator[Piece]:
    for root, expiration, tables in chains(file):
        for piece in schema.pieces(tables):
            yield root, expiration, piece
            del piece  # or it would stay in memory while the next one is made


def read_back(path: Path, columns: Schema, written: Written, ahead: Ahead = nullcontext) -> None:
    """Read every page of *path* with its checksum and compare it with what was *written*, with *columns*.

    *ahead* is that of `contents`.

    Raises:
        FileCorruptionError: schema, rows, a page's checksum or the records' digest differ.
        DeviceError, MachineError: the system does not give the bytes, which says nothing about them.
    """
    try:
        with opened(path, page_checksum_verification=True) as file:
            if not file.schema_arrow.equals(columns.day):
                raise _differs(path, "schema", columns.day.to_string(), file.schema_arrow.to_string())
            found = contents(file, columns, ahead=ahead).written
    except (pa.ArrowInvalid, OSError) as error:
        raise_if_the_systems(error, path)
        raise _differs(path, "readable pages", "good page checksums", str(error)) from error
    if found != written:
        raise _differs(path, "records", str(written), str(found))


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say in the block that *path* is damaged where it cannot be read, unless that is the system's doing."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowInvalid, OSError) as error:
        raise_if_the_systems(error, path)
        raise FileCorruptionError(
            f"{path} cannot be read: {error}",
            cure="`spx-data verify` moves a damaged day away, and the next run fetches it anew",
            path=path,
            expected="a Parquet file with good page checksums",
            actual=str(error),
        ) from error


def raise_if_the_systems(error: Exception, path: Path) -> None:
    """Raise what *error* means where reading *path* failed, as against finding its bytes damaged.

    Of damaged bytes pyarrow says so with an OSError too, that has no number of the system's.
    """
    if isinstance(error, OSError) and faults.is_the_systems(error):
        raise faults.explained(error, path, "read") from error


def chains(
    file: pq.ParquetFile, columns: Sequence[str] | None = None
) -> Iterator[tuple[str, dt.date, Iterator[pa.Table]]]:
    """The chains of a sealed file in its order, each with its rows, a row group at a time.

    A chain's rows are read as they are asked for, and gone when the next chain is. With *columns* it
    has these and the two that name the chain: null where the file is of a kind or a version without.
    """
    names = file.schema_arrow.names if columns is None else ["root", "expiration", *columns]
    there = [name for name in names if name in file.schema_arrow.names]
    groups = (
        schema.widened(rows, names) if there != names else rows
        for rows in (file.read_row_group(number, there) for number in range(file.num_row_groups))
    )
    for key, tables in groupby(groups, _chain_of):
        yield *key, tables


def _chain_of(rows: pa.Table) -> tuple[str, dt.date]:
    return rows["root"][0].as_py(), rows["expiration"][0].as_py()


def _differs(path: Path, what: str, expected: str, actual: str) -> FileCorruptionError:
    return FileCorruptionError(
        f"{path} was not written as meant: {what} expected {expected}, found {actual}",
        cure="Run the workflow again; if it stays, check the disk and the memory of this machine",
        path=path,
        expected=expected,
        actual=actual,
    )
