"""The layouts of JSON bodies: where the header is, where the rows are, and words that are no JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import ijson

Row = Mapping[str, Any]

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


def header(body: BinaryIO) -> Row:
    """The header object that a body begins with; empty where it begins with another key."""
    body.seek(0)
    keys = (value for prefix, event, value in ijson.parse(Words(body)) if (prefix, event) == ("", "map_key"))
    first = next(keys, None)
    body.seek(0)
    found = next(ijson.items(Words(body), "header", use_float=True), None) if first == "header" else None
    return found if isinstance(found, dict) else {}


def names(header: Row) -> list[str] | None:
    """The names of a v2 answer's fields; None where its header names none."""
    found = header.get("format")
    named = isinstance(found, list) and all(isinstance(name, str) for name in found)
    return found if named else None


def rows(item: Any, names: list[str] | None) -> Iterable[Row]:
    """The rows in one element of `response`, whichever of the layouts it has (wire-facts, 1.1 and 11.1).

    A row that is none keeps what it is, under a name that is no column's. Raises ValueError where the
    element has none of the layouts.
    """
    if isinstance(item, list) and names:  # v2: a row of a listing or of a single contract
        return [_tick(item, names)]
    if not isinstance(item, dict):
        raise ValueError(f"an element of the response is {item!r:.80}")
    if "contract" not in item:  # v3: a flat row
        return [item]
    contract = item["contract"]
    inner = item.get("ticks") if names else item.get("data")
    if not isinstance(contract, dict) or not isinstance(inner, list):
        raise ValueError(f"a contract of the response is {item!r:.80}")
    if names:  # v2 bulk
        return ({**contract, **_tick(tick, names)} for tick in inner)
    return ({**contract, **(row if isinstance(row, dict) else {"row": row})} for row in inner)  # v3


def _tick(tick: Any, names: list[str]) -> Row:
    if isinstance(tick, list) and len(tick) == len(names):
        return dict(zip(names, tick, strict=True))
    return {"tick": tick}
