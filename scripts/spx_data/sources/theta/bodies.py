"""Answers and their bodies, which are files: read as far as their ceiling, and unpacked as far.

Some bodies of CSV have no last line end, and those that are cut may look so (`Unended`).
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from codecs import BOM_UTF8
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Protocol

from spx_data.sources.theta import errors
from spx_data.sources.theta.limits import CHUNK, REPORT, Ceiling, Watch

_TAIL = 1 << 16  # bytes: with the length they tell two cuts of one body apart


class Unended:
    """What one connection has seen of such bodies: they are believed once one has come twice alike.

    A body that is cut before a line end, or within its last number, reads like a whole one. Cuts differ from
    try to try; one that never ends a last line sends the same again. From then on that is the terminal's way.
    """

    def __init__(self, *, expected: bool = False) -> None:
        """Where that is *expected*, the terminal was seen to be so."""
        self._seen: dict[str, tuple[int, str]] = {}
        self._is_habit = expected

    def is_believed(self, url: str, body: BinaryIO) -> bool:
        """Whether the *body* that *url* was answered with is whole; its position is kept."""
        at, size = body.tell(), body.seek(0, 2)
        body.seek(max(0, size - _TAIL))
        found = size, hashlib.sha256(body.read()).hexdigest()
        body.seek(at)
        self._is_habit = self._is_habit or self._seen.get(url) == found
        self._seen[url] = found
        return self._is_habit


SMALL = 1 << 16  # bytes of which a short answer has fewer
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Answer:
    """A complete answer with status 200: its body, rewound, and what its headers say."""

    url: str
    content_type: str  # lower case, without parameters; empty when the header is missing
    next_page: str | None
    body: BinaryIO
    about: str = ""  # the URL that was asked at first, where this answer is a later page
    unended: Unended = field(default_factory=Unended)
    ceiling: Ceiling = REPORT  # what it may be at most
    cut: Exception | None = None  # why the body breaks off, where it does: its last line is whole

    def text(self) -> str:
        """The whole body as text; for short answers."""
        self.body.seek(0)
        return self.body.read(SMALL).decode(errors="replace").strip()


class _Readable(Protocol):
    def read(self, amount: int, /) -> bytes: ...


def copy(source: _Readable, body: BinaryIO, ceiling: Ceiling, watch: Watch, url: str, about: str) -> None:
    """Write what *source* gives to *body* while *watch* looks on.

    Raises ApiResponseInvalidError where it is more than the *ceiling*.
    """
    while block := source.read(CHUNK):
        body.write(block)
        watch.bytes = body.tell()
        check(watch.bytes, ceiling, url, about)
    body.truncate()


def trim(body: BinaryIO) -> int:
    """Cut a *body* that broke off behind its last whole line, and rewind it; returns what is left of it."""
    end = body.tell()
    at = max(0, end - _TAIL)
    body.seek(at)
    size = at + body.read(end - at).rfind(b"\n") + 1
    body.truncate(size)
    body.seek(0)
    return size


def check(size: int, ceiling: Ceiling, url: str, about: str) -> None:
    """Raise ApiResponseInvalidError where *size* bytes of an answer are more than the *ceiling*."""
    if size > ceiling.bytes:
        finding = f"is larger than {ceiling.bytes / 1e6:,.1f} MB"
        expected = f"at most {ceiling.rows:,} rows, by what was asked"
        raise errors.invalid(url, finding, expected, about=about)


def past_mark(body: BinaryIO) -> None:
    """Go to the beginning of a body, behind the mark of UTF-8 if there is one."""
    body.seek(0)
    if body.read(len(BOM_UTF8)) != BOM_UTF8:
        body.seek(0)


def is_packed(answer: Answer) -> bool:
    """Whether the body is gzip, whatever its headers say."""
    begin = answer.body.read(len(_GZIP))
    answer.body.seek(0)
    return begin == _GZIP


def unpacked(answer: Answer, other: BinaryIO) -> Answer:
    """*answer*, which came in gzip, with its body unpacked into *other*."""
    try:
        with gzip.GzipFile(fileobj=answer.body) as stream:
            while block := stream.read(CHUNK):
                other.write(block)
                check(other.tell(), answer.ceiling, answer.url, answer.about)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        finding = f"is gzip, which was not asked for, and cannot be unpacked ({error})"
        raise errors.invalid(answer.url, finding, "a body as it is", about=answer.about) from error
    other.truncate()
    other.seek(0)
    return replace(answer, body=other)


def checked(answer: Answer) -> Answer:
    """*answer*; raises ApiDataNotFoundError where it is nothing, or a sentence that says so."""
    short = answer.body.read(SMALL)
    answer.body.seek(0)
    if len(short) < SMALL and errors.says_no_data(short, answer.about or answer.url):
        raise errors.no_data(answer.url, short)
    return answer
