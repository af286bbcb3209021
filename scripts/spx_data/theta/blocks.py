"""Consecutive rows of a body: typed all at once, or, where that cannot be, row by row.

There is one parser for each transport format, and it is strict. Rows that it cannot read are found by asking
it about fewer and fewer of them, so a row that is read alone is read as it would be among others.
"""

from __future__ import annotations

import csv
import io
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from spx_data.records import FIELDS, MISSING, NOT_FINITE, UNREADABLE
from spx_data.theta.layouts import Row

Columns = Mapping[str, pa.DataType]

_GLANCE = 64  # bytes

WORD = pa.dictionary(pa.int32(), pa.string())


class Block(ABC):
    """Rows of a body; *columns* are the names and the types that they must have."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    @abstractmethod
    def typed(self) -> pa.RecordBatch:
        """The rows, with exactly the columns; raises ValueError where one of them cannot be read."""

    @abstractmethod
    def raw(self, number: int) -> str:
        """The text of a row."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _only(self, numbers: Sequence[int]) -> Block:
        """The block of some of the rows."""

    @abstractmethod
    def _fields(self, number: int) -> list[Any] | None:
        """A row's values of the columns, as they came; None where it does not have them all."""

    def parted(self, most: int) -> tuple[Block, list[tuple[str, str]]]:
        """The rows that can be read, as a block, and the reason and the text of each of the others.

        Once there are more than *most* of the others no more are looked for.
        """
        reasons = {number: reason for number in range(len(self)) if (reason := self._reason(number))}
        readable = [number for number in range(len(self)) if number not in reasons]
        for number in self._unreadable(readable, most - len(reasons)):
            reasons[number] = UNREADABLE
        good = self._only([number for number in readable if number not in reasons])
        return good, [(reasons[number], self.raw(number)) for number in sorted(reasons)]

    def _unreadable(self, numbers: list[int], most: int) -> list[int]:
        """Which of some rows cannot be read: halves of what cannot be read are tried in turn."""
        found: list[int] = []
        waiting = [numbers] if numbers else []
        while waiting and len(found) <= most:
            some = waiting.pop()
            if self._reads(some):
                continue
            if len(some) == 1:
                found += some
            else:
                waiting += [some[: len(some) // 2], some[len(some) // 2 :]]
        return found

    def _reads(self, numbers: Sequence[int]) -> bool:
        try:
            return bool(self._only(numbers).typed().num_rows == len(numbers))
        except ValueError:
            return False

    def _reason(self, number: int) -> str | None:
        """Why a row is bad, as far as its text tells without a look at types."""
        fields = self._fields(number)
        if fields is None:
            return FIELDS
        if any(value is None or value == "" for value in fields):
            return MISSING
        return NOT_FINITE if any(map(_is_no_number, fields)) else None

    def _batch(self, arrays: Mapping[str, pa.Array]) -> pa.RecordBatch:
        for name, array in arrays.items():
            if array.null_count:
                raise ValueError(f"a row lacks {name}")
        return pa.RecordBatch.from_arrays(list(arrays.values()), schema=pa.schema(self._columns.items()))


def _is_no_number(value: Any) -> bool:
    """Whether a field is NaN or infinite, as a number or as the word for it."""
    if isinstance(value, str):
        return value.lstrip("+-").lower() in {"nan", "inf", "infinity"}
    return isinstance(value, float) and not math.isfinite(value)


class _Lines(Block):
    """A block whose rows are lines of text."""

    def __init__(self, lines: bytes, columns: Columns) -> None:
        super().__init__(columns)
        self._text = lines
        self._split: list[bytes] | None = None

    def _is_blank(self) -> bool:
        """Whether there is no row at all; the start tells in most blocks, and costs no copy of them."""
        return not self._text[:_GLANCE].strip() and not self._text.strip()

    def _lines(self) -> list[bytes]:
        if self._split is None:
            lines = (line.rstrip(b"\r") for line in self._text.split(b"\n"))
            self._split = [line for line in lines if line]
        return self._split

    def _joined(self, numbers: Sequence[int]) -> bytes:
        lines = self._lines()
        return b"".join(lines[number] + b"\n" for number in numbers)

    def raw(self, number: int) -> str:
        """A line as it came."""
        return self._lines()[number].decode(errors="backslashreplace")

    def __len__(self) -> int:
        return len(self._lines())


# CSV ----------------------------------------------------------------------------------------------------


def header_of(line: bytes) -> list[str]:
    """The names in the first line of a CSV body; none where it is no such line."""
    return _split(line) or []


def _split(line: bytes) -> list[str] | None:
    try:
        return next(csv.reader([line.decode(errors="replace")]), None)
    except csv.Error:
        return None


class CsvBlock(_Lines):
    """Lines of a CSV body under *names*, its header."""

    def __init__(self, lines: bytes, columns: Columns, names: Sequence[str]) -> None:
        super().__init__(lines, columns)
        self._names = names

    def typed(self) -> pa.RecordBatch:
        """The rows, as Arrow's reader of CSV has them."""
        import pyarrow.csv

        if self._is_blank():
            return self._batch({name: pa.array([], kind) for name, kind in self._columns.items()})
        table = pyarrow.csv.read_csv(
            pa.BufferReader(self._text),
            read_options=pyarrow.csv.ReadOptions(column_names=self._names, block_size=len(self._text) + 1),
            # Nothing stands for an absent value on this wire: an empty field is damage.
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=self._columns,
                include_columns=list(self._columns),
                null_values=[],
                strings_can_be_null=False,
            ),
        )
        (batch,) = table.combine_chunks().to_batches()
        return batch

    def _only(self, numbers: Sequence[int]) -> Block:
        return CsvBlock(self._joined(numbers), self._columns, self._names)

    def _fields(self, number: int) -> list[Any] | None:
        fields = _split(self._lines()[number])
        if fields is None or len(fields) != len(self._names):
            return None
        row = dict(zip(self._names, fields, strict=True))
        return [row[name] for name in self._columns]


# JSON ---------------------------------------------------------------------------------------------------


class NdjsonBlock(_Lines):
    """Lines with a JSON object each."""

    def typed(self) -> pa.RecordBatch:
        """The rows, as Polars' reader of NDJSON has them."""
        # Polars reads lines faster than Arrow does, and Arrow's reader ends the process at a line `null`.
        import polars as pl

        kinds = {pa.float64(): pl.Float64, pa.int64(): pl.Int64}
        types = {name: kinds.get(kind, pl.String) for name, kind in self._columns.items()}
        if self._is_blank():
            return self._batch({name: _typed(pa.array([]), kind) for name, kind in self._columns.items()})
        try:
            frame = pl.read_ndjson(io.BytesIO(self._text), schema=types)
        except pl.exceptions.PolarsError as error:
            raise ValueError(str(error)) from error
        return self._batch(
            {name: _typed(frame[name].to_arrow(), kind) for name, kind in self._columns.items()}
        )

    def check_last(self) -> None:
        """Raise ValueError where the last line, which has no end, is no whole row."""
        if not isinstance(_parsed(self._lines()[-1]), dict):
            raise ValueError("it ends in the middle of a line")

    def _only(self, numbers: Sequence[int]) -> Block:
        return NdjsonBlock(self._joined(numbers), self._columns)

    def _fields(self, number: int) -> list[Any] | None:
        row = _parsed(self._lines()[number])
        return [row.get(name) for name in self._columns] if isinstance(row, dict) else None


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


class JsonBlock(Block):
    """Rows of a JSON body, as its parser gave them."""

    def __init__(self, rows: Sequence[Row], columns: Columns) -> None:
        super().__init__(columns)
        self._rows = rows

    def typed(self) -> pa.RecordBatch:
        """The rows, value by value."""
        try:
            return self._batch(
                {
                    name: _array([row[name] for row in self._rows], kind)
                    for name, kind in self._columns.items()
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

    def _only(self, numbers: Sequence[int]) -> Block:
        return JsonBlock([self._rows[number] for number in numbers], self._columns)

    def _fields(self, number: int) -> list[Any] | None:
        row = self._rows[number]
        if not any(name in row for name in ("tick", "row")):
            return [row.get(name) for name in self._columns]
        return None


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
