"""The layouts of JSON bodies: where the header is, where the rows are, and words that are no JSON."""

from __future__ import annotations

import array
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import ijson

Row = Mapping[str, Any]

_HEADER, _ROWS = "header", "response"

# A value by itself; a piece of a body begins where one may begin.
_NO_NUMBER = re.compile(rb"((?:^|[\[:,])\s*)(-?(?:NaN|Infinity))(?=\s*[,\]}])")
_TELLTALE = (b"NaN", b"Infinity")


class Words:
    """A JSON body in which a bare NaN or Infinity, which is no JSON, reads as the word in quotation marks.

    So the row that holds it is a bad one, and not the whole body.
    """

    def __init__(self, body: BinaryIO) -> None:
        self._body = body
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """About *size* bytes more; none at the end."""
        if not size:
            return b""  # the parser asks so what kind of stream it is
        piece = self._body.read(size)
        while piece:
            # A number never spans a comma.
            whole, comma, rest = (self._rest + piece).rpartition(b",")
            self._rest = rest
            if comma:
                return _quoted(whole + comma)
            piece = self._body.read(size)
        last, self._rest = self._rest, b""
        return _quoted(last)


def _quoted(text: bytes) -> bytes:
    return _NO_NUMBER.sub(rb'\1"\2"', text) if any(word in text for word in _TELLTALE) else text


@dataclass(frozen=True)
class Opening:
    """How a JSON body begins: its header object, where its rows are, and whether they lie in columns."""

    header: Row
    prefix: str  # ijson's, of what holds the rows
    in_columns: bool = False


def opening(body: BinaryIO) -> Opening:
    """The opening of a body (wire-facts, 1.1, 11.1 and 16), as far as its rows.

    They are the elements of an array, `response` or the whole body; or an object with an array for each
    column, which may be `response` or the whole body too. Raises ValueError where there are neither.
    """
    events = ijson.parse(Words(body), use_float=True)
    _, event, _ = next(events, ("", "", None))
    if event == "start_array":
        return Opening({}, "")
    found: Row = {}
    while event == "start_map" and (key := next(events))[1] == "map_key":
        name, (_, kind, _) = key[2], next(events)
        if name == _HEADER and kind == "start_map":
            found = _object(events)
        elif name == _ROWS:
            if kind not in ("start_array", "start_map"):
                break
            return Opening(found, name, kind == "start_map")
        elif kind == "start_array":
            return Opening(found, "", in_columns=True)
        elif kind == "start_map":
            _object(events)
    raise ValueError(f"it has no array of rows, nor {_ROWS!r}")


def _object(events: Iterator[tuple[str, str, Any]]) -> Row:
    """The object that *events* are at the beginning of."""
    builder, depth = ijson.ObjectBuilder(), 1
    builder.event("start_map", None)
    while depth:
        _, event, value = next(events)
        depth += event.startswith("start_") - event.startswith("end_")
        builder.event(event, value)
    return dict(builder.value)


def header(body: BinaryIO) -> Row:
    """The header object of a body, wherever it stands; empty where there is none, or no object."""
    found = next(ijson.items(Words(body), _HEADER, use_float=True), None)
    return found if isinstance(found, dict) else {}


def names(header: Row) -> list[str] | None:
    """The names of the fields of rows that are arrays; None where the header names none."""
    found = header.get("format")
    named = isinstance(found, list) and found and all(isinstance(name, str) for name in found)
    return [name.strip().lower() for name in found] if named and isinstance(found, list) else None


def all_rows(body: BinaryIO, opened: Opening) -> Iterator[Row]:
    """The rows of a body that is *opened* so, whichever of the layouts it has."""
    named = names(opened.header)
    if opened.in_columns:
        return _of_columns(ijson.kvitems(Words(body), opened.prefix, use_float=True))
    items = ijson.items(Words(body), f"{opened.prefix}.item".lstrip("."), use_float=True)
    first = list(itertools.islice(items, 1))
    if first and isinstance(first[0], list) and named and len(first[0]) != len(named):
        first += itertools.islice(items, len(named))
        if len(first) == len(named) and all(isinstance(item, list) for item in first):
            return _of_columns(zip(named, first, strict=True))
    found = itertools.chain(first, items)
    return itertools.chain.from_iterable(rows(item, named) for item in found)


def _of_columns(columns: Iterable[tuple[str, Any]]) -> Iterator[Row]:
    """Rows whose columns are arrays; raises ValueError where these have different lengths."""
    whole = {name.strip().lower(): _packed(found) for name, found in columns if isinstance(found, list)}
    if len({len(found) for found in whole.values()}) > 1:
        lengths = ", ".join(f"{name} {len(found)}" for name, found in whole.items())
        raise ValueError(f"its columns have different lengths: {lengths}")
    for fields in zip(*whole.values(), strict=True):
        yield dict(zip(whole, fields, strict=True))


def _packed(values: list[Any]) -> Sequence[Any]:
    """A column of numbers in a quarter of the memory: a chain's are all in it at once."""
    floats = all(type(value) is float for value in values)
    return array.array("d", values) if floats else values


def rows(item: Any, names: list[str] | None) -> Iterable[Row]:
    """The rows in one element of `response`, whichever of the layouts it has (wire-facts, 1.1 and 11.1).

    A row that is none keeps what it is, under a name that is no column's. Raises ValueError where the
    element has none of the layouts.
    """
    if isinstance(item, list) and names:  # a row of a listing or of a single contract
        return [_row(item, names)]
    if not isinstance(item, dict):
        raise ValueError(f"an element of the response is {item!r:.80}")
    if "contract" not in item:  # v3: a flat row
        return [item]
    contract, inner = item["contract"], item.get("ticks", item.get("data"))
    if isinstance(inner, dict) and inner and all(isinstance(column, list) for column in inner.values()):
        inner = list(_of_columns(inner.items()))
    if not isinstance(contract, dict) or not isinstance(inner, list):
        raise ValueError(f"a contract of the response is {item!r:.80}")
    return ({**contract, **_row(row, names)} for row in inner)


def _row(row: Any, names: list[str] | None) -> Row:
    if isinstance(row, dict):
        return row
    if isinstance(row, list) and names and len(row) == len(names):
        return dict(zip(names, row, strict=True))
    return {"tick" if names else "row": row}
