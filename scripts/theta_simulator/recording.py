"""What a terminal answered to a probe, as `spx-data probe --record` keeps it: a manifest and the bodies.

The manifest ends in a digest of its own bytes and has one of each body, so a recording is whole or refused.
Nothing in it is trusted all the same: who makes a digest may write any manifest under it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, get_args

from theta_simulator import archive
from theta_simulator.answers import Framing
from theta_simulator.archive import Unfit
from theta_simulator.settings import Api

FORMAT = 1
KIND = "spx-data recording"

_BLANK = b"0" * 64
_DIGEST = re.compile(rb'"document_sha256": "([0-9a-f]{64})"\n}\n')
_DIGEST_LENGTH = len(b'"document_sha256": "') + 64 + len(b'"\n}\n')
_MOST_MANIFEST = 5_000_000  # bytes
_MOST_HEADERS = 64  # of an answer; Python's own client takes a hundred
_MOST_SECONDS = 86_400.0
_MOST_SIZE = 1 << 50  # bytes of an original
_YEARS = range(2000, 2200)
# A second slash would begin an address, a fragment or a blank end it.
_REQUEST = re.compile(r"/(?!/)[!-\"$-~]{0,8000}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]{0,8000}")
_ROOT = re.compile(r"[A-Z0-9.]{1,12}")


class RecordingError(ValueError):
    """A file that is no recording, or not whole; the message is one line."""


@dataclass(frozen=True)
class Exchange:
    """A request and the answer to it; *status* 0 means that no answer came."""

    request: str  # path and query
    status: int
    headers: tuple[tuple[str, str], ...]
    framing: Framing
    first_byte_seconds: float
    seconds: float
    size: int  # bytes of the original body, before it was cut
    body: bytes


@dataclass(frozen=True)
class Recording:
    """All that was asked of a terminal and answered, in order."""

    api: Api
    now: datetime  # what the recorder took for now
    exchanges: tuple[Exchange, ...]


def read(path: Path) -> Recording:
    """Return the recording at *path*; raise `RecordingError` if it is none, or is damaged."""
    try:
        members = archive.members(path)
        return _recording(_document(members.pop(archive.MANIFEST)), members)
    except Unfit as unfit:
        said = f"{path} is no recording that can be replayed: {unfit}"
        raise RecordingError("".join(one if one.isprintable() else "?" for one in said)) from unfit


def _document(content: bytes) -> "_Fields":
    """Return the manifest in *content*, which must be as it was written."""
    if len(content) > _MOST_MANIFEST:
        raise Unfit(f"a manifest of at most {_MOST_MANIFEST} bytes", len(content))
    try:
        document = _Fields("the manifest", json.loads(content))
    except (ValueError, RecursionError) as error:
        raise Unfit("a manifest in JSON", error) from error
    if document.values.get("kind") != KIND:
        raise Unfit(f"a manifest of the kind {KIND!r}", _shown(document.values.get("kind")))
    if document.typed("format", int) != FORMAT:
        raise Unfit(f"a recording of format {FORMAT}", f"format {document.values['format']}")
    end = _DIGEST.fullmatch(content, max(0, len(content) - _DIGEST_LENGTH))
    if end is None:
        raise Unfit("a manifest that ends in its own digest", "another end")
    blank = content[: end.start(1)] + _BLANK + content[end.end(1) :]
    if (digest := hashlib.sha256(blank).hexdigest()) != end[1].decode():
        raise Unfit(f"a manifest of SHA-256 {end[1].decode()[:12]}…", f"{digest[:12]}…")
    return document


def _recording(manifest: "_Fields", members: Mapping[str, bytes]) -> Recording:
    """Return what a manifest and its members say."""
    for name, kind in (("made_by", dict), ("settings", dict), ("table", list)):
        manifest.typed(name, kind)
    if manifest.values.get("fill") is not None:
        _check_fill(_Fields("its fill", manifest.typed("fill", dict)))
    listed = manifest.typed("exchanges", list)
    exchanges = tuple(
        _exchange(_Fields(f"exchange {number}", each), members) for number, each in enumerate(listed)
    )
    if strange := sorted(members.keys() - {each["body"] for each in listed}):
        raise Unfit("members that the manifest names", strange[0])
    return Recording(manifest.one_of("api", get_args(Api)), _moment(manifest), exchanges)


def _check_fill(fill: "_Fields") -> None:
    """Raise `Unfit` unless *fill* says what can be filled from the recording."""
    try:
        date.fromisoformat(fill.typed("date", str))
    except ValueError as error:
        raise Unfit("a date to fill", error) from error
    if not all(isinstance(root, str) and _ROOT.fullmatch(root) for root in fill.typed("roots", list)):
        raise Unfit("option roots to fill", "others")
    fill.whole("max_dte", 100_000)


def _moment(manifest: "_Fields") -> datetime:
    """Return the recorder's now."""
    try:
        moment = datetime.fromisoformat(manifest.typed("now", str))
    except ValueError as error:
        raise Unfit("a moment as now of the manifest", error) from error
    if moment.tzinfo is None or moment.year not in _YEARS:
        raise Unfit("a moment with its offset, of this century or the next", moment)
    return moment


def _exchange(given: "_Fields", members: Mapping[str, bytes]) -> Exchange:
    """Return one exchange with its body, which must be the one that was recorded."""
    status = given.whole("status", 599)
    if 0 < status < 200:
        raise Unfit("statuses that end an answer", status)
    return Exchange(
        request=given.matching("request", _REQUEST),
        status=status,
        headers=_headers(given),
        framing=given.one_of("framing", get_args(Framing)),
        first_byte_seconds=given.number("first_byte_seconds", _MOST_SECONDS),
        seconds=given.number("seconds", _MOST_SECONDS),
        size=given.whole("bytes", _MOST_SIZE),
        body=_body(given, members) if status else b"",
    )


def _body(given: "_Fields", members: Mapping[str, bytes]) -> bytes:
    """Return the body of an exchange."""
    name = given.typed("body", str)
    if (body := members.get(name)) is None:
        raise Unfit(f"a member for {given.where}", f"no {name}")
    if len(body) != given.whole("size", archive.MOST_UNPACKED):
        raise Unfit(f"{given.values['size']} bytes in {name}", len(body))
    if (digest := hashlib.sha256(body).hexdigest()) != given.typed("sha256", str):
        raise Unfit(f"SHA-256 {given.values['sha256'][:12]}… of {name}", f"{digest[:12]}…")
    return body


def _headers(given: "_Fields") -> tuple[tuple[str, str], ...]:
    """Return the headers of an exchange; none can end a line and begin something else."""
    listed = given.typed("headers", list)
    if len(listed) > _MOST_HEADERS:
        raise Unfit(f"at most {_MOST_HEADERS} headers in {given.where}", len(listed))
    for each in listed:
        if not (isinstance(each, list) and len(each) == 2 and all(isinstance(part, str) for part in each)):
            raise Unfit(f"headers of {given.where} as pairs of texts", "others")
        if not (_HEADER_NAME.fullmatch(each[0]) and _HEADER_VALUE.fullmatch(each[1])):
            raise Unfit(f"headers of {given.where} of one line each", ascii(each))
    return tuple((name, value) for name, value in listed)


class _Fields:
    """A JSON object from a stranger, and what it is called in what is said about it."""

    def __init__(self, where: str, values: Any) -> None:
        if not isinstance(values, dict):
            raise Unfit(f"an object as {where}", _shown(values))
        self.where = where
        self.values: dict[str, Any] = values

    def typed(self, name: str, kind: type) -> Any:
        """Return a value of that type."""
        value = self.values.get(name)
        if type(value) is not kind:
            raise self._unfit(name, _JSON[kind])
        return value

    def one_of(self, name: str, known: tuple[Any, ...]) -> Any:
        """Return one of the known words."""
        if (value := self.typed(name, str)) not in known:
            raise self._unfit(name, f"one of {', '.join(known)}")
        return value

    def matching(self, name: str, pattern: re.Pattern[str]) -> str:
        """Return a text that is nothing but what the pattern allows."""
        value: str = self.typed(name, str)
        if not pattern.fullmatch(value):
            raise self._unfit(name, "path and query")
        return value

    def number(self, name: str, most: float) -> float:
        """Return a number from 0 to *most*."""
        value: Any = self.values.get(name)
        # A comparison with NaN is false, whatever it is.
        if type(value) not in (int, float) or not 0 <= value <= most:
            raise self._unfit(name, f"a number from 0 to {most:g}")
        return float(value)

    def whole(self, name: str, most: int) -> int:
        """Return a whole number from 0 to *most*."""
        self.typed(name, int)
        return int(self.number(name, most))

    def _unfit(self, name: str, expected: str) -> Unfit:
        return Unfit(f"{expected} as {name} of {self.where}", _shown(self.values.get(name)))


_JSON = {dict: "an object", list: "a list", str: "a text", int: "a whole number"}


def _shown(value: Any) -> str:
    """Return a value as a message may name it: what is nested may be so deeply that nothing can show it."""
    return f"a {type(value).__name__}" if isinstance(value, (dict, list)) else repr(value)
