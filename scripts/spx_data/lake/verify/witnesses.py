"""Who says what a date's Parquet should be: its sidecar, its passport, and the journal's line of its sealing.

Each is read without trust and keeps what is wrong with it as a finding, so that the three can be held
against each other and against the file: `truth` is what they agree on.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spx_data.errors import FileCorruptionError, MissingFileError
from spx_data.lake import passports
from spx_data.lake.verify.damages import Damage, Finding
from spx_data.store import documents, foreign, journal, reads
from spx_data.store.journal import Event
from spx_data.store.layout import Layout
from spx_data.store.names import date_of

_LINE = re.compile(rb"([0-9a-f]{64})  ([^\s/]+)\n")
_DIGITS = re.compile(r"[0-9a-f]{64}")
_LONGEST_SIDECAR = 4 << 10
NEAR = 32  # digits of 64 in common; digests of two files have about four


@dataclass(frozen=True)
class Sidecar:
    """A date's sidecar: the digest and the file's name in its line, or what is wrong with it."""

    sha256: str | None = None
    name: str = ""
    finding: Finding | None = None


def read_sidecar(layout: Layout, date: dt.date) -> Sidecar:
    """The sidecar of *date*: exactly the line that was written."""
    path = layout.sidecar(date)
    try:
        content = _content(path, _LONGEST_SIDECAR)
    except FileCorruptionError as error:
        return Sidecar(finding=Finding(Damage.SIDECAR_DAMAGED, error.cause))
    if content is None:
        return Sidecar(finding=Finding(Damage.SIDECAR_LOST, f"{path.name} is not there"))
    match = _LINE.fullmatch(content)
    if match is None:
        said = content[:100].decode(errors="replace")
        text = f"expected '<64 digits>  {layout.parquet(date).name}' and a newline, found {said!r}"
        return Sidecar(finding=Finding(Damage.SIDECAR_DAMAGED, text))
    return Sidecar(match[1].decode(), match[2].decode(errors="replace"))


@dataclass(frozen=True)
class Passport:
    """What a date's passport says of its Parquet, or what is wrong with it."""

    date: dt.date | None = None
    sha256: str | None = None
    bytes: int | None = None
    rows: int | None = None
    records_sha256: str | None = None
    rejects_sha256: str | None = None  # of the file of bad records; None where there is to be none
    dataset: Mapping[str, Any] | None = None
    schema_version: int | None = None
    finding: Finding | None = None


def read_passport(layout: Layout, date: dt.date) -> Passport:
    """The passport of *date*."""
    path = layout.passport(date)
    try:
        content = _content(path, foreign.MOST_BYTES)
        if content is None:
            return Passport(finding=Finding(Damage.PASSPORT_LOST, f"{path.name} is not there"))
        return _passport(layout, path, content)
    except FileCorruptionError as error:
        return Passport(finding=Finding(Damage.PASSPORT_DAMAGED, error.cause))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split()) if isinstance(error, ValueError) else f"it lacks {error}"
        return Passport(finding=Finding(Damage.PASSPORT_DAMAGED, reason))


def _passport(layout: Layout, path: Path, content: bytes) -> Passport:
    try:
        document = foreign.exactly(content)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    if not documents.holds(content):
        raise ValueError(f"its bytes do not have the SHA-256 in {documents.FIELD}")
    passports.check_format(layout, path, document)
    return Passport(
        date=dt.date.fromisoformat(_text(document, "date")),
        sha256=_digest(document["parquet"], "sha256"),
        bytes=_number(document["parquet"], "bytes"),
        rows=_number(document, "rows"),
        records_sha256=_digest(document, "records_sha256"),
        rejects_sha256=(document.get("rejects") or {}).get("sha256"),
        dataset=document.get("dataset"),
        schema_version=document.get("schema_version"),
    )


def _text(document: dict[str, Any], name: str) -> str:
    if not isinstance(document[name], str):
        raise ValueError(f"{name} is no text")
    return str(document[name])


def _digest(document: dict[str, Any], name: str) -> str:
    if not _DIGITS.fullmatch(text := _text(document, name)):
        raise ValueError(f"{name} is no SHA-256: {text[:80]!r}")
    return text


def _number(document: dict[str, Any], name: str) -> int:
    value = document[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is no count: {value!r}")
    return value


def _content(path: Path, most: int) -> bytes | None:
    """The bytes of *path*, one more than *most* at the most; None where no file is."""
    if not reads.is_there(path):
        return None
    try:
        return reads.beginning(path, most)
    except MissingFileError:  # gone since
        return None


@dataclass(frozen=True)
class Seal:
    """What the journal says of the date's last sealing."""

    sha256: str
    bytes: int | None


def last_seal(events: Sequence[Event]) -> Seal | None:
    """The last sealing that the journal tells of; None where it tells of none."""
    for event in reversed(events):
        sha256, size = event.get("sha256"), event.get("bytes")
        if event["event"] == journal.SEALED and isinstance(sha256, str) and _DIGITS.fullmatch(sha256):
            return Seal(sha256, size if isinstance(size, int) else None)
    return None


def truth(
    found: str | None,
    sealed: str | None,
    passport: Passport | None,
    seal: Callable[[], Seal | None],
) -> str | None:
    """The digest that the Parquet should have; None where nobody says.

    *found* is the file's own, *sealed* its sidecar's. What sidecar and passport agree on stands; then the
    file's own, where anybody says nearly that; then what the journal and one of them agree on; then the
    passport's word, for it vouches for itself; then the journal's, then the sidecar's. The journal is asked
    only where sidecar and passport do not settle it.
    """
    described = passport.sha256 if passport else None
    if sealed and sealed == described:
        return sealed
    recorded = seal()
    said = [word for word in (described, recorded and recorded.sha256, sealed) if word]
    if found and any(digits_in_common(found, word) >= NEAR for word in said):
        return found
    agreed = [word for word in said if said.count(word) > 1]
    return next(iter([*agreed, *said]), None)


def digits_in_common(one: str, other: str) -> int:
    """How many digits of two digests are the same.

    A changed file has another digest altogether, so one that differs from it in a few digits is its own,
    damaged where it is written.
    """
    return sum(a == b for a, b in zip(one, other, strict=True))


def is_another_days(name: str, date: dt.date) -> bool:
    """Whether *name* is that of another date's Parquet."""
    other = date_of(Path(name))
    return other is not None and other != date
