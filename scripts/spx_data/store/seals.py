"""What vouches for bytes: the sidecar of a sealed day, and the digest at the end of a single document.

A sidecar has the checksums of a day's Parquet and passport, and of the file of its contracts where there is
one, in the form that `sha256sum -c` and `shasum -a 256 -c` read. It is written last: where it is, the day is
done. A document that stands alone has its own SHA-256 in its last field, `document_sha256`, taken with the 64
digits of that field written as zeros; so every byte of it counts.
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from spx_data.errors import EvictedFileError, FileCorruptionError, MissingFileError
from spx_data.store import files, foreign, names, reads

FIELD = "document_sha256"

_BLANK = "0" * 64
_END = re.compile(rb'"' + FIELD.encode() + rb'": "([0-9a-f]{64})"\n}\n')
_END_LENGTH = len(f'"{FIELD}": "{_BLANK}"\n}}\n')


class Seal(NamedTuple):
    """What a sidecar vouches for: the SHA-256 of a day's Parquet, of its passport, and of its contracts.

    Days that were sealed before there was a file of contracts have none.
    """

    parquet: str
    passport: str
    contracts: str | None = None


def seal(parquet: Path, checksum: str, passport: Mapping[str, Any], contracts: str | None = None) -> Seal:
    """Write the *passport* of a *parquet* with that *checksum*, and then the sidecar of both.

    *contracts* is the checksum of the file of the day's contracts, which is there already.
    """
    text = files.json_text(passport)
    made = Seal(checksum, hashlib.sha256(text.encode()).hexdigest(), contracts)
    files.write_text(names.passport_of(parquet), text)
    write_sidecar(parquet, made)
    return made


def write_sidecar(parquet: Path, made: Seal) -> None:
    """Write the sidecar of *parquet* alone: the last step of a seal."""
    lines = [f"{digest}  {name}\n" for digest, name in zip(made, _named(parquet), strict=True) if digest]
    files.write_text(names.sidecar_of(parquet), "".join(lines))


def _named(parquet: Path) -> list[str]:
    """The names of the files that a sidecar vouches for, in its order."""
    return [path.name for path in (parquet, names.passport_of(parquet), names.contracts_of(parquet))]


def read(parquet: Path) -> Seal:
    """What the sidecar of *parquet* vouches for.

    Raises:
        MissingFileError: there is no sidecar.
        FileCorruptionError: the sidecar is not lines that name *parquet*, its passport and, maybe, contracts.
    """
    words = reads.content(names.sidecar_name(str(parquet))).decode(errors="replace").split()
    digests, told, known = words[::2], words[1::2], _named(parquet)
    if not 2 <= len(told) == len(digests) or told != known[: len(told)] or {*map(len, digests)} != {64}:
        sidecar, beside = names.sidecar_of(parquet), known[1]
        raise FileCorruptionError(
            f"{sidecar} is not a sidecar of {parquet.name} and {beside}",
            cure="Run the workflow again: the date counts as not done and is fetched anew",
            path=sidecar,
            expected=f"<64 hexadecimal digits>  {parquet.name}, and the same for {beside}",
            actual=" ".join(words)[:200],
        )
    return Seal(*digests)


def is_sealed(parquet: Path) -> bool:
    """Whether *parquet* and its sidecar are both there and agree on the name.

    The cheap half of `verify`: it does not read the file's bytes. What lies in iCloud is not lost.

    Raises:
        SpxDataError: the system does not tell.
    """
    try:
        read(parquet)
        return reads.is_there(parquet)
    except (MissingFileError, FileCorruptionError):
        return False
    except EvictedFileError:
        return True
    except OSError as error:
        sidecar = names.sidecar_of(parquet)
        if _errno(error) == errno.ELOOP or sidecar.is_dir():  # a stranger stands in its place
            return False
        raise


def _errno(error: OSError) -> int | None:
    """What the system said, also where it was said in our words."""
    cause = error.__cause__
    return cause.errno if isinstance(cause, OSError) else error.errno


def verify(parquet: Path) -> None:
    """Raise `FileCorruptionError` unless the bytes of *parquet* are those its sidecar vouches for."""
    check(parquet, read(parquet).parquet, reads.digest(parquet))


def check(path: Path, expected: str, found: str) -> None:
    """Raise `FileCorruptionError` unless *path*, with the SHA-256 *found*, is what its sidecar *expected*."""
    if found != expected:
        raise FileCorruptionError(
            f"{path}: the sidecar says {expected[:12]}…, the file is {found[:12]}…",
            cure="`spx-data verify` says what is damaged, and moves it away",
            path=path,
            expected=expected,
            actual=found,
        )


# A document that stands alone ----------------------------------------------------------------------------


def write_document(target: Path, document: Mapping[str, Any]) -> None:
    """Write *document* to *target* as JSON with its own digest as the last field, atomically."""
    files.write_json(target, _with_digest(document))


def signed(document: Mapping[str, Any]) -> bytes:
    """What `write_document` writes."""
    return files.json_text(_with_digest(document)).encode()


def _with_digest(document: Mapping[str, Any]) -> dict[str, Any]:
    blank = files.json_text({**document, FIELD: _BLANK})
    return {**document, FIELD: hashlib.sha256(blank.encode()).hexdigest()}


def read_document(path: Path) -> dict[str, Any]:
    """The document at *path*, byte for byte as it was written, so its fields need no second look.

    Raises:
        MissingFileError: there is none.
        FileCorruptionError: it does not vouch for its own bytes.
    """
    content, finding = reads.content(path), f"{path} does not have the SHA-256 in its {FIELD}"
    try:
        if holds(content):
            document: dict[str, Any] = foreign.parsed(content)
            return document
    except ValueError as error:
        finding = f"{path} vouches for bytes that are no document: {error}"
    raise FileCorruptionError(
        finding,
        cure="Move it away: it is made anew (the profile of a terminal by `spx-data probe`)",
        path=path,
        expected="a document that vouches for its own bytes",
        actual=f"{len(content)} bytes",
    )


def holds(content: bytes) -> bool:
    """Whether *content* ends in a digest of its own that is right."""
    match = _END.fullmatch(content, max(0, len(content) - _END_LENGTH))
    if match is None:
        return False
    blank = content[: match.start(1)] + _BLANK.encode() + content[match.end(1) :]
    return hashlib.sha256(blank).hexdigest() == match[1].decode()
