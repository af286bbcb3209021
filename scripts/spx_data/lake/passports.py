"""The passport of a sealed day, as it is read: its bytes are those that were sealed, and it is a passport.

Whatever can write to a lake can seal another document: the seal says nothing of what is in it. Behind this
module a number is a number, a date a date, and what every passport has is there.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spx_data.errors import FileCorruptionError
from spx_data.quality import DETAILS
from spx_data.store import dataset, foreign, reads, seals
from spx_data.store.layout import Layout

FORMAT = 8

# What a value must be: one of these types or None, a check of it, a list of such values, or an object whose
# members are so: those named here, of which the optional ones end in a question mark, or, under `*`, all.
_Shape = Any
_ABSENT = object()


@dataclass(frozen=True)
class Reading:
    """A passport, and the file it was read from."""

    document: dict[str, Any]
    size: int  # bytes
    sha256: str


def read(layout: Layout, date: dt.date, *, whole: bool = False) -> Reading:
    """The passport of *date*, without its details unless the *whole* is wanted.

    Raises:
        MissingFileError: there is none, or no sidecar.
        FileCorruptionError: it is not what the sidecar vouches for, or is no passport.
        OtherVersionError: it is of another format than today's.
    """
    path = layout.passport(date)
    content = reads.content(path)
    sha256 = hashlib.sha256(content).hexdigest()
    seals.check(path, seals.read(layout.parquet(date)).passport, sha256)
    try:
        document = foreign.parsed(content if whole else _before(content, DETAILS))
    except ValueError as error:
        raise _none(path, str(error)) from error
    if isinstance(document, dict):
        check_format(layout, path, document)
    if not _IS_PASSPORT(document):
        raise _none(path, str(_misfit(document, _PASSPORT, "")))
    return Reading(document, len(content), sha256)


def _before(content: bytes, field: str) -> bytes:
    """The fields of a document that stand before *field*, as a document of their own."""
    # As `seals.seal` writes it: a space before the document's own fields, more before those inside of others.
    end = content.find(f',\n "{field}": '.encode())
    return content if end < 0 else content[:end] + b"\n}\n"


def _none(path: Path, finding: str) -> FileCorruptionError:
    return FileCorruptionError(
        f"{path} was sealed and is no passport: {finding}",
        cure="`spx-data verify` says what is damaged",
        path=path,
        expected="a passport",
        actual=finding,
    )


def check_format(layout: Layout, path: Path, document: Mapping[str, Any]) -> None:
    """Raise `OtherVersionError` where a passport that was sealed is not of today's format."""
    dataset.check_format(path, document.get("format"), FORMAT, layout.output)


def _fitting(shape: _Shape) -> Callable[[Any], bool]:
    """What tells whether a value is of *shape*: a tenth of the time that `_misfit` takes to say where not.

    A list of ten years' days asks it of millions of values.
    """
    if isinstance(shape, list):
        each_fits = _fitting(shape[0])
        return lambda value: isinstance(value, list) and all(map(each_fits, value))
    if not isinstance(shape, dict):
        check: Callable[[Any], bool] = shape
        return check
    named = [(name.removesuffix("?"), name.endswith("?"), _fitting(inner)) for name, inner in shape.items()]
    members = [member for member in named if member[0] != "*"]
    every = next((fits for name, _, fits in named if name == "*"), None)

    def fits(value: Any) -> bool:
        if not isinstance(value, dict):
            return False
        for name, is_optional, member_fits in members:
            member = value.get(name, _ABSENT)
            if member is _ABSENT or (member is None and is_optional):
                if not is_optional:
                    return False
            elif not member_fits(member):
                return False
        return every is None or all(map(every, value.values()))

    return fits


def _misfit(value: Any, shape: _Shape, at: str) -> str | None:
    """Where *value* is not of its *shape*; None where it is."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{at or 'it'} is no object"
        found = (_member(value, name, inner, at) for name, inner in shape.items())
        return next(filter(None, found), None)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{at} is no list"
        return next(
            filter(None, (_misfit(each, shape[0], f"{at}[{n}]") for n, each in enumerate(value))), None
        )
    return None if shape(value) else f"{at} is {value!r:.80}"


def _member(value: dict[str, Any], name: str, shape: _Shape, at: str) -> str | None:
    if name == "*":
        found = (_misfit(each, shape, f"{at}.{key}".lstrip(".")) for key, each in value.items())
        return next(filter(None, found), None)
    bare = name.removesuffix("?")
    if bare not in value:
        return None if bare != name else f"it has no {f'{at}.{name}'.lstrip('.')}"
    if value[bare] is None and bare != name:
        return None
    return _misfit(value[bare], shape, f"{at}.{bare}".lstrip("."))


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 53


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < 1e300


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _moment_by(read_: Callable[[str], object]) -> Callable[[Any], bool]:
    def is_one(value: Any) -> bool:
        try:
            return isinstance(value, str) and bool(read_(value))
        except ValueError:
            return False

    return is_one


_date, _moment = _moment_by(dt.date.fromisoformat), _moment_by(dt.datetime.fromisoformat)

_CHAIN: _Shape = {
    "root": _text,
    "expiration": _date,
    "rows": _count,
    "attempts": _count,
    "checkpoint": {"bytes": _count, "sha256": _or_none(_text)},
    "explained": _or_none(_text),
    "error": _or_none(_text),
    "listed?": _date,
    "state?": _text,
    "witness?": _text,
    **dict.fromkeys(("contracts_listed?", "contracts_received?", "rejected?", "conflicts?"), _count),
}
_COMPLETENESS: _Shape = {
    **dict.fromkeys(("chains_listed?", "chains_received?", "unknown_more?"), _count),
    **{
        f"{what}_{name}?": _count
        for what in ("contracts", "stamps")
        for name in ("expected", "received", "explained", "missing")
    },
    "chains?": {"*": _count},
    "complete?": _flag,
    "unknown?": [_text],
}
_CHECK: _Shape = {
    **dict.fromkeys(("check", "part", "unit"), _text),
    **dict.fromkeys(("hits", "of", "chains", "chains_of"), _count),
    "score": _or_none(_number),
    "share?": _number,
    "first?": _text,
    "does_not_apply?": _text,
}
_QUALITY: _Shape = {
    "score?": _number,
    "parts": {"*": {"score": _or_none(_number)}},
    "checks": [_CHECK],
    "figures": {"spread_median?": _number, "iv_level?": _number},
}
_SESSION: _Shape = {
    "opens": _moment,
    "closes": _moment,
    "first_stamp_expected": _moment,
    "last_stamp_expected": _moment,
    "first_stamp_received?": _moment,
    "last_stamp_received?": _moment,
    "early_close?": _flag,
    "findings?": [_text],
}
_REPORT: _Shape = {
    **dict.fromkeys(("contracts", "absent", "beyond"), _count),
    "conflicts": {"*": _count},
    "left_out": {"*": {"*": _count}},
    "unknown": {"*": _text},
}
_PASSPORT: _Shape = {
    "format": _count,
    "date": _date,
    "rows": _count,
    "chains": [_CHAIN],
    "completeness": _COMPLETENESS,
    "session?": _SESSION,
    "dataset?": {},
    "records": _text,
    "schema_version": _count,
    "source?": {"*": _text},
    "listing?": {
        "unasked?": [_text],
        "left_out?": {"*": {"*": _count}},
        "expirations_unknown?": {"*": _text},
    },
    "second_opinions?": {"asked?": _count, "unanswered?": _count, "habits?": {}},
    "rejects?": {
        "rows": _count,
        "reasons": {"*": _count},
        "duplicates_dropped?": _count,
        "conflicts?": _count,
    },
    "nulls?": {"*": _count},
    "underlying?": {f"{name}?": _number for name in ("open", "high", "low", "close")},
    "quality?": _QUALITY,
    "records_sha256?": _text,
    "written_by?": {"*": _text},
    "parquet": {"bytes": _count, "sha256": _text},
    "contracts?": {
        **dict.fromkeys(("rows", "schema_version"), _count),
        "reports": {"*": _REPORT},
    },
    "sealed_at": _moment,
    "profile?": {"sha256?": _text, "differs?": [_text]},
}
_IS_PASSPORT = _fitting(_PASSPORT)
