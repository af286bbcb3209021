"""A JSON document that vouches for its own bytes.

Its last field, `document_sha256`, is the SHA-256 of the file with the 64 digits of that field written as
zeros. So every byte of the document counts, and anybody can check it, with sed and sha256sum for instance.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spx_data.errors import FileCorruptionError
from spx_data.store import files, foreign, reads

FIELD = "document_sha256"

_BLANK = "0" * 64
_END = re.compile(rb'"' + FIELD.encode() + rb'": "([0-9a-f]{64})"\n}\n')
_END_LENGTH = len(f'"{FIELD}": "{_BLANK}"\n}}\n')


def write(target: Path, document: Mapping[str, Any]) -> None:
    """Write *document* to *target* as JSON with its own digest as the last field, atomically."""
    files.write_json(target, _with_digest(document))


def signed(document: Mapping[str, Any]) -> bytes:
    """What `write` writes."""
    return files.json_text(_with_digest(document)).encode()


def _with_digest(document: Mapping[str, Any]) -> dict[str, Any]:
    blank = files.json_text({**document, FIELD: _BLANK})
    return {**document, FIELD: hashlib.sha256(blank.encode()).hexdigest()}


@dataclass(frozen=True)
class Reading:
    """A document, and the file it was read from."""

    document: dict[str, Any]
    size: int  # bytes
    sha256: str  # of all bytes of the file, the document's own digest among them


def read(path: Path) -> dict[str, Any]:
    """The document at *path*, byte for byte as it was written, so its fields need no second look.

    Raises:
        MissingFileError: there is none.
        FileCorruptionError: it does not vouch for its own bytes.
    """
    return read_whole(path).document


def read_whole(path: Path, until: str | None = None) -> Reading:
    """The document at *path* like `read`, with the size and the SHA-256 of its file.

    Its field *until* and those after it are left unread: that saves most of the time where they are long.
    """
    content = reads.content(path)
    checksum = _checksum(content)
    if checksum is None:
        raise _damaged(path, f"{path} does not have the SHA-256 in its {FIELD}", f"{len(content)} bytes")
    try:
        return Reading(foreign.parsed(_before(content, until)), len(content), checksum)
    except ValueError as error:
        raise _damaged(path, f"{path} vouches for bytes that are no document: {error}", str(error)) from error


def _damaged(path: Path, finding: str, actual: str) -> FileCorruptionError:
    return FileCorruptionError(
        finding,
        cure="snakemake verify says what is damaged",
        path=path,
        expected="a document that vouches for its own bytes",
        actual=actual,
    )


def _before(content: bytes, field: str | None) -> bytes:
    """The fields of a document that stand before *field*, as a document of their own."""
    # As `write` writes it: a space before the document's own fields, more before those inside of others.
    end = content.find(f',\n "{field}": '.encode()) if field else -1
    return content if end < 0 else content[:end] + b"\n}\n"


def holds(content: bytes) -> bool:
    """Whether *content* ends in a digest of its own that is right."""
    return _checksum(content) is not None


def _checksum(content: bytes) -> str | None:
    """The SHA-256 of *content*; None where the digest at its end is not its own."""
    match = _END.fullmatch(content, max(0, len(content) - _END_LENGTH))
    if match is None:
        return None
    # What stands before the digest is most of it, and is hashed once for both.
    blank = hashlib.sha256(content[: match.start(1)])
    whole = blank.copy()
    blank.update(_BLANK.encode() + content[match.end(1) :])
    whole.update(content[match.start(1) :])
    return whole.hexdigest() if blank.hexdigest() == match[1].decode() else None
