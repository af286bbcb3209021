"""What can be wrong with a sealed date, and who says what its files should be.

The witnesses are its sidecar, its passport, and the journal's line of its sealing. Each is read without trust
and keeps what is wrong with it as a finding, so that the three can be held against each other and against the
files: `truth` is what they agree on.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from spx_data.errors import FileCorruptionError, MissingFileError
from spx_data.store import foreign, journal, reads
from spx_data.store.journal import Event
from spx_data.store.layout import Layout
from spx_data.store.names import date_of

Depth = Literal["pages", "bytes"]


class Damage(StrEnum):
    """A kind of damage; its value is what journals and reports say."""

    SIDECAR_LOST = "sidecar-lost"
    SIDECAR_DAMAGED = "sidecar-damaged"  # not the two lines it was written as
    SIDECAR_SWAPPED = "sidecar-swapped"  # it vouches for other files
    PARQUET_LOST = "parquet-lost"
    TRUNCATED = "truncated"  # shorter than it was sealed
    EXTENDED = "extended"  # longer than it was sealed
    ZERO_FILLED = "zero-filled"  # blocks of it hold nothing but zeros
    DAY_SWAPPED = "day-swapped"  # its rows are of another trading date
    BYTES_CHANGED = "bytes-changed"  # anything else
    PASSPORT_LOST = "passport-lost"
    PASSPORT_DAMAGED = "passport-damaged"  # not as written, or at odds with the sealed Parquet
    PASSPORT_SWAPPED = "passport-swapped"  # it describes another date
    SCHEMA_DIFFERS = "schema-differs"
    ROWS_DIFFER = "rows-differ"
    RECORDS_DIFFER = "records-differ"
    # Files beside the day, which leave it as it is: its bad records, and its contracts.
    REJECTS_LOST = "rejects-lost"
    REJECTS_CHANGED = "rejects-changed"
    CONTRACTS_LOST = "contracts-lost"
    CONTRACTS_CHANGED = "contracts-changed"


class Standing(StrEnum):
    """What an examination comes to."""

    HEALTHY = "healthy"
    DAMAGED = "damaged"
    UNFINISHED = "unfinished"  # its publication never ended: the next run does it again
    ABSENT = "absent"  # not sealed, and it never was since it was last moved away


@dataclass(frozen=True)
class Finding:
    """One damage, and in one line what shows it."""

    damage: Damage
    text: str

    def __str__(self) -> str:
        return f"{self.damage}: {self.text}"


@dataclass(frozen=True)
class Examination:
    """What one look at a date found; the cause of the damage comes first.

    *expected* and *found* are the same figures for machines: digests, bytes, rows, as far as known.
    """

    date: dt.date
    depth: Depth
    standing: Standing
    findings: tuple[Finding, ...] = ()
    bytes: int = 0  # of the Parquet
    expected: Mapping[str, Any] = field(default_factory=dict)
    found: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[Finding, ...] = ()  # what is wrong with files that the day can be read without
    dataset: Mapping[str, Any] | None = None  # which the day was sealed as, by a passport that holds

    @property
    def is_well(self) -> bool:
        """Whether nothing was found, neither with the day nor beside it."""
        return self.standing is not Standing.DAMAGED and not self.beside

    @property
    def damages(self) -> list[Damage]:
        """The kinds of damage found, each once."""
        return list(dict.fromkeys(finding.damage for finding in self.findings))


# Witnesses ----------------------------------------------------------------------------------------------

_LINE = rb"([0-9a-f]{64})  ([^\s/]+)\n"
_LINES = re.compile(_LINE * 2 + rb"(?:" + _LINE + rb")?")
_DIGITS = re.compile(r"[0-9a-f]{64}")
_LONGEST_SIDECAR = 4 << 10
_NEAR = 32  # digits of 64 in common; digests of two files have about four


@dataclass(frozen=True)
class Sidecar:
    """A date's sidecar: digest and name of Parquet, passport and contracts, or what is wrong with it."""

    parquet: str | None = None
    passport: str | None = None
    contracts: str | None = None
    names: tuple[str, ...] = ("", "")
    finding: Finding | None = None


def read_sidecar(layout: Layout, date: dt.date) -> Sidecar:
    """The sidecar of *date*: exactly the lines that were written."""
    path = layout.sidecar(date)
    try:
        content = _content(path, _LONGEST_SIDECAR)
    except FileCorruptionError as error:
        return Sidecar(finding=Finding(Damage.SIDECAR_DAMAGED, error.cause))
    if content is None:
        return Sidecar(finding=Finding(Damage.SIDECAR_LOST, f"{path.name} is not there"))
    match = _LINES.fullmatch(content)
    if match is None:
        said = content[:200].decode(errors="replace")
        named = " and ".join(f"'<64 digits>  {beside.name}'" for beside in layout.day_files(date)[1:])
        text = f"expected lines {named}, found {said!r}"
        return Sidecar(finding=Finding(Damage.SIDECAR_DAMAGED, text))
    parts = [part.decode(errors="replace") for part in match.groups() if part is not None]
    digests, names = [*parts[::2], None], tuple(parts[1::2])
    return Sidecar(digests[0], digests[1], digests[2], names)


@dataclass(frozen=True)
class Passport:
    """What a date's passport says of its Parquet, whether or not that is to be believed."""

    found: str | None = None  # the SHA-256 of its own file; None where there is none
    format: object = None
    date: dt.date | None = None
    sha256: str | None = None
    bytes: int | None = None
    rows: int | None = None
    records_sha256: str | None = None
    rejects_sha256: str | None = None  # of the file of bad records; None where there is to be none
    has_contracts: bool = False  # whether it was sealed with a file of them
    dataset: Mapping[str, Any] | None = None
    records: str | None = None  # their kind
    schema_version: int | None = None
    finding: Finding | None = None


def read_passport(layout: Layout, date: dt.date) -> Passport:
    """The passport of *date*."""
    path = layout.passport(date)
    try:
        content = _content(path, foreign.MOST_BYTES)
    except FileCorruptionError as error:
        return Passport(finding=Finding(Damage.PASSPORT_DAMAGED, error.cause))
    if content is None:
        return Passport(finding=Finding(Damage.PASSPORT_LOST, f"{path.name} is not there"))
    found, document = hashlib.sha256(content).hexdigest(), dict[str, Any]()
    try:
        document = _document(content)
        return _passport(found, document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split()) if isinstance(error, ValueError) else f"it lacks {error}"
        finding = Finding(Damage.PASSPORT_DAMAGED, reason)
        return Passport(found, document.get("format"), finding=finding)


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = foreign.exactly(content)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


def _passport(found: str, document: dict[str, Any]) -> Passport:
    return Passport(
        found,
        document["format"],
        dt.date.fromisoformat(_text(document, "date")),
        sha256=_digest(document["parquet"], "sha256"),
        bytes=_number(document["parquet"], "bytes"),
        rows=_number(document, "rows"),
        records_sha256=_digest(document, "records_sha256"),
        rejects_sha256=(document.get("rejects") or {}).get("sha256"),
        has_contracts=bool(document.get("contracts")),
        dataset=document.get("dataset"),
        records=document.get("records"),
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
    """The bytes of *path*, at most one more than *most*; None where no file is."""
    if not reads.is_there(path):
        return None
    try:
        return reads.beginning(path, most)
    except MissingFileError:  # gone since
        return None


@dataclass(frozen=True)
class Recorded:
    """What the journal says of the date's last sealing."""

    parquet: str | None = None
    bytes: int | None = None
    passport: str | None = None


def last_seal(events: Sequence[Event]) -> Recorded:
    """The last sealing that the journal tells of; empty where it tells of none."""
    for event in reversed(events):
        digests = [event.get(name) for name in ("sha256", "passport_sha256")]
        parquet, passport = (
            each if isinstance(each, str) and _DIGITS.fullmatch(each) else None for each in digests
        )
        if event["event"] == journal.SEALED and parquet:
            size = event.get("bytes")
            return Recorded(parquet, size if isinstance(size, int) else None, passport)
    return Recorded()


def truth(
    found: str | None,
    sealed: str | None,
    passport: Passport,
    is_whole: bool,
    recorded: Callable[[], Recorded],
) -> str | None:
    """The digest that the Parquet should have; None where nobody says.

    *found* is the file's own, *sealed* its sidecar's; *passport* is of this date, and *is_whole* where the
    sidecar or the journal have its own digest. What sidecar and passport agree on stands; then the file's
    own, where anybody says nearly that; then what two of them agree on; then the word of a whole passport,
    the journal's, the sidecar's, and that of any other passport. The journal is asked only where sidecar and
    passport do not settle it.
    """
    described = passport.sha256
    if sealed and sealed == described:
        return sealed
    told = [recorded().parquet, sealed]
    said = [word for word in ([described, *told] if is_whole else [*told, described]) if word]
    if found and any(are_near(found, word) for word in said):
        return found
    agreed = [word for word in said if said.count(word) > 1]
    return next(iter([*agreed, *said]), None)


def are_near(one: str, other: str) -> bool:
    """Whether two digests are one, or one of them damaged where it is written.

    A changed file has another digest altogether, so one that differs from it in a few digits is its own.
    """
    return digits_in_common(one, other) >= _NEAR


def digits_in_common(one: str, other: str) -> int:
    """How many digits of two digests are the same."""
    return sum(a == b for a, b in zip(one, other, strict=True))


def is_another_days(name: str, date: dt.date) -> bool:
    """Whether *name* is that of another date's Parquet."""
    other = date_of(Path(name))
    return other is not None and other != date
