"""Bytes of the wire as words for an error: one short line that is text, or the name of what is none."""

from __future__ import annotations

import unicodedata
import zlib

from spx_data.text import printable

EXCERPT = 200  # characters

_MAGIC = ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip"), (b"PAR1", "Parquet"), (b"\x28\xb5\x2f\xfd", "zstd"))
_GZIP = _MAGIC[0][0]
_ODD = 0.25  # of the characters, in what is text still


def excerpt(body: bytes, size: int | None = None) -> str:
    """The beginning of *body* as one line of text; what is no text is named, by its *size* and its kind."""
    if body.startswith(_GZIP):
        body = _unpacked(body)
    start = body[: 4 * EXCERPT]
    text = start.decode(errors="replace").removeprefix("\ufeff")
    if sum(map(_is_odd, text[:-1])) > _ODD * len(text):  # the last character may be cut in two
        kind = next((f", {name}" for magic, name in _MAGIC if start.startswith(magic)), "")
        return f"{_amount(len(body) if size is None else size)} of binary{kind}"
    return shown(text).lstrip(":")


def shown(text: str) -> str:
    """*text* as one short line that does nothing to the screen: what would is visible (`printable`)."""
    return printable.line(text[: 8 * EXCERPT])[:EXCERPT]


def _is_odd(character: str) -> bool:
    """Whether a character stands for none, or controls something."""
    return character == "\N{REPLACEMENT CHARACTER}" or (
        unicodedata.category(character) == "Cc" and not character.isspace()
    )


def _unpacked(body: bytes) -> bytes:
    """The beginning of what is packed in *body*; the body itself where it is damaged."""
    try:
        return zlib.decompressobj(wbits=31).decompress(body, 4 * EXCERPT) or body
    except zlib.error:
        return body


def _amount(size: int) -> str:
    return (
        f"{size} bytes"
        if size < 1000
        else f"{size / 1000:.0f} kB"
        if size < 10**6
        else f"{size / 1e6:.1f} MB"
    )
