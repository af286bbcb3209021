"""Rows as they are wanted, and how a block of them is read: all at once, or field by field.

Field by field is the slow way, in whatever spelling, which is taken where the strict parser of a transport
format has failed. A field that says nothing, or nothing that the column could hold, is told with the reason's
code (`records.MEANINGS`).
"""

from __future__ import annotations

import datetime as dt
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa

from spx_data.market.dates import ZONE
from spx_data.market.records import FIELDS, MISSING, NOT_FINITE, UNREADABLE

WORD = pa.dictionary(pa.int32(), pa.string())

_ZONE = ZoneInfo(ZONE)
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - of stamps without a zone
_MS = dt.timedelta(milliseconds=1)
_WHOLE = re.compile(r"[+-]?\d{1,19}(?:\.0*)?", re.ASCII)
# Python reads more than that: weeks, and 11:30.000 as a half past eleven.
MOMENT = re.compile(
    r"(?:\d{4}-\d\d-\d\d|\d{8})"
    r"(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|[+-]\d\d(?::?\d\d)?))?)?",
    re.ASCII,
)
_TIME = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?", re.ASCII)


class Unread(ValueError):
    """A field that holds no value; *reason* is its code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def reader(name: str, kind: pa.DataType) -> Callable[[Any], Any]:
    """What reads a field of the column *name*, of *kind*; it raises `Unread`.

    Words and stamps repeat from row to row, so each spelling of one is read once.
    """
    if pa.types.is_floating(kind):
        return _number
    if pa.types.is_integer(kind):
        most, otherwise = 1 << (kind.bit_width - 1), _OTHERWISE.get(name)
        return lambda field: _whole(field, most, otherwise)
    return _remembered(_stamp if pa.types.is_timestamp(kind) else _word)


def array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Values of a `reader` as a column."""
    if kind == WORD:
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, pa.int64() if pa.types.is_timestamp(kind) else kind).cast(kind)


def _remembered(read: Callable[[str], Any]) -> Callable[[Any], Any]:
    known: dict[str, Any] = {}

    def found(field: Any) -> Any:
        text = _text(field)
        if text not in known:
            known[text] = read(text)
        return known[text]

    return found


def _text(field: Any) -> str:
    if isinstance(field, bool) or not isinstance(field, str | int):
        raise Unread(MISSING if field is None else UNREADABLE)
    if text := str(field).strip():
        return text
    raise Unread(MISSING)


def _figure(field: Any) -> str:
    """The text of a number: blanks around it may be what is left of another field."""
    text = _text(field)
    if isinstance(field, str) and field != text:
        raise Unread(UNREADABLE)
    return text


def _word(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unread(UNREADABLE) from None  # half of a pair, which JSON may spell
    return text


def _number(field: Any) -> float:
    if not isinstance(field, float):
        text = _figure(field)
        if not text.isascii() or "_" in text:
            raise Unread(UNREADABLE)
        try:
            field = float(text)
        except ValueError:
            raise Unread(UNREADABLE) from None
    if not math.isfinite(field):
        raise Unread(NOT_FINITE)
    return float(field)


def _whole(field: Any, most: int, otherwise: Callable[[str], int] | None) -> int:
    """A whole number below *most*, which some columns may spell *otherwise*."""
    if isinstance(field, float):
        if not math.isfinite(field):
            raise Unread(NOT_FINITE)
        field = int(field) if field.is_integer() else "a fraction"
    text = _figure(field)
    if _WHOLE.fullmatch(text):
        found = int(text.partition(".")[0])
    elif text.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        raise Unread(NOT_FINITE)
    elif otherwise:
        found = otherwise(text)
    else:
        raise Unread(UNREADABLE)
    if not -most <= found < most:
        raise Unread(UNREADABLE)
    return found


def _date(text: str) -> int:
    """The eight digits of a date in ISO's spelling."""
    return int(f"{_moment(text):%Y%m%d}")


def _time(text: str) -> int:
    """The ms of a time of day since midnight."""
    if not (time := _TIME.fullmatch(text)):
        raise Unread(UNREADABLE)
    hours, minutes, seconds, fraction = time.groups()
    ms = int((fraction or "0").ljust(3, "0")[:3])
    return 1000 * (3600 * int(hours) + 60 * int(minutes) + int(seconds)) + ms


# Columns of whole numbers that may be spelt as what they stand for (docs/wire.md, 16).
_OTHERWISE: Mapping[str, Callable[[str], int]] = {
    **dict.fromkeys(("date", "expiration"), _date),
    **dict.fromkeys(("ms_of_day", "ms_of_day2"), _time),
}


def _stamp(text: str) -> int:
    """A moment in New York, ms since the epoch as if it were UTC; what names its offset is converted."""
    moment = _moment(text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(_ZONE).replace(tzinfo=None)
    return (moment - _EPOCH) // _MS


def _moment(text: str) -> dt.datetime:
    try:
        if not MOMENT.fullmatch(text):
            raise ValueError
        return dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise Unread(UNREADABLE) from None


# The last line of a body -----------------------------------------------------------------------------------


def is_cut(last: str, others: Sequence[str]) -> bool:
    """Whether *last*, the field that a body without a final line end ends in, is cut short.

    That is told by the *others* of its column: it is the beginning of one of them, if it has no digits; else
    none of them is spelt alike, and it is no number with as many digits after its last sign as they all have.
    """
    if not last:
        return True
    if not any(map(str.isdigit, last)):
        return any(field.startswith(last) and field != last for field in others)
    if not others or _shape(last) in set(map(_shape, others)):
        return False
    signs, digits = _signs(last)
    known = [_signs(field) for field in others]
    return signs not in {each for each, _ in known} or digits < min(count for _, count in known)


def _shape(field: str) -> str:
    return re.sub(r"[0-9]", "0", field)


def _signs(field: str) -> tuple[str, int]:
    """What is no digit in a field, and the number of digits after the last of it."""
    signs = re.sub(r"[0-9]", "", field)
    return signs.removeprefix("-"), len(field) - len(field.rstrip("0123456789"))


Columns = Mapping[str, pa.DataType]


class Wanted(NamedTuple):
    """The names and the types that rows must have; those that are *optional* may be null."""

    columns: Columns
    optional: frozenset[str] = frozenset()

    @property
    def needed(self) -> list[str]:
        """The names without which there is no table."""
        return [name for name in self.columns if name not in self.optional]

    def batch(self, arrays: Mapping[str, pa.Array]) -> pa.RecordBatch:
        """The columns as a batch; raises ValueError where one lacks what it must have."""
        for name in self.needed:
            if arrays[name].null_count:
                raise ValueError(f"a row lacks {name}")
        return pa.RecordBatch.from_arrays(
            [_trimmed(arrays[name]) for name in self.columns], schema=pa.schema(self.columns.items())
        )


def _trimmed(column: pa.Array) -> pa.Array:
    """A column of words without blanks around them; any other as it is."""
    if column.type != WORD:
        return column
    words = column.dictionary.to_pylist()
    if words == (bare := [word.strip() for word in words]):
        return column
    return pa.DictionaryArray.from_arrays(column.indices, pa.array(bare, pa.string()))


@dataclass(frozen=True)
class Parted:
    """The rows of a block that can be read, their numbers in it, and the others' numbers with reasons."""

    batch: pa.RecordBatch
    numbers: Sequence[int]
    bad: Mapping[int, str]


class Block(ABC):
    """Rows of a body; *exact* says whether rows read all at once are bad for the reasons that they give."""

    exact = True

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    @abstractmethod
    def typed(self) -> pa.RecordBatch:
        """The rows, with exactly the columns; raises ValueError where one of them cannot be read so."""

    def loose(self) -> pa.RecordBatch:
        """Like `typed`, for rows that lack values or spell words otherwise, where the format allows it."""
        raise ValueError("only row by row")

    @abstractmethod
    def raw(self, number: int) -> str:
        """The text of a row."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _fields(self, number: int) -> list[Any] | None:
        """A row's values of the columns, as they came (None where one is absent); None where it is no row."""

    def parted(self) -> Parted:
        """The rows read field by field: slower than `typed`, and whatever the spelling."""
        columns = self._wanted.columns
        readers = [reader(name, kind) for name, kind in columns.items()]
        optional = [name in self._wanted.optional for name in columns]
        numbers: list[int] = []
        rows: list[list[Any]] = []
        bad: dict[int, str] = {}
        for number in range(len(self)):
            fields = self._fields(number)
            row = FIELDS if fields is None else _read(fields, readers, optional)
            if isinstance(row, str):
                bad[number] = row
            else:
                numbers.append(number)
                rows.append(row)
        arrays = zip(columns.items(), zip(*rows, strict=True) if rows else [()] * len(columns), strict=True)
        return Parted(
            self._wanted.batch({name: array(list(found), kind) for (name, kind), found in arrays}),
            numbers,
            bad,
        )


def _read(
    fields: Sequence[Any], readers: Sequence[Callable[[Any], Any]], optional: Sequence[bool]
) -> list[Any] | str:
    """A row's values; the reason where one that it must have cannot be read."""
    row = []
    for field, read, may_lack in zip(fields, readers, optional, strict=True):
        try:
            row.append(read(field))
        except Unread as error:
            if not may_lack:
                return error.reason
            row.append(None)
    return row
