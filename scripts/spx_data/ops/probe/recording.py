"""What a probe heard, as one archive that answers again: a bug report that is a test.

A zip of plain files: the answers' bodies, cut and scrubbed (`cutting`), and a manifest that ends in its own
digest: requests, headers, how long each took, the table that the probe made of it. The simulated terminal
replays it (`--replay FILE`). Nothing of the account, nor of this machine, is in it.
"""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import spx_data
from spx_data.errors import NEVER, SpxDataError
from spx_data.ops.probe import choosing, scrubbing
from spx_data.ops.probe.cutting import Cut, Cutter
from spx_data.ops.probe.heard import Heard, Raw, Story, Topic
from spx_data.settings import Settings
from spx_data.sources.profile import Profile
from spx_data.store import files, foreign, seals

FORMAT = 1
KIND = "spx-data recording"
MANIFEST = "manifest.json"
MOST_BYTES = 2_000_000

_MADE = (1980, 1, 1, 0, 0, 0)  # of every member: the same answers make the same archive
_HEADERS = ("content-type", "content-encoding", "server", "latency", "next-page", "retry-after")
_NO_PAGE = ("", "null")
# What decides which questions are asked, and how.
_SETTINGS = {
    "thetadata": ("greeks_version", "format", "max_concurrent_requests"),
    "processing": ("roots", "interval", "start_time", "end_time", "start_date", "calendar"),
}


class RecordingRefusedError(SpxDataError, retry=NEVER):
    """There is something that keeps a recording from being written."""


@dataclass(frozen=True)
class Member:
    """One answer of a recording; *name* is None where no answer came."""

    request: str
    status: int
    name: str | None = None
    size: int = 0  # bytes, as kept
    of: int = 0  # bytes, as they came
    contracts: tuple[int, int] | None = None  # kept, and as they came


@dataclass(frozen=True)
class Recording:
    """An archive that is ready to be written, and what is in it."""

    content: bytes
    members: tuple[Member, ...]

    @property
    def sha256(self) -> str:
        """Of the file."""
        return hashlib.sha256(self.content).hexdigest()

    def write(self, path: Path) -> None:
        """Write the archive to *path*, atomically; raises RecordingRefusedError as `check_target`."""
        check_target(path)
        with files.atomic(path) as stream:
            stream.write(self.content)


def check_target(path: Path) -> None:
    """Raise RecordingRefusedError where *path* is there and is no recording; it would be lost."""
    if path.is_symlink() or (path.exists() and not (path.is_file() and _is_recording(path))):
        raise RecordingRefusedError(
            f"{path} is there, and is no recording",
            cure="Choose a name that is free",
            path=path,
            expected="no file, or a recording to replace",
        )
    files.check_writable(path.parent)


def _is_recording(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(MANIFEST) as stream:
            return bool(foreign.parsed(stream.read(10 * MOST_BYTES))["kind"] == KIND)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return False


def recording(story: Story, profile: Profile, settings: Settings) -> Recording:
    """The recording of *story*, from which *profile* was made.

    Raises:
        RecordingRefusedError: it is too large however few contracts are kept, or what may identify somebody
            is in it all the same.
    """
    size = 0
    for mean in (False, True):
        made = _Making(story, settings, Cutter(story, mean=mean)).recording(profile)
        size = len(made.content)
        if size <= MOST_BYTES:
            return made
    raise RecordingRefusedError(
        f"the recording would have {size:,} bytes, expected at most {MOST_BYTES:,}",
        cure="Probe without --full, or set processing.interval to 5m for it",
        expected=MOST_BYTES,
        actual=size,
    )


class _Making:
    """One recording in the making."""

    def __init__(self, story: Story, settings: Settings, cutter: Cutter) -> None:
        self._story, self._settings, self._cutter = story, settings, cutter
        self._bodies: dict[str, bytes] = {}
        self._members: list[Member] = []
        self._removed = scrubbing.unknown(
            *(text for raw in story.raws for text in (*raw.headers.values(), _sentence(raw)))
        )

    def recording(self, profile: Profile) -> Recording:
        """The archive."""
        exchanges = [each for heard in self._story.heard for each in self._exchanges(heard)]
        table = [self._masked(row._asdict()) for row in profile.table]
        scrubbing.check_nothing_personal(self._bodies, exchanges, table)
        document = {
            "format": FORMAT,
            "kind": KIND,
            "api": self._story.api,
            "full": self._story.full,
            "now": self._story.moment.isoformat(timespec="seconds"),
            "made_by": {"spx-data": spx_data.__version__},
            "settings": {
                name: self._settings.document[section][name]
                for section, names in _SETTINGS.items()
                for name in names
            },
            "fill": _fill(self._story, self._settings),
            "exchanges": exchanges,
            "table": table,
        }
        return Recording(_zipped({**self._bodies, MANIFEST: seals.signed(document)}), tuple(self._members))

    def _masked(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row of the table, which may quote what was removed from the answers."""
        return {
            name: scrubbing.masked(value, self._removed) if isinstance(value, str) else value
            for name, value in row.items()
        }

    def _exchanges(self, heard: Heard) -> Iterator[dict[str, Any]]:
        """The answers to one question in their order, and the questions to which none came."""
        lost = dict(heard.lost)
        for number in range(len(heard.raws) + 1):
            if number in lost:
                yield self._unanswered(lost[number])
            if number < len(heard.raws):
                raw = heard.raws[number]
                yield self._exchange(raw, self._cutter.cut(heard, raw))

    def _exchange(self, raw: Raw, cut: Cut) -> dict[str, Any]:
        name = f"{len(self._bodies):03}.{_suffix(raw, cut.body)}"
        body = self._bodies[name] = cut.body
        request = self._cutter.pages.get(raw.target, raw.target)
        self._members.append(Member(request, raw.status, name, len(body), raw.size, cut.contracts))
        return {
            "request": request,
            "status": raw.status,
            "headers": [[each, self._header(each, raw)] for each in _HEADERS if each in raw.headers],
            "framing": _framing(raw),
            # As measured: a rounded figure may print as another one.
            "first_byte_seconds": raw.first_byte_seconds,
            "seconds": raw.seconds,
            "bytes": raw.size,
            "body": name,
            "sha256": hashlib.sha256(body).hexdigest(),
            "size": len(body),
        }

    def _unanswered(self, target: str) -> dict[str, Any]:
        self._members.append(Member(target, 0))
        blank = {"headers": [], "framing": "none", "first_byte_seconds": 0, "seconds": 0, "bytes": 0}
        return {"request": target, "status": 0, **blank, "body": None, "sha256": None, "size": 0}

    def _header(self, name: str, raw: Raw) -> str:
        value = raw.headers[name]
        if name != "next-page" or value.strip() in _NO_PAGE:
            return scrubbing.header(value)
        parts = urlsplit(value.strip())
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return self._cutter.pages.get(path) or scrubbing.header(path)


def _sentence(raw: Raw) -> str:
    """What *raw* says where it is no table."""
    content = raw.content(scrubbing.MOST_OPAQUE)
    return content.decode(errors="replace") if raw.status != 200 or raw.size < 2_000 else ""


def _framing(raw: Raw) -> str:
    if "chunked" in raw.headers.get("transfer-encoding", "").lower():
        return "chunked"
    return "length" if "content-length" in raw.headers else "none"


def _suffix(raw: Raw, body: bytes) -> str:
    try:
        text = body.decode().lstrip("\ufeff \r\n")
    except UnicodeDecodeError:
        return "bin"
    if raw.status != 200:
        return "txt"
    if text.startswith(("{", "[")):
        return "ndjson" if "format=ndjson" in raw.target else "json"
    return "csv" if "\n" in text and "," in text else "txt"


def _fill(story: Story, settings: Settings) -> dict[str, Any] | None:
    """The date that can be filled from the recording: the ordinary one, as far as its first chains go."""
    ordinary, listing = story.one(Topic.ORDINARY), story.one(Topic.LISTING)
    root = choosing.main_root(settings)
    if ordinary is None or not ordinary.has_rows or listing is None or listing.listed is None:
        return None
    told = {
        heard.chain.listed
        for heard in story.heard
        if heard.chain and heard.records is not None and heard.right is None
        if (heard.chain.root, heard.date, heard.window) == (root, ordinary.date, ordinary.window)
    }
    days: int | None = None
    for each in listing.listed.chains:
        here = (each.chain.expiration - each.chain.date).days
        if each.chain.listed not in told:
            days = None if here == days else days
            break
        days = here
    if days is None or ordinary.date is None:
        return None
    return {"date": ordinary.date.isoformat(), "roots": [root], "max_dte": days}


def _zipped(members: dict[str, bytes]) -> bytes:
    """A zip of plain files, the same for the same members."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in sorted(members.items()):
            entry = zipfile.ZipInfo(name, _MADE)
            entry.create_system, entry.external_attr = 3, (stat.S_IFREG | 0o600) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    return target.getvalue()
