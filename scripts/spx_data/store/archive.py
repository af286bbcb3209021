"""A file that only grows, compressed once it is at rest: its older lines in `name.gz`, later ones in `name`.

A person reads it with `zcat name.gz; cat name`, a program with `read`: every line once, oldest first, also
where a crash left the same lines in both. The first line of the compressed file is no line of the other: it
says how many bytes of `name` went in last, and their SHA-256. While `name` still begins with these very
bytes, they are not read a second time. The new file is whole on the device before the old one is removed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spx_data.errors import FileCorruptionError, MissingFileError
from spx_data.store import files, foreign, reads
from spx_data.store.foreign import MOST_JOURNAL_BYTES
from spx_data.store.names import compressed_of

Header = dict[str, Any]
Lines = Sequence[bytes]
Selection = Callable[[Lines], tuple[Lines, Header]]

_HEADER_BYTES = 4096


def read(path: Path) -> bytes:
    """All lines of *path*, those that were compressed first; nothing where there are none.

    Of a damaged file it gives what can be read (`damage` says what is wrong): nothing of what is no file, and
    of one beyond the ceilings the oldest lines that were compressed, and the newest that were not.
    """
    packed = compressed_of(path)
    while True:
        before = _signature(packed)
        plain = _readable(path)
        if before is None:
            if _signature(packed) is None:
                return plain
            continue
        content = _readable(packed)
        # Compressed anew while we read: what was in the one file may be in the other by now.
        if _signature(packed) == before:
            header, lines = _split(_unpack(content))
            return lines + _new_part(plain, header)


def damage(path: Path) -> str:
    """Why `read` does not give all lines of *path*; empty where it does."""
    for part, check in ((compressed_of(path), _whole), (path, _sized)):
        try:
            check(part)
        except MissingFileError:
            continue
        except FileCorruptionError as error:
            return error.cause
    return ""


def _sized(path: Path) -> None:
    """Raise unless *path* is a file of a size that is read whole."""
    with reads.reading(path) as stream:
        if (size := os.fstat(stream.fileno()).st_size) > MOST_JOURNAL_BYTES:
            raise _damaged(path, f"it has {size:,} bytes, and {MOST_JOURNAL_BYTES:,} are the most")


def header(path: Path) -> Header | None:
    """What the compressed part of *path* says about itself; None where there is none that can be read."""
    try:
        with reads.reading(compressed_of(path)) as stream:
            start, _ = foreign.unpacked(stream.read(_HEADER_BYTES), _HEADER_BYTES)
    except (MissingFileError, FileCorruptionError):
        return None
    return _split(start)[0] or None


def pack(path: Path, select: Selection) -> None:
    """Move the lines of *path* to its compressed part, behind those that are there.

    *select* is given all lines, without their ends, and returns those that stay and what it wants to find in
    the header again.

    Raises:
        FileCorruptionError: the compressed part is damaged; nothing is changed.
    """
    if not reads.is_there(path):
        _repack(path, b"", select)
        return
    with files.at_rest(path):
        _repack(path, reads.content(path, MOST_JOURNAL_BYTES), select)
        files.remove(path)


def _repack(path: Path, plain: bytes, select: Selection) -> None:
    packed = compressed_of(path)
    old, lines = _split(_whole(packed) if _signature(packed) else b"")
    kept, told = select([*_lines(lines), *_lines(_new_part(plain, old))])
    last = {"bytes": len(plain), "sha256": hashlib.sha256(plain).hexdigest()} if plain else old
    head = {"bytes": last.get("bytes", 0), "sha256": last.get("sha256", ""), **told}
    text = b"".join(line + b"\n" for line in (json.dumps(head).encode(), *kept))

    def check(part: Path) -> None:
        if _whole(part) != text:
            raise _damaged(part, "it reads otherwise than it was written")

    with files.atomic(packed, check=check) as stream:
        stream.write(gzip.compress(text, mtime=0))


def _lines(text: bytes) -> list[bytes]:
    """The lines without their ends; the last one may lack its end after a crash."""
    return text.removesuffix(b"\n").split(b"\n") if text else []


def _split(text: bytes) -> tuple[Header, bytes]:
    """The header and the lines behind it; an empty header where there is none."""
    first, _, lines = text.partition(b"\n")
    try:
        found = foreign.parsed(first)
    except ValueError:
        return {}, text
    return (found, lines) if isinstance(found, dict) and "sha256" in found else ({}, text)


def _new_part(plain: bytes, header: Header) -> bytes:
    """What of *plain* is not in the compressed part yet."""
    count = header.get("bytes", 0)
    if not isinstance(count, int) or not 0 < count <= len(plain):
        return plain
    known = hashlib.sha256(plain[:count]).hexdigest() == header["sha256"]
    return plain[count:] if known else plain


def _whole(path: Path) -> bytes:
    """The bytes of *path* decompressed and checked."""
    found, fault = foreign.unpacked(reads.content(path, MOST_JOURNAL_BYTES), MOST_JOURNAL_BYTES)
    if fault:
        raise _damaged(path, fault)
    return found


def _unpack(content: bytes) -> bytes:
    """*content* decompressed; as far as that goes, where it is damaged."""
    found, fault = foreign.unpacked(content, MOST_JOURNAL_BYTES)
    return found + b"\n" if fault else found  # its last line is torn: what follows is none of it


def _readable(path: Path) -> bytes:
    """The bytes of *path*, the last ones where they are too many; nothing where there is no file."""
    try:
        found = reads.beginning(path, MOST_JOURNAL_BYTES)
        if len(found) > MOST_JOURNAL_BYTES:
            return reads.end(path, MOST_JOURNAL_BYTES)
        return found
    except (MissingFileError, FileCorruptionError):
        return b""


def _signature(path: Path) -> tuple[int, int, int] | None:
    with reads.explained(path, "look at"):
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _damaged(path: Path, finding: str) -> FileCorruptionError:
    return FileCorruptionError(
        f"{path} is damaged: {finding}",
        cure="It stays as it is; a copy of it from your backup heals it",
        path=path,
        expected="gzip",
        actual=finding,
    )
