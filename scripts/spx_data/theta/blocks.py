"""Consecutive rows of a body: typed all at once, or, where that cannot be, field by field.

There is one parser for each transport format, and it is strict and fast. What it cannot read is read field
by field, in whatever spelling (`spelling`), and what is bad of that is told row by row. Of CSV, the bulk of
all data, blanks and words in another spelling are read nearly as fast on the way.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from spx_data.theta import spelling
from spx_data.theta.layouts import Row
from spx_data.theta.reading import Block, Columns, Wanted
from spx_data.theta.spelling import WORD as WORD
from spx_data.theta.spelling import Unread

_GLANCE = 64  # bytes
_NULLS = ["", "null", "NULL", "nan", "NaN", "NAN"]


class _Lines(Block):
    """A block whose rows are lines of text."""

    def __init__(self, lines: bytes, wanted: Wanted) -> None:
        super().__init__(wanted)
        self._text = lines
        self._split: list[bytes] | None = None

    def _is_blank(self) -> bool:
        """Whether there is no row at all; the start tells in most blocks, and costs no copy of them."""
        return not self._text[:_GLANCE].strip() and not self._text.strip()

    def _nothing(self) -> pa.RecordBatch:
        return self._wanted.batch(
            {name: spelling.array([], kind) for name, kind in self._wanted.columns.items()}
        )

    def _lines(self) -> list[bytes]:
        if self._split is None:
            lines = (line.rstrip(b"\r") for line in self._text.split(b"\n"))
            self._split = [line for line in lines if line]
        return self._split

    def raw(self, number: int) -> str:
        """A line as it came."""
        return self._lines()[number].decode(errors="backslashreplace")

    def __len__(self) -> int:
        return len(self._lines())


def _respelt(column: pa.DictionaryArray, kind: pa.DataType) -> pa.Array:
    """A column of words as one of *kind*; an empty word, or an absent column, is null."""
    read = spelling.reader(kind)
    found = [read(word) if word and word.strip() else None for word in column.dictionary.to_pylist()]
    return spelling.array(found, kind).take(column.indices)


# CSV ----------------------------------------------------------------------------------------------------


def header_of(line: bytes) -> list[str]:
    """The names in the first line of a CSV body, without blanks and in lower case."""
    return plain(_split(line) or [])


def plain(names: Sequence[str]) -> list[str]:
    """Names of columns as they are known here: without blanks and in lower case."""
    return [name.strip().lower() for name in names]


def _split(line: bytes) -> list[str] | None:
    try:
        return next(csv.reader([line.decode(errors="replace")]), None)
    except csv.Error:
        return None


class CsvBlock(_Lines):
    """Lines of a CSV body under *names*, its header."""

    def __init__(self, lines: bytes, wanted: Wanted, names: Sequence[str]) -> None:
        super().__init__(lines, wanted)
        self._names = names
        places = {name: place for place, name in enumerate(names)}
        self._places = [places.get(name) for name in wanted.columns]

    def typed(self) -> pa.RecordBatch:
        """The rows, as Arrow's reader of CSV has them."""
        batch = self._read(self._wanted.columns, nulls=[])
        return self._wanted.batch(dict(zip(batch.schema.names, batch.columns, strict=True)))

    def loose(self) -> pa.RecordBatch:
        """The rows, whose columns of numbers may have blanks; of the others each spelling is read once."""
        columns = self._wanted.columns
        words = {name: kind if pa.types.is_floating(kind) else WORD for name, kind in columns.items()}
        batch = self._read(words, nulls=_NULLS)
        try:
            return self._wanted.batch(
                {
                    name: batch[name] if pa.types.is_floating(kind) else _respelt(batch[name], kind)
                    for name, kind in columns.items()
                }
            )
        except Unread as error:
            raise ValueError(f"a row has words that cannot be read: {error}") from error

    def _read(self, columns: Columns, nulls: list[str]) -> pa.RecordBatch:
        import pyarrow.csv

        if self._is_blank():
            return self._nothing()
        table = pyarrow.csv.read_csv(
            pa.BufferReader(self._text),
            read_options=pyarrow.csv.ReadOptions(column_names=self._names, block_size=len(self._text) + 1),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=columns,
                include_columns=list(columns),
                include_missing_columns=True,
                null_values=nulls,
                strings_can_be_null=False,
            ),
        )
        (batch,) = table.combine_chunks().to_batches()
        return batch

    def check_last(self) -> None:
        """Raise ValueError where the last line, which has no end, is no whole row.

        It is whole when it has all fields, those of the columns can be read, and the last of them is not
        spelt shorter than in the lines before.
        """
        lines = self._lines()
        quoted = lines[-1].count(b'"') % 2
        fields = _split(lines[-1]) or []
        others = [row[-1] for line in lines[:-1] if (row := _split(line)) and len(row) == len(fields)]
        alone = CsvBlock(lines[-1], self._wanted, self._names).parted()
        if quoted or len(fields) < len(self._names) or alone.bad or spelling.is_cut(fields[-1], others):
            raise ValueError("it ends in the middle of a line")

    def _fields(self, number: int) -> list[Any] | None:
        fields = _split(self._lines()[number])
        if fields is None or len(fields) != len(self._names):
            fields = self._without_ends(fields or [])
        if fields is None:
            return None
        return [None if place is None else fields[place] for place in self._places]

    def _without_ends(self, fields: list[str]) -> list[str] | None:
        """A row that ends with more commas than the header, or with fewer; None where it is another one."""
        names = len(self._names) - (not self._names[-1])
        ends = fields[names:]
        if len(fields) < names or any(field.strip() for field in ends):
            return None
        return [*fields[:names], ""]


# JSON ---------------------------------------------------------------------------------------------------


class NdjsonBlock(_Lines):
    """Lines with a JSON object each."""

    def typed(self) -> pa.RecordBatch:
        """The rows, as Polars' reader of NDJSON has them."""
        # Polars reads lines faster than Arrow does, and Arrow's reader ends the process at a line `null`.
        import polars as pl

        kinds = {pa.float64(): pl.Float64, pa.int64(): pl.Int64}
        columns = self._wanted.columns
        types = {name: kinds.get(kind, pl.String) for name, kind in columns.items()}
        if self._is_blank():
            return self._nothing()
        try:
            frame = pl.read_ndjson(io.BytesIO(self._text), schema=types)
        except (pl.exceptions.PolarsError, OSError) as error:  # of what looks like gzip
            raise ValueError(str(error)) from error
        return self._wanted.batch(
            {name: _typed(frame[name].to_arrow(), kind) for name, kind in columns.items()}
        )

    def names(self) -> list[str]:
        """The names in the first line; none where it is no row."""
        first = _parsed(self._lines()[0]) if len(self) else None
        return list(first) if isinstance(first, dict) else []

    def check_last(self) -> None:
        """Raise ValueError where the last line, which has no end, is no whole row."""
        if not isinstance(_parsed(self._lines()[-1]), dict):
            raise ValueError("it ends in the middle of a line")

    def _fields(self, number: int) -> list[Any] | None:
        row = _parsed(self._lines()[number])
        return _values(row, self._wanted.columns) if isinstance(row, dict) else None


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


class JsonBlock(Block):
    """Rows of a JSON body, as its parser gave them."""

    def __init__(self, rows: Sequence[Row], wanted: Wanted) -> None:
        super().__init__(wanted)
        self._rows = rows

    def typed(self) -> pa.RecordBatch:
        """The rows, value by value."""
        columns, optional = self._wanted.columns, self._wanted.optional
        try:
            return self._wanted.batch(
                {
                    name: _array(
                        [row.get(name) if name in optional else row[name] for row in self._rows], kind
                    )
                    for name, kind in columns.items()
                }
            )
        except KeyError as error:
            raise ValueError(f"a row lacks {error}") from error
        except (pa.ArrowException, OverflowError, TypeError) as error:
            raise ValueError(f"a value has the wrong type: {error}") from error

    def raw(self, number: int) -> str:
        """A row as JSON, its contract merged in."""
        return json.dumps(self._rows[number])

    def __len__(self) -> int:
        return len(self._rows)

    def _fields(self, number: int) -> list[Any] | None:
        row = self._rows[number]
        return None if any(name in row for name in ("tick", "row")) else _values(row, self._wanted.columns)


def _values(row: Row, columns: Columns) -> list[Any]:
    """A row's values of the columns, whatever the case of its names; None where there is none."""
    if any(name not in row for name in columns):
        row = dict(zip(plain(list(row)), row.values(), strict=True)) | dict(row)
    return [row.get(name) for name in columns]


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    # A wrong kind of value must not be bent into the right one: only a float may be written as an integer.
    return _typed(pa.array(values, kind if pa.types.is_floating(kind) else None), kind)


def _typed(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The column in its declared type: words encoded, stamps read from text."""
    if kind == WORD:
        return array.cast(pa.string()).dictionary_encode()
    if pa.types.is_timestamp(kind):
        return array.cast(pa.string()).cast(kind)
    return array.cast(kind)
