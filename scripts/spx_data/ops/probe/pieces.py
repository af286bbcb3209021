"""An answer's table in pieces, each of them bytes as they came: what is cut out leaves the others alone.

A piece is a line of CSV or NDJSON, or an element of the array that holds a JSON body's rows: a row, or a
contract with all of its own. Where JSON lies in columns, each row takes its value out of every column.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import re
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

from spx_data.market.records import RIGHTS
from spx_data.sources.theta import json_text
from spx_data.sources.theta.wire_rows import listed_date

_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]')
_NAME = re.compile(rb'\s*"((?:[^"\\]|\\.)*)"\s*:\s*')
_CONTRACT = re.compile(rb'"contract"\s*:\s*(\{[^{}]*\})')
_MOST_UNPACKED = 256 << 20  # bytes; a chain of real size has 80 MB
_GZIP = b"\x1f\x8b"
_THOUSANDTHS = 1000.0
_ROOTS = ("symbol", "root")
_OF_A_REPORT, _FIGURES = "volume", ("bid", "ask", "volume", "count")  # histories of quotes have two of them


class Key(NamedTuple):
    """Whose a piece is; None where it does not say so readably."""

    root: str | None = None
    expiration: dt.date | None = None  # as listed
    right: str | None = None  # C or P
    strike: float | None = None  # dollars
    lively: bool = False  # a figure of an end-of-day report is not zero


@dataclass(frozen=True)
class Listed:
    """Pieces one after the other, with *joint* between them."""

    head: bytes
    parts: Sequence[bytes]
    tail: bytes
    joint: bytes
    read: Callable[[Sequence[bytes]], list[Key]]  # whose pieces are

    @cached_property
    def keys(self) -> Sequence[Key]:
        """Whose the pieces are."""
        return self.read(self.parts)

    @cached_property
    def ends(self) -> Sequence[Key]:
        """Whose the first and the last piece are; nothing where there is no piece."""
        return self.read([*self.parts[:1], *self.parts[-1:]])

    def text(self, number: int) -> bytes:
        """A piece as it came."""
        return self.parts[number]

    def sizes(self) -> Sequence[int]:
        """Bytes of each piece."""
        return [len(part) for part in self.parts]

    def kept(self, keep: Callable[[int], bool]) -> bytes:
        """The body with those pieces alone whose number is to be kept."""
        chosen = (part for number, part in enumerate(self.parts) if keep(number))
        return self.head + self.joint.join(chosen) + self.tail


@dataclass(frozen=True)
class Columns:
    """Columns of JSON, each between what stands before it and what follows; a row of all is a piece."""

    body: bytes
    columns: Sequence[tuple[int, int]]  # where each array begins and ends
    keys: Sequence[Key]

    @property
    def ends(self) -> Sequence[Key]:
        """Whose the first and the last piece are; nothing where there is no piece."""
        return [*self.keys[:1], *self.keys[-1:]]

    def text(self, number: int) -> bytes:  # noqa: ARG002
        """Nothing, for a piece lies in several places."""
        return b""

    def sizes(self) -> Sequence[int]:
        """Bytes of each piece."""
        return [len(self.body) // max(1, len(self.keys))] * len(self.keys)

    def kept(self, keep: Callable[[int], bool]) -> bytes:
        """The body with those pieces alone whose number is to be kept."""
        chosen, found, at = [keep(number) for number in range(len(self.keys))], [], 0
        for begin, end in self.columns:
            parts = [self.body[first:last] for first, last in _spans(self.body, begin)]
            left = (part for part, kept in zip(parts, chosen, strict=True) if kept)
            found += [self.body[at : begin + 1], b",".join(left)]
            at = end
        return b"".join([*found, self.body[at:]])


Pieces = Listed | Columns


def of(body: bytes, *, thousandths: bool) -> Pieces | None:
    """The table in *body*, which is not packed; None where it is none whose rows tell their contracts.

    Strikes are in *thousandths* of a dollar where that is said (API v2).
    """
    text = body.removeprefix(BOM_UTF8)
    begin = text.lstrip()[:1]
    if not begin:
        return None
    try:
        if begin == b"[" or (begin == b"{" and not _is_ndjson(text)):
            return _of_json(body, len(body) - len(text), thousandths)
        return _of_lines(body, len(body) - len(text), thousandths, is_csv=begin != b"{")
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def unpacked(body: bytes) -> bytes | None:
    """*body* as it is, or unpacked; None where it cannot be unpacked, or is more than any answer."""
    if not body.startswith(_GZIP):
        return body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as stream:
            found = stream.read(_MOST_UNPACKED)
            return None if stream.read(1) else found
    except (EOFError, zlib.error, OSError):
        return None


def _is_ndjson(text: bytes) -> bool:
    """Whether each line is an object by itself."""
    first = _LINE.match(text.lstrip())
    try:
        row = json_text.value(first[0]) if first else None
    except ValueError:
        return False
    return isinstance(row, dict) and not any(isinstance(value, list | dict) for value in row.values())


def _keys(rows: Iterable[Any], names: Sequence[str], thousandths: bool) -> list[Key]:
    """Whose *rows* of fields named *names* are; raises KeyError where the names do not tell."""
    at = {name: number for number, name in reversed(list(enumerate(names)))}
    root = next((at[name] for name in _ROOTS if name in at), None)
    places = [root, at.get("expiration"), at["right"], at["strike"]]
    reported = [at[name] for name in _FIGURES if name in at] if _OF_A_REPORT in at else []
    last = max(place for place in [*places, *reported] if place is not None)
    known: dict[tuple[Any, ...], Key] = {}
    found = []
    for row in rows:
        fields = row.split(b",", last + 1) if isinstance(row, bytes) else row
        if not isinstance(fields, list | tuple) or len(fields) <= last:
            found.append(Key())
            continue
        # Rows of one contract spell it alike, so each spelling is read once.
        told = tuple(["" if place is None else fields[place] for place in places])
        if told not in known:
            known[told] = _key([_word(field) for field in told], thousandths)
        lively = bool(reported) and any(_figure(_word(fields[place])) for place in reported)
        found.append(known[told]._replace(lively=True) if lively else known[told])
    return found


def _word(field: Any) -> str:
    text = field.decode(errors="replace") if isinstance(field, bytes) else str(field)
    return text.strip().strip('"')


def _key(told: Sequence[str], thousandths: bool) -> Key:
    root, expiration, right, strike = told
    return Key(
        root or None, listed_date(expiration), RIGHTS.get(right.upper()), _dollars(strike, thousandths)
    )


def _dollars(text: str, thousandths: bool) -> float | None:
    found = _figure(text)
    return (found / _THOUSANDTHS if thousandths else found) or None


def _figure(text: Any) -> float:
    try:
        return float(text)
    except (ValueError, TypeError):
        return 0.0


# Lines --------------------------------------------------------------------------------------------------


def _of_lines(body: bytes, begin: int, thousandths: bool, *, is_csv: bool) -> Pieces:
    lines = _LINE.findall(body, begin)
    if not is_csv:
        return _read(body[:begin], lines, b"", b"", partial(_of_objects, thousandths=thousandths))
    head = next(number for number, line in enumerate(lines) if line.strip()) + 1
    names = [_word(name).lower() for name in lines[head - 1].split(b",")]
    rows = partial(_keys, names=names, thousandths=thousandths)
    return _read(body[:begin] + b"".join(lines[:head]), lines[head:], b"", b"", rows)


def _read(
    head: bytes,
    parts: Sequence[bytes],
    tail: bytes,
    joint: bytes,
    read: Callable[[Sequence[bytes]], list[Key]],
) -> Pieces:
    """Pieces of which the ends are read already: a reader that cannot read these raises at once."""
    found = Listed(head, parts, tail, joint, read)
    found.ends  # noqa: B018 - raises
    return found


def _of_objects(parts: Sequence[bytes], thousandths: bool) -> list[Key]:
    return [_of_object(part, thousandths) for part in parts]


def _of_object(text: bytes, thousandths: bool) -> Key:
    """Whose an object is: by its own fields, or by those of the contract in it."""
    if inner := _CONTRACT.search(text):
        text = inner[1]
    try:
        row = json_text.value(text)
    except ValueError:
        return Key()
    if not isinstance(row, dict):
        return Key()
    return _keys([list(row.values())], [name.strip().lower() for name in row], thousandths)[0]


# JSON ---------------------------------------------------------------------------------------------------


def _spans(body: bytes, begin: int) -> list[tuple[int, int]]:
    """Where each element is of the array or object at *begin*; raises ValueError unless it ends."""
    depth, last = 0, begin + 1
    found: list[tuple[int, int]] = []
    for token in _TOKEN.finditer(body, begin):
        sign = token[0]
        if sign in (b"[", b"{"):
            depth += 1
        elif sign in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                whole = (last, token.start())
                return [*found, whole] if found or body[slice(*whole)].strip() else []
        elif sign == b"," and depth == 1:
            found.append((last, token.start()))
            last = token.end()
    raise ValueError("it does not end")


def _members(body: bytes, begin: int) -> dict[str, tuple[int, int]]:
    """Where the value of each member is of the object that begins at *begin*."""
    found = {}
    for first, last in _spans(body, begin):
        if name := _NAME.match(body, first, last):
            found[json_text.value(b'"' + name[1] + b'"')] = (name.end(), last)
    return found


def _of_json(body: bytes, begin: int, thousandths: bool) -> Pieces | None:
    begin += len(body[begin:]) - len(body[begin:].lstrip())
    names: list[str] | None = None
    if body[begin : begin + 1] == b"{":
        members = _members(body, begin)
        if "header" in members:
            told = json_text.value(body[slice(*members["header"])]).get("format")
            names = [str(name).strip().lower() for name in told] if told else None
        if "response" not in members:
            return _of_columns(body, members, thousandths)
        begin = members["response"][0]
        if body[begin : begin + 1] == b"{":
            return _of_columns(body, _members(body, begin), thousandths)
    return _of_array(body, begin, names, thousandths)


def _of_array(body: bytes, begin: int, names: list[str] | None, thousandths: bool) -> Pieces | None:
    spans = _spans(body, begin)
    parts = [body[first:last] for first, last in spans]
    if not parts:
        return None
    if parts[0].lstrip()[:1] == b"{":
        read = partial(_of_objects, thousandths=thousandths)
    elif names is None:
        return None
    elif len(parts) == len(names) and len(json_text.value(parts[0])) != len(names):
        ends = [(last - len(part.lstrip()), last) for (_, last), part in zip(spans, parts, strict=True)]
        return _of_columns(body, dict(zip(names, ends, strict=True)), thousandths)
    else:
        read = partial(_of_arrays, names=names, thousandths=thousandths)
    return _read(body[: begin + 1], parts, body[spans[-1][1] :], b",", read)


def _of_arrays(parts: Sequence[bytes], names: Sequence[str], thousandths: bool) -> list[Key]:
    return _keys(map(json_text.value, parts), names, thousandths)


def _of_columns(body: bytes, members: dict[str, tuple[int, int]], thousandths: bool) -> Pieces:
    columns = {
        name.strip().lower(): _array(body, begin)
        for name, (begin, _) in members.items()
        if body[begin : begin + 1] == b"["
    }
    wanted = [name for name in columns if name in (*_ROOTS, "expiration", "right", "strike", *_FIGURES)]
    values = [json_text.value(body[slice(*columns[name])]) for name in wanted]
    keys = _keys(zip(*values, strict=True), wanted, thousandths)
    return Columns(body, [(begin, end - 1) for begin, end in columns.values()], keys)


def _array(body: bytes, begin: int) -> tuple[int, int]:
    """Where the array that begins at *begin* is."""
    spans = _spans(body, begin)
    last = spans[-1][1] if spans else body.index(b"]", begin)
    return begin, last + 1
