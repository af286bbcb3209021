"""Thrift's compact protocol, read without trust: what Parquet writes its footer and page headers in.

A damaged file must not lead its reader astray, so nothing here allocates what the bytes claim, recurses as
deep as they like or reads past their end: the work is bounded by the bytes given, and by `_MOST`.
"""

from __future__ import annotations

import struct
from typing import Any

Struct = dict[int, Any]

_DEEPEST = 24
_MOST = 4_000_000  # values in one struct; a day of one-second stamps has about a tenth of that
_TRUE, _FALSE = 1, 2


class Unreadable(ValueError):
    """The bytes are not what they should be; the message says what and where."""


def read(data: bytes, at: int = 0) -> tuple[Struct, int]:
    """The struct that begins at *at*, by field number, and where it ends.

    Raises:
        Unreadable: it is none, or *data* ends before it does.
    """
    reader = _Reader(data, at)
    try:
        return reader.struct(0), reader.at
    except IndexError as error:
        raise Unreadable("the bytes end within it") from error


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._left = _MOST
        self.at = at

    def struct(self, depth: int) -> Struct:
        if depth > _DEEPEST:
            raise Unreadable(f"nested deeper than {_DEEPEST} levels")
        found: Struct = {}
        number = 0
        while head := self._byte():
            kind, delta = head & 15, head >> 4
            number = number + delta if delta else _signed(self._varint())
            found[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise Unreadable(f"more than {_MOST:,} values")
        match kind:
            case 4 | 5 | 6:  # integers of 16, 32, 64 bits
                return _signed(self._varint())
            case 8:  # text or bytes
                return self._take(self._varint())
            case 9 | 10:  # list, set
                return self._list(depth + 1)
            case 11:
                return self._map(depth + 1)
            case 12:
                return self.struct(depth + 1)
            case 1 | 2 | 3:  # in a list, a truth value is a byte of its own
                return self._byte()
            case 7:
                return struct.unpack("<d", self._take(8))[0]
            case 13:  # UUID
                return self._take(16)
        raise Unreadable(f"no type has the number {kind}")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        kind, count = head & 15, head >> 4
        if count == 15:
            count = self._varint()
        self._check(count, depth)
        return [self._value(kind, depth) for _ in range(count)]

    def _map(self, depth: int) -> dict[Any, Any]:
        count = self._varint()
        self._check(count, depth)
        kinds = self._byte() if count else 0
        pairs = [(self._value(kinds >> 4, depth), self._value(kinds & 15, depth)) for _ in range(count)]
        return {key: value for key, value in pairs if isinstance(key, int | bytes)}

    def _check(self, count: int, depth: int) -> None:
        # Every element takes a byte at least, so the claim cannot exceed what is left.
        if count > len(self._data) - self.at or depth > _DEEPEST:
            raise Unreadable(f"a list of {count:,} elements cannot be in what is left")

    def _byte(self) -> int:
        value = self._data[self.at]
        self.at += 1
        return value

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._data):
            raise Unreadable(f"{size:,} bytes cannot be in what is left")
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def _varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise Unreadable("a number of more than 64 bits")


def _signed(value: int) -> int:
    return (value >> 1) ^ -(value & 1)
