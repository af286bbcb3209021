"""The columns of a trading date (`columns`) as Arrow has them: as staged, as sealed, and their digest.

A *record* is one contract at one stamp. Inside a checkpoint the root, the expiration and the date are the
same for every record, so records hold only what varies (`Schema.record`); the sealed Parquet holds all
(`Schema.day`). Which columns that are is a matter of the lake's kind of records and of the version.
Stamps are kept as milliseconds since the Unix epoch, which is what Parquet stores for a zoned timestamp.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spx_data.market import columns
from spx_data.market.columns import Column, Kind, Type
from spx_data.market.dates import ZONE as ZONE

if TYPE_CHECKING:
    import polars as pl

# Numbers that are no measure: the contract's own, and what stands beside every contract.
_OTHERS = ("strike", "underlying_price")

_STAMP = pa.timestamp("ms", tz=ZONE)
_WORD = pa.dictionary(pa.int32(), pa.string())
_RIGHTS = pa.array(["C", "P"])
_OF_DAY = {
    Type.DATE: pa.date32(),
    Type.WORD: _WORD,
    Type.STAMP: _STAMP,
    Type.NUMBER: pa.float64(),
    Type.WHOLE: pa.int32(),
}
# Records have stamps as ms since the epoch.
_OF_RECORD = {
    Type.WORD: pa.string(),
    Type.STAMP: pa.int64(),
    Type.NUMBER: pa.float64(),
    Type.WHOLE: pa.int32(),
}
_MEASURES = (Type.NUMBER, Type.WHOLE)


def as_sealed(every: Iterable[Column]) -> pa.Schema:
    """Columns as a sealed file has them."""
    return pa.schema([pa.field(each.name, _OF_DAY[each.type], nullable=each.optional) for each in every])


def declared(sealed: pa.Schema) -> pa.Schema:
    """The columns as a *sealed* file tells readers of Arrow to take them: words as text (decision 92)."""
    return pa.schema(
        [
            each.with_type(each.type.value_type) if pa.types.is_dictionary(each.type) else each
            for each in sealed
        ]
    )


@dataclass(frozen=True)
class Schema:
    """One version of a kind's columns: *day* as sealed, *record* what varies within a chain, as staged.

    Between them stands what is computed: it is sealed, and no record has it.
    """

    kind: str
    version: int
    columns: tuple[Column, ...]
    day: pa.Schema
    record: pa.Schema

    @classmethod
    def of(cls, kind: Kind, version: int) -> Schema:
        """The schema of a *version* of a *kind*."""
        every = kind.of(version)
        record = [_RECORD_FIELDS[each.name] for each in every if each.recorded]
        return cls(kind.name, version, every, as_sealed(every), pa.schema(record))

    @property
    def measures(self) -> tuple[Column, ...]:
        """The numbers of a record that measure something (prices, greeks and their like), as on the wire."""
        every = (each for each in self.columns if each.type in _MEASURES and each.recorded)
        return tuple(each for each in every if each.name not in _OTHERS)

    @property
    def optional(self) -> tuple[Column, ...]:
        """What a record may lack: whatever else of a row is good stands in it beside null (decision 29)."""
        return tuple(each for each in self.columns if each.optional and each.recorded)

    @property
    def source_names(self) -> Mapping[str, str]:
        """The columns by our names, each with the one under which sources give it."""
        return {each.name: each.source_name for each in self.columns}

    def table(self, date: dt.date, root: str, expiration: dt.date, records: pl.DataFrame) -> pa.Table:
        """Records of one expiration, sorted by `RECORD_KEY` (`records.settle`), as rows of a day.

        They have what is computed as well. What is the same in a chain (`Column.of_day`) is made here.
        """
        rows = records.to_arrow()
        constant = {
            "date": pa.repeat(pa.scalar(date, pa.date32()), len(rows)),
            "root": pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), len(rows)), [root]),
            "expiration": pa.repeat(pa.scalar(expiration, pa.date32()), len(rows)),
            "dte": pa.repeat(pa.scalar((expiration - date).days, pa.int32()), len(rows)),
        }
        arrays = [
            constant[field.name] if field.name in constant else _as(rows[field.name], field.type)
            for field in self.day
        ]
        return pa.Table.from_arrays(arrays, schema=self.day)


_RECORD_FIELDS: Mapping[str, pa.Field] = {
    each.name: pa.field(each.name, _OF_RECORD[each.type])
    for each in columns.COLUMNS.values()
    if not each.of_day
}

# Every version of every kind. New days have the newest of theirs.
SCHEMAS: Mapping[str, Mapping[int, Schema]] = {
    kind.name: {version: Schema.of(kind, version) for version in range(1, kind.version + 1)}
    for kind in columns.KINDS.values()
}


def newest(kind: str) -> Schema:
    """With which new days of a *kind* are sealed, and what is worked on.

    What an older day lacks is null in it (`widened`).
    """
    return SCHEMAS[kind][columns.KINDS[kind].version]


# What stands for null where values are compared or digested bit for bit: no record holds either.
ABSENT_VALUE = float("nan")
ABSENT_STAMP = -(1 << 63)

SORTED_BY = ("root", "expiration", "strike", "right", "timestamp")
RECORD_KEY = ["strike", "right", "timestamp"]

# Of a chain that has more, so many rows at a time are in memory, in a row group and in the digest: 1,300
# contracts at 1-minute stamps, or 21 at every second, and 60 MB.
PIECE_ROWS = 1 << 19


def records(names: Iterable[str]) -> pa.Schema:
    """The columns *names* as records of any kind have them; raises KeyError where there is no such column."""
    return pa.schema([_RECORD_FIELDS[name] for name in names])


def polars_record(names: Iterable[str]) -> dict[str, Any]:
    """`records` in Polars' types."""
    import polars as pl

    kinds = {pa.float64(): pl.Float64, pa.int64(): pl.Int64, pa.int32(): pl.Int32, pa.string(): pl.String}
    return {field.name: kinds[field.type] for field in records(names)}


def widened(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """*rows* of a day of any kind and version, with the columns *names*: null where it has none."""
    arrays = [
        rows[name] if name in rows.column_names else pa.nulls(len(rows), _OF_DAY[columns.COLUMNS[name].type])
        for name in names
    ]
    return pa.Table.from_arrays(arrays, names=list(names))


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A column of records in a day's type; of rights, the dictionary is the same whichever there are."""
    if not pa.types.is_dictionary(kind):
        return column.cast(kind)
    import pyarrow.compute as pc

    places = pc.not_equal(column, "C").cast(pa.int32()).chunks
    return pa.chunked_array([pa.DictionaryArray.from_arrays(chunk, _RIGHTS) for chunk in places], kind)


def pieces(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows of one chain, whatever *tables* they come in, `PIECE_ROWS` at a time; then the rest.

    No table is asked for before what the others make was taken, so memory holds a piece and a table.
    """
    held: list[pa.Table] = []
    lacking = PIECE_ROWS
    for table in tables:
        while len(table) >= lacking:
            held.append(table.slice(0, lacking))
            table = table.slice(lacking)
            lacking = PIECE_ROWS
            yield _taken(held)
        if len(table):
            held.append(table)
            lacking -= len(table)
        del table
    if held:
        yield _taken(held)


def _taken(held: list[pa.Table]) -> pa.Table:
    """All rows that are *held*, which are held no more."""
    table = pa.concat_tables(held)
    held.clear()
    return table


class RecordsDigest:
    """SHA-256 over what the records of one *schema* say, whatever file format or library holds them.

    Over the day's rows in sealed order, chain by chain, of each chain 524,288 rows (a piece) at a time
    and then the rest: the text `root expiration rows` with the piece's rows and a newline, then each
    column of its records, and those computed from them (none that is the same in a chain), in their order
    as little-endian 8-byte values (doubles, or milliseconds since the epoch), the right as one byte `C`
    or `P`. What a record lacks (null) is the double NaN with the bits 7ff8000000000000, or the least of
    all integers; no record holds either as a value. A smaller chain is one piece; of a larger one, nobody
    needs more than a piece in memory to compute its digest.
    """

    def __init__(self, schema: Schema) -> None:
        self._hash = hashlib.sha256()
        self._names = [each.name for each in schema.columns if not each.of_day]

    def add(self, root: str, expiration: dt.date, rows: pa.Table) -> None:
        """Add one expiration's sorted rows: all of them, or the next whole pieces."""
        for piece in pieces([rows]):
            self._hash.update(f"{root} {expiration.isoformat()} {piece.num_rows}\n".encode())
            for name in self._names:
                self._hash.update(_little_endian(piece[name]))

    def hexdigest(self) -> str:
        """The digest so far."""
        return self._hash.hexdigest()


def _little_endian(column: pa.ChunkedArray) -> memoryview:
    if pa.types.is_dictionary(column.type):
        return np.concatenate([_letters(each) for each in column.chunks]).data
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    whole = pa.types.is_integer(column.type)
    if whole:
        column = column.cast(pa.int64())
    if column.null_count:
        column = column.fill_null(ABSENT_STAMP if whole else ABSENT_VALUE)
    return memoryview(column.to_numpy().astype("<i8" if whole else "<f8", copy=False))


def _letters(rights: pa.DictionaryArray) -> npt.NDArray[np.uint8]:
    """The byte of each right, by the dictionary, whatever its order; what is no call counts as a put."""
    words = [*rights.dictionary.to_pylist(), None]
    letters = np.array([ord("C" if word == "C" else "P") for word in words], np.uint8)
    return np.asarray(letters[rights.indices.fill_null(len(words) - 1).to_numpy()])
