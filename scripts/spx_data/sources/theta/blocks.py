"""Consecutive rows of a body: typed all at once, or, where that cannot be, field by field.

There is one parser for each transport format, and it is strict and fast. What it cannot read is read field
by field, in whatever spelling (`reading`), and what is bad of that is told row by row. Of CSV, the bulk of
all data, blanks and words in another spelling are read nearly as fast on the way.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from spx_data.sources.theta import json_text, reading
from spx_data.sources.theta.layouts import Row
from spx_data.sources.theta.reading import WORD as WORD
from spx_data.sources.theta.reading import Block, Columns, Unread, Wanted

_GLANCE = 64  # bytes
# What Arrow reads as a number and no other way does: one with blanks around it, and one to the base of 16.
_BLANKS, _PADDED = (b" ", b"\t"), re.compile(rb"[,\"\n][ \t]|[ \t][,\"\r\n]")
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
            {name: reading.array([], kind) for name, kind in self._wanted.columns.items()}
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

    def _all(self, rows: int) -> None:
        """Raise ValueError unless so many *rows* are one of each line, and none of two or of a half."""
        ends = self._are("\n")
        # Most bodies have none, and to see that costs nothing.
        if b"\r" in self._text and (self._text.endswith(b"\r") or (self._are("\r")[:-1] & ~ends[1:]).any()):
            raise ValueError("a line may be two rows")
        # A line without a row is blank, and those are few: only then are all of them looked at.
        lines = np.count_nonzero(ends) + (not self._text.endswith(b"\n"))
        if rows != lines and rows != len(self):
            raise ValueError("a line is no row, or a row is several")

    def _are(self, sign: str) -> npt.NDArray[np.bool_]:
        """Which bytes are a *sign*; to count these takes a third of what counting in bytes does, if many."""
        found: npt.NDArray[np.bool_] = np.frombuffer(self._text, np.uint8) == ord(sign)
        return found


def _respelt(name: str, column: pa.DictionaryArray, kind: pa.DataType) -> pa.Array:
    """A column of words as the column *name* of *kind*; an empty word, or an absent column, is null."""
    read = reading.reader(name, kind)
    found = [read(word) if word and word.strip() else None for word in column.dictionary.to_pylist()]
    return reading.array(found, kind).take(column.indices)


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
                    name: batch[name] if pa.types.is_floating(kind) else _respelt(name, batch[name], kind)
                    for name, kind in columns.items()
                }
            )
        except Unread as error:
            raise ValueError(f"a row has words that cannot be read: {error}") from error

    def _read(self, columns: Columns, nulls: list[str]) -> pa.RecordBatch:
        if self._is_blank():
            return self._nothing()
        if self._may_have_other_numbers(columns):
            raise ValueError("a number may be spelt as no other way of reading takes it")
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
        self._all(table.num_rows)
        (batch,) = table.combine_chunks().to_batches()
        return batch

    def _may_have_other_numbers(self, columns: Columns) -> bool:
        padded = any(blank in self._text for blank in _BLANKS) and _PADDED.search(self._text)
        whole = any(map(pa.types.is_integer, columns.values()))
        if padded or not whole:
            return bool(padded)
        signs = np.frombuffer(self._text, np.uint8)
        after = np.flatnonzero((signs | 0x20) == ord("x"))  # of either case
        return bool((signs[after - 1] == ord("0")).any())

    def check_last(self) -> None:
        """Raise ValueError where the last line, which has no end, is no whole row.

        It is whole when it has all fields, those of the columns can be read, and the last of them is not
        spelt shorter than in the lines before.
        """
        if not (lines := self._lines()):
            raise ValueError("it ends in the middle of a line")
        quoted = lines[-1].count(b'"') % 2
        fields = _split(lines[-1]) or []
        others = [row[-1] for line in lines[:-1] if (row := _split(line)) and len(row) == len(fields)]
        alone = CsvBlock(lines[-1], self._wanted, self._names).parted()
        if quoted or len(fields) < len(self._names) or alone.bad or reading.is_cut(fields[-1], others):
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

    exact = False  # Polars' reader makes words of numbers where words are wanted

    def typed(self) -> pa.RecordBatch:
        """The rows, as Polars' reader of NDJSON has them."""
        # Polars reads lines faster than Arrow does, and Arrow's reader ends the process at a line `null`.
        import polars as pl

        kinds = {pa.float64(): pl.Float64, pa.int64(): pl.Int64}
        columns = self._wanted.columns
        types = {name: kinds.get(kind, pl.String) for name, kind in columns.items()}
        if self._is_blank():
            return self._nothing()
        # It goes as deep as a row does, however deep that is.
        if b"[" in self._text or self._are("{").sum() > self._are("\n").sum() + 1:
            raise ValueError("a row holds more than words and numbers")
        try:
            frame = pl.read_ndjson(io.BytesIO(self._text), schema=types)
        # An OSError of what looks like gzip; what it did not think of ends in a panic, which is no Exception.
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise ValueError(str(error)) from error
        self._all(frame.height)
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
        return json_text.value(line)
    except ValueError:
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
    # What is no scalar never gets to Arrow, which would make types of it, and of true and false numbers.
    found = set(map(type, values)) - {type(None)}
    if not any(found <= allowed for allowed in _kinds(kind)):
        raise TypeError(f"{', '.join(sorted(each.__name__ for each in found))} in one column")
    return _typed(pa.array(values, kind if pa.types.is_floating(kind) else None), kind)


def _kinds(kind: pa.DataType) -> tuple[set[type], ...]:
    """The types of values that a column of *kind* may have, each by itself."""
    if pa.types.is_floating(kind):
        return ({int, float},)
    return ({int}, {float}) if pa.types.is_integer(kind) else ({str}, {int})


def _typed(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The column in its declared type: words encoded, stamps read from text."""
    if kind == WORD:
        return array.cast(pa.string()).dictionary_encode()
    if pa.types.is_timestamp(kind):
        return array.cast(pa.string()).cast(kind)
    return array.cast(kind)
