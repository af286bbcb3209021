"""The layouts of JSON bodies: where the header is, where the rows are, and rows that lie in columns."""

from __future__ import annotations

import array
import itertools
import reprlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from spx_data.sources.theta import json_text
from spx_data.sources.theta.json_text import Cursor

Row = Mapping[str, Any]
Columns = Iterable[tuple[str, Any]]

_HEADER, _ROWS = "header", "response"
_MOST_ROWS = 1 << 16  # at a time
# Each of a contract's rows repeats what its contract says, and each row of a body in columns has all of them.
_MOST_SAID = 16
_MOST_COLUMNS = 64
_MOST_HELD = 256 << 20  # bytes, of a body in columns: a whole chain's take a third of it


class Opening(NamedTuple):
    """How a JSON body begins: its header object, and what holds its rows."""

    header: Row
    cursor: Cursor  # at the array of rows
    columns: Columns | None  # in place of that array: what an object of columns holds
    following: Iterator[str]  # the names after what holds the rows

    def elements(self) -> Iterator[list[Any]]:
        """What the array of rows holds, some at a time."""
        for text in self.cursor.elements():
            yield json_text.value(b"[" + text + b"]")

    def close(self) -> None:
        """Raise ValueError where the body does not end as it should."""
        for _ in self.following:
            self.cursor.skip()
        self.cursor.end()


def opening(body: BinaryIO) -> Opening:
    """The opening of a body (docs/wire.md, 1.1, 11.1 and 16), as far as its rows.

    They are the elements of an array, `response` or the whole body; or an object with an array for each
    column, which may be `response` or the whole body too. Raises ValueError where there are neither.
    """
    cursor = Cursor(body)
    if cursor.next_sign() == "[":
        return Opening({}, cursor, None, iter(()))
    keys: Iterator[str] = cursor.keys()
    found: Row = {}
    for name in keys:
        sign = cursor.next_sign()
        if name == _ROWS and sign == "[":
            return Opening(found, cursor, None, keys)
        if name == _ROWS and sign == "{":
            return Opening(found, cursor, _members(cursor, cursor.keys()), keys)
        if name == _ROWS:
            break
        if sign == "[":
            return Opening(found, cursor, _members(cursor, itertools.chain([name], keys)), keys)
        passed = cursor.value()
        if name == _HEADER and isinstance(passed, dict):
            found = passed
    raise ValueError(f"it has no array of rows, nor {_ROWS!r}")


def _members(cursor: Cursor, names: Iterable[str]) -> Columns:
    return ((name, cursor.value()) for name in names)


def header(body: BinaryIO) -> Row:
    """The header object of a body, wherever it stands; empty where there is none, or no object."""
    cursor = Cursor(body)
    for name in cursor.keys() if cursor.next_sign() == "{" else ():
        if name == _HEADER:
            found = cursor.value()
            return found if isinstance(found, dict) else {}
        cursor.skip()
    return {}


def names(header: Row) -> list[str] | None:
    """The names of the fields of rows that are arrays; None where the header names none."""
    found = header.get("format")
    named = isinstance(found, list) and found and all(isinstance(name, str) for name in found)
    return [name.strip().lower() for name in found] if named and isinstance(found, list) else None


def all_rows(opened: Opening) -> Iterator[Sequence[Row]]:
    """The rows of a body that is *opened* so, whichever of the layouts it has, some at a time.

    Raises ValueError where they have none of the layouts, and where the body does not end as it should.
    """
    named, pieces = names(opened.header), opened.elements() if opened.columns is None else iter(())
    first = next(pieces, [])
    if len(first) == 1:
        first += next(pieces, [])
    columns = opened.columns
    if named and _are_columns(first, len(named)):
        elements = itertools.chain.from_iterable(itertools.chain([first], pieces))
        columns = zip(named, elements, strict=True)
    if columns is not None:
        yield from _some(_of_columns(columns))
    else:
        for piece in itertools.chain([first], pieces):
            yield from _some(row for item in piece for row in rows(item, named))
    opened.close()


def _are_columns(elements: Sequence[Any], names: int) -> bool:
    """Whether arrays that follow a header's *names* are columns: they are alike, and longer or shorter."""
    lengths = {len(element) if isinstance(element, list) else -1 for element in elements[:2]}
    return lengths.isdisjoint({-1, names}) and len(lengths) == 1


def _some(rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
    rows = iter(rows)
    while some := list(itertools.islice(rows, _MOST_ROWS)):
        yield some


def _of_columns(columns: Columns) -> Iterator[Row]:
    """Rows whose columns are arrays; raises ValueError where their lengths differ, or they are too many."""
    whole: dict[str, Sequence[Any]] = {}
    held = 0
    for name, found in columns:
        if isinstance(found, list):
            whole[name.strip().lower()], size = _packed(found)
            held += size
        if len(whole) > _MOST_COLUMNS or held > _MOST_HELD:
            raise ValueError(f"it has more than {_MOST_COLUMNS} columns or {_MOST_HELD:,} bytes of them")
    if len({len(found) for found in whole.values()}) > 1:
        lengths = ", ".join(f"{name} {len(found)}" for name, found in whole.items())
        raise ValueError(f"its columns have different lengths: {lengths}")
    for fields in zip(*whole.values(), strict=True):
        yield dict(zip(whole, fields, strict=True))


def _packed(values: list[Any]) -> tuple[Sequence[Any], int]:
    """A column of numbers, or of words that repeat, in a part of the memory; and how many bytes that are."""
    if all(type(value) is float for value in values):
        packed = array.array("d", values)
        return packed, 8 * len(packed)
    words: dict[str, str] = {}
    kept = [words.setdefault(value, value) if type(value) is str else _bare(value) for value in values]
    once = [*words, *(value for value in kept if type(value) is not str)]
    return kept, 8 * len(kept) + sum(map(sys.getsizeof, once))


def _bare(value: Any) -> Any:
    """A value without what it holds: a field that is an object or an array is none, whatever is in it."""
    return type(value)() if isinstance(value, list | dict) else value


def rows(item: Any, names: list[str] | None) -> Iterable[Row]:
    """The rows in one element of `response`, whichever of the layouts it has (docs/wire.md, 1.1 and 11.1).

    A row that is none keeps what it is, under a name that is no column's. Raises ValueError where a contract
    has none of the layouts: how many rows it has cannot be told.
    """
    if not isinstance(item, dict) or "contract" not in item:  # v3: a flat row
        return [_row(item, names)]
    contract, inner = item["contract"], item.get("ticks", item.get("data"))
    if isinstance(inner, dict) and inner and all(isinstance(column, list) for column in inner.values()):
        inner = list(_of_columns(inner.items()))
    if not isinstance(contract, dict) or not isinstance(inner, list) or len(contract) > _MOST_SAID:
        raise ValueError(f"a contract of the response is {reprlib.repr(item)}")
    return ({**contract, **_row(row, names)} for row in inner)


def _row(row: Any, names: list[str] | None) -> Row:
    if isinstance(row, dict):
        return row
    if isinstance(row, list) and names and len(row) == len(names):
        return dict(zip(names, row, strict=True))
    return {"tick" if names else "row": row}
