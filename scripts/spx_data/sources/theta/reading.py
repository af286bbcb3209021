"""Rows as they are wanted, and how a block of them is read: all at once, or field by field."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from spx_data.market.records import FIELDS
from spx_data.sources.theta import spelling
from spx_data.sources.theta.spelling import WORD, Unread

Columns = Mapping[str, pa.DataType]


class Wanted(NamedTuple):
    """The names and the types that rows must have; those that are *optional* may be null."""

    columns: Columns
    optional: frozenset[str] = frozenset()

    @property
    def needed(self) -> list[str]:
        """The names without which there is no table."""
        return [name for name in self.columns if name not in self.optional]

    def batch(self, arrays: Mapping[str, pa.Array]) -> pa.RecordBatch:
        """The columns as a batch; raises ValueError where one lacks what it must have."""
        for name in self.needed:
            if arrays[name].null_count:
                raise ValueError(f"a row lacks {name}")
        return pa.RecordBatch.from_arrays(
            [_trimmed(arrays[name]) for name in self.columns], schema=pa.schema(self.columns.items())
        )


def _trimmed(column: pa.Array) -> pa.Array:
    """A column of words without blanks around them; any other as it is."""
    if column.type != WORD:
        return column
    words = column.dictionary.to_pylist()
    if words == (bare := [word.strip() for word in words]):
        return column
    return pa.DictionaryArray.from_arrays(column.indices, pa.array(bare, pa.string()))


@dataclass(frozen=True)
class Parted:
    """The rows of a block that can be read, their numbers in it, and the others' numbers with reasons."""

    batch: pa.RecordBatch
    numbers: Sequence[int]
    bad: Mapping[int, str]


class Block(ABC):
    """Rows of a body; *exact* says whether rows read all at once are bad for the reasons that they give."""

    exact = True

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    @abstractmethod
    def typed(self) -> pa.RecordBatch:
        """The rows, with exactly the columns; raises ValueError where one of them cannot be read so."""

    def loose(self) -> pa.RecordBatch:
        """Like `typed`, for rows that lack values or spell words otherwise, where the format allows it."""
        raise ValueError("only row by row")

    @abstractmethod
    def raw(self, number: int) -> str:
        """The text of a row."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _fields(self, number: int) -> list[Any] | None:
        """A row's values of the columns, as they came (None where one is absent); None where it is no row."""

    def parted(self) -> Parted:
        """The rows read field by field: slower than `typed`, and whatever the spelling."""
        columns = self._wanted.columns
        readers = [spelling.reader(name, kind) for name, kind in columns.items()]
        optional = [name in self._wanted.optional for name in columns]
        numbers: list[int] = []
        rows: list[list[Any]] = []
        bad: dict[int, str] = {}
        for number in range(len(self)):
            fields = self._fields(number)
            row = FIELDS if fields is None else _read(fields, readers, optional)
            if isinstance(row, str):
                bad[number] = row
            else:
                numbers.append(number)
                rows.append(row)
        arrays = zip(columns.items(), zip(*rows, strict=True) if rows else [()] * len(columns), strict=True)
        return Parted(
            self._wanted.batch({name: spelling.array(list(found), kind) for (name, kind), found in arrays}),
            numbers,
            bad,
        )


def _read(
    fields: Sequence[Any], readers: Sequence[Callable[[Any], Any]], optional: Sequence[bool]
) -> list[Any] | str:
    """A row's values; the reason where one that it must have cannot be read."""
    row = []
    for field, read, may_lack in zip(fields, readers, optional, strict=True):
        try:
            row.append(read(field))
        except Unread as error:
            if not may_lack:
                return error.reason
            row.append(None)
    return row
