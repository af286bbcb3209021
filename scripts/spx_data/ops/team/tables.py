"""The status log's tables as PostgreSQL has them: made from SQLite's own statements, row for row the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spx_data.status import tables

_TABLE = re.compile(r"CREATE TABLE (\w+) \((.*?)\n?\)(?: WITHOUT ROWID)?;", re.DOTALL)
_COLUMN = re.compile(r"(?:^|,)\s*(\w+) (TEXT|INTEGER|REAL)\b")
_INDEX = re.compile(r"CREATE INDEX (\w+) ON (\w+) \((\w+)\);")
_KINDS = {"TEXT": "text", "INTEGER": "bigint", "REAL": "double precision"}
_LARGEST = 2**63


@dataclass(frozen=True)
class Table:
    """One table: its name, and what stands between its brackets in SQLite's statement."""

    name: str
    inside: str

    @cached_property
    def columns(self) -> dict[str, str]:
        """Each column with its type in PostgreSQL."""
        return {name: _KINDS[kind] for name, kind in _COLUMN.findall(self.inside)}

    @cached_property
    def statement(self) -> str:
        """What makes it, in the schema that comes first on the path."""
        told = re.sub(r"\b(TEXT|INTEGER|REAL)\b", lambda kind: _KINDS[kind[1]], self.inside)
        return f"CREATE TABLE {self.name} ({told})"

    def held(self, row: Sequence[Any]) -> list[Any]:
        """*row* as the columns can hold it: what SQLite takes in any column, and these do not, is null."""
        return [_held(value, kind) for value, kind in zip(row, self.columns.values(), strict=True)]


def _held(value: Any, kind: str) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\\x00") if kind == "text" else None
    if kind == "bigint":
        return value if isinstance(value, int) and -_LARGEST <= value < _LARGEST else None
    return value if value is None or kind != "text" else str(value)


def every() -> Iterator[Table]:
    """Each table of the status log, in the order that it has there."""
    return (Table(name, inside) for name, inside in _TABLE.findall(tables.SCHEMA))


def indexes() -> Iterator[str]:
    """What makes the indexes, once the rows are in."""
    return (
        f"CREATE INDEX {name} ON {table} ({column})" for name, table, column in _INDEX.findall(tables.INDEXES)
    )
