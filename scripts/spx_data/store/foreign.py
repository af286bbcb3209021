"""What a file of the lake says, from any hand: JSON and gzip within ceilings.

A lake may come from elsewhere, and anybody may have edited it. Nothing below takes more memory than its
ceilings allow, whatever the bytes say: one megabyte of gzip can hold a thousand, and five of JSON a million
lists in lists. Everything that reads JSON or gzip out of the lake comes through here (most of it
by way of `reads.read_json`, `seals` and `journal`); only plain files are opened (`disk.open_plain`).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

# A passport of 500 chains takes 2 MB, a journal of ten tries of 73 chains 1 MB: thirty times as much is odd.
MOST_BYTES = 64 << 20  # of a document
MOST_JOURNAL_BYTES = 32 << 20  # of each of the two parts of a journal
MOST_LINE_BYTES = 1 << 20
MOST_REJECTS_BYTES = 256 << 20  # half of the rows of a large chain, with reasons
# An empty object takes Python 72 bytes and JSON three: bytes alone bound nothing.
MOST_VALUES = 4_000_000
MOST_DEPTH = 250  # orjson writes no deeper, and what is written with an indent is written recursively

_GZIP = 31  # what zlib calls a stream with a gzip header
_BLOCK = 1 << 16
_MOST_MEMBERS = 1000  # we write one
_FEW_BYTES = 1 << 20  # so much JSON is never much memory
_DEEP = f"it is nested deeper than {MOST_DEPTH} levels"


def values(text: bytes) -> int:
    """How many values *text* can hold as JSON, at most."""
    return text.count(b",") + text.count(b"[") + text.count(b"{") + 1


def parsed(text: bytes | str) -> Any:
    """The JSON value in *text*, as the standard library has it but sooner.

    Raises:
        ValueError: it is none, or beyond the ceilings.
    """
    import orjson  # here, because most jobs read little

    def fast(raw: bytes) -> Any:
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            # It refuses what JSON as Python writes it may hold: NaN, half characters, bytes that are no text.
            return _plain(raw.decode(errors="replace") if isinstance(text, bytes) else text)

    return _within(text.encode(errors="surrogatepass") if isinstance(text, str) else text, fast)


def exactly(text: bytes) -> Any:
    """The JSON value in *text* by the standard library: integers of any size, and no byte that is no text.

    Raises:
        ValueError: it is none, or beyond the ceilings.
    """
    return _within(text, _plain)


def _plain(text: bytes | str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(_DEEP) from None


def _within(raw: bytes, load: Callable[[bytes], Any]) -> Any:
    if len(raw) > MOST_BYTES:
        raise ValueError(f"it has {len(raw):,} bytes, and {MOST_BYTES:,} are the most")
    if len(raw) > _FEW_BYTES and (count := values(raw)) > MOST_VALUES:
        raise ValueError(f"it has some {count:,} values, and {MOST_VALUES:,} are the most")
    found = load(raw)
    if len(raw) > 2 * MOST_DEPTH and _is_deep(found):
        raise ValueError(_DEEP)
    return found


def _is_deep(value: Any) -> bool:
    """Whether there are more than `MOST_DEPTH` levels in *value*."""
    import orjson

    try:
        orjson.dumps(value)  # a quarter of the time that the parsing took
        return False
    except orjson.JSONEncodeError:  # as it says of large integers and half characters too
        level = [value]
    for _ in range(MOST_DEPTH + 1):
        level = [inner for each in level for inner in _inside(each)]
    return bool(level)


def _inside(value: Any) -> Collection[Any]:
    """The values right below *value*; none where it holds none."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def unpacked(content: bytes, most: int) -> tuple[bytes, str]:
    """*content* without its gzip as far as that goes, and what is wrong with it; empty where nothing is.

    *most* are the bytes that are worth having; beyond them nothing is unpacked.
    """
    found, at = bytearray(), 0
    if not content:
        return b"", ""
    for _ in range(_MOST_MEMBERS):
        stream = zlib.decompressobj(_GZIP)
        while not stream.eof:
            if at >= len(content):
                return bytes(found + stream.flush()), "it breaks off"
            block = content[at : at + _BLOCK]
            if fault := _inflate(stream, block, found, most):
                return bytes(found), fault
            if len(found) > most:
                return bytes(found[:most]), f"it unpacks to more than {most:,} bytes"
            at += len(block) - len(stream.unused_data)
        # Members follow one another, and zeros may pad the last.
        at = len(content) - len(content[at:].lstrip(b"\0"))
        if at == len(content):
            return bytes(found), ""
    return bytes(found), f"it has more than {_MOST_MEMBERS:,} members"


def _inflate(stream: zlib._Decompress, block: bytes, found: bytearray, most: int) -> str:
    """Add to *found* what *block* holds; what is wrong with it, after all that could be had, else nothing."""
    before, mark = stream.copy(), len(found)
    try:
        _add(stream, block, found, most)
        return ""
    except zlib.error as error:
        said = str(error)
    # Of a call that fails nothing is had: byte by byte, all before the damage is.
    del found[mark:]
    with suppress(zlib.error):
        for place in range(len(block)):
            _add(before, block[place : place + 1], found, most)
    return said


def _add(stream: zlib._Decompress, rest: bytes, found: bytearray, most: int) -> None:
    while rest and not stream.eof and len(found) <= most:
        found += stream.decompress(rest, _BLOCK)
        rest = stream.unconsumed_tail
