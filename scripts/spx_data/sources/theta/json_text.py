"""JSON of the wire as Python values, piece by piece: however deep it is, and however large.

The one way from the bytes of a JSON body, or of a line of JSON, to values: `value` reads what is small, and
`Cursor` finds its way through a body of any size. What a value may be worth is judged by others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

# A row is two or three deep. What lies deeper is read as null, and the row says why by its kind of value.
DEEPEST = 8
# Of one element: a contract with all its rows, or a column. The longest column of a whole chain has 11 MB.
_LONGEST = 32 << 20  # bytes
_MOST_INNER = 1 << 18  # objects and arrays, of which an empty one costs 64 bytes for its three

_BLOCK = 1 << 20
_MOST_DIGITS = 4300  # what `int` reads, by Python's own limit
_BLANKS = b" \t\r\n"
_WORD = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\s,\[\]{}":]+', re.DOTALL)
_BOUNDS = {"[": "]", "{": "}"}
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_QUOTE, _COMMA, _OPENS, _CLOSES = (ord(sign) for sign in '",{}')


def value(text: bytes) -> Any:
    """The value of a whole JSON *text*; raises ValueError where it is none.

    Bare NaN and Infinity are floats. A byte that is no UTF-8 becomes half of a pair, which no word may hold.
    An integer that Python would not read stays the text it is, and what lies deeper than `DEEPEST` is null.
    """
    if _inner(text) > DEEPEST:
        text = _flattened(text)
    decoded = text.decode(errors="surrogateescape")
    try:
        return json.loads(decoded)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return json.loads(decoded, parse_int=_integer)


def _integer(digits: str) -> int | str:
    return digits if len(digits) > _MOST_DIGITS else int(digits)


def whole(body: BinaryIO) -> Any:
    """The value that *body* is from where it stands; raises ValueError where it is none, or more."""
    cursor = Cursor(body)
    found = cursor.value()
    cursor.end()
    return found


class _Structure(NamedTuple):
    """Where the signs of a piece are that are not within words, and how deep each byte lies."""

    text: npt.NDArray[np.uint8]
    within: npt.NDArray[np.bool_]  # a word, its last quotation mark excluded
    depth: npt.NDArray[np.int64]  # after the byte

    def opens(self) -> npt.NDArray[np.bool_]:
        """Where an object or an array begins."""
        return self._are(_OPENS)

    def closes(self) -> npt.NDArray[np.bool_]:
        """Where one ends."""
        return self._are(_CLOSES)

    def _are(self, sign: int) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = (self.text | 0x20) == sign  # [ and { differ in that bit alone
        return found & ~self.within


def _structure(text: bytes, depth: int = 0, *, within: bool = False) -> _Structure:
    """The structure of a piece, which begins at *depth*, maybe *within* a word."""
    # Of the same length, and an escaped quotation mark is none.
    plain = _ESCAPED.sub(b"__", text) if b"\\" in text else text
    signs = np.frombuffer(plain, np.uint8)
    inside = np.logical_xor.accumulate(signs == _QUOTE) ^ within
    bare = _Structure(signs, inside, np.empty(0, np.int64))
    steps = bare.opens().view(np.int8) - bare.closes().view(np.int8)
    return _Structure(signs, inside, depth + np.cumsum(steps, dtype=np.int64))


def _flattened(text: bytes) -> bytes:
    """*text* with null in place of every array and object that lies deeper than `DEEPEST`."""
    found = _structure(text)
    begins = np.flatnonzero(found.opens() & (found.depth == DEEPEST + 1))
    ends = np.flatnonzero(found.closes() & (found.depth == DEEPEST)) + 1
    if len(begins) != len(ends):
        raise ValueError("its brackets do not match")
    kept, at = [], 0
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        kept.append(text[at:begin])
        at = end
    return b"null".join([*kept, text[at:]])


class Cursor:
    """A place in a JSON body, which goes forward. Its methods raise ValueError where the body is no JSON."""

    def __init__(self, body: BinaryIO) -> None:
        """The cursor stands where *body* does."""
        self._body = body
        self._ahead = b""

    def next_sign(self) -> str:
        """The next character that is no blank, and stays where it is; empty at the end."""
        while not (ahead := self._ahead.lstrip(_BLANKS)):
            if not (block := self._body.read(_BLOCK)):
                return ""
            self._ahead = block
        self._ahead = ahead
        return chr(ahead[0])

    def keys(self) -> Iterator[str]:
        """The names in the object that begins here; each value is to be passed before the next name."""
        self._pass("{")
        following = self.next_sign()
        while following != "}":
            name = value(self._word())
            self._pass(":")
            yield str(name)
            if (following := self.next_sign()) != ",":
                break
            self._pass(",")
        self._pass("}")

    def value(self) -> Any:
        """The value that begins here."""
        if (sign := self.next_sign()) not in _BOUNDS:
            return value(self._word())
        text = bytearray(sign.encode())
        for inner in self.elements():
            text += b"," * (len(text) > 1) + inner
            _check(len(text), _inner(text) if len(text) > _MOST_INNER else 0)
        return value(bytes(text) + _BOUNDS[sign].encode())

    def skip(self) -> None:
        """Pass the value that begins here, of any size; it is looked whether it is one."""
        if (sign := self.next_sign()) not in _BOUNDS:
            value(self._word())
            return
        for text in self.elements():
            value(sign.encode() + text + _BOUNDS[sign].encode())

    def elements(self) -> Iterator[bytes]:
        """What the array or the object that begins here holds, as text: whole elements, many at a time."""
        begin = self.next_sign()
        self._pass(begin)
        before, size, inner, depth, within, empty = list[bytes](), 0, 0, 0, False, True
        while block := self._block():
            found = _structure(block, depth, within=within)
            ended = np.flatnonzero(found.depth < 0)[:1].tolist()
            commas = np.flatnonzero((found.text == _COMMA) & ~found.within & (found.depth == 0))
            cut = ended[0] if ended else commas[-1] if len(commas) else None
            if cut is not None:
                text = b"".join([*before, block[:cut]])
                before, size, inner = [], 0, 0
                if text.strip(_BLANKS):
                    yield text
                elif not (ended and empty):
                    raise ValueError("there is nothing between two commas")
                empty = False
            if ended:
                self._ahead = block[ended[0] :]
                self._pass(_BOUNDS[begin])
                return
            rest = block if cut is None else block[cut + 1 :]
            before.append(rest)
            size, inner = size + len(rest), inner + _inner(rest)
            _check(size, inner)
            depth, within = int(found.depth[-1]), bool(found.within[-1])
        raise ValueError("it ends too early")

    def end(self) -> None:
        """Raise ValueError where anything but blanks follows."""
        if sign := self.next_sign():
            raise ValueError(f"{sign!r} follows after its end")

    def _pass(self, sign: str) -> None:
        if (found := self.next_sign()) != sign:
            raise ValueError(f"{found!r} stands in place of {sign!r}" if found else "it ends too early")
        self._ahead = self._ahead[1:]

    def _word(self) -> bytes:
        """The word, or the number, that begins here."""
        begin = self.next_sign()
        while not (found := _WORD.match(self._ahead)) or found.end() == len(self._ahead):
            block = self._body.read(_BLOCK) if found or begin == '"' else b""
            if not block and not found:
                raise ValueError(f"{begin!r} begins no value" if begin else "it ends too early")
            if not block:
                break
            self._ahead += block
            _check(len(self._ahead), 0)
        assert found
        self._ahead = self._ahead[found.end() :]
        return found[0]

    def _block(self) -> bytes:
        """Some of the body, which ends behind any escape; none at its end."""
        block, self._ahead = self._ahead or self._body.read(_BLOCK), b""
        while block.endswith(b"\\") and (more := self._body.read(1)):
            block += more
        return block


def _inner(text: bytes | bytearray) -> int:
    """About how many arrays and objects are in *text*, and never fewer."""
    return text.count(b"[") + text.count(b"{")


def _check(size: int, inner: int) -> None:
    if size > _LONGEST:
        raise ValueError(f"one element has more than {_LONGEST:,} bytes")
    if inner > _MOST_INNER:
        raise ValueError(f"one element holds more than {_MOST_INNER:,} arrays and objects")
