"""How a terminal of some habits spells its tables: done to the bytes, last of all.

Nothing but a table is touched: what is refused, and the status, are sentences.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from theta_simulator import answers, rows
from theta_simulator.answers import Answer
from theta_simulator.habits import Habit, Kind

_NEW_YORK = ZoneInfo("America/New_York")
_LINE = b"\r\n"
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(?![-+.\dZ])")
_DATE = re.compile(rb"(?<![\dT-])(\d{4})-(\d\d)-(\d\d)(?![\dT-])")
# A v2 terminal has a single letter: between commas, or as the last of a line or a list.
_RIGHT = re.compile(rb'(?<=[,"])(CALL|PUT|C|P)(?=[,"\r])')
_TITLES = {b"CALL": b"Call", b"C": b"Call", b"PUT": b"Put", b"P": b"Put"}
_TABLES = (answers.CSV, answers.JSON, answers.NDJSON)


def spelt(answer: Answer, habits: Iterable[Habit]) -> Answer:
    """Return an answer as the habits spell it, in the order of `Kind`."""
    if answer.status != 200 or answer.content_type not in _TABLES or not answer.size:
        return answer
    chosen = {habit.kind for habit in habits}
    for kind, change in CHANGES.items():
        if kind in chosen:
            answer = change(answer)
    return answer


def spells(habits: Iterable[Habit]) -> bool:
    """Say whether any habit is one of spelling."""
    return any(habit.kind in CHANGES for habit in habits)


Change = Callable[[Answer], Answer]


def _body(change: Callable[[bytes], bytes], *types: str) -> Change:
    """Return a change of the body of an answer of those types."""

    def edit(answer: Answer) -> Answer:
        if answer.content_type not in (types or _TABLES):
            return answer
        return replace(answer, body=(change(b"".join(answer.body)),))

    return edit


def _header(change: Callable[[bytes], bytes]) -> Change:
    """Return a change of the first line of a CSV."""

    def edit(body: bytes) -> bytes:
        line, end, rest = body.partition(_LINE)
        return change(line) + end + rest

    return _body(edit, answers.CSV)


def _stamps(change: Callable[[str, str], str]) -> Change:
    """Return a change of each stamp, given as its seconds and what follows the point, the point included."""
    known: dict[bytes, bytes] = {}

    def one(found: re.Match[bytes]) -> bytes:
        if found[0] not in known:
            known[found[0]] = change(found[1].decode(), (found[2] or b"").decode()).encode()
        return known[found[0]]

    return _body(lambda body: _STAMP.sub(one, body))


def _offset(seconds: str, fraction: str) -> str:
    return seconds + fraction + _ahead(seconds)


def _ahead(seconds: str) -> str:
    """Return the offset of New York at a time there, as ISO 8601 has it."""
    return datetime.fromisoformat(seconds).replace(tzinfo=_NEW_YORK).isoformat()[-6:]


def _zulu(seconds: str, fraction: str) -> str:
    local = datetime.fromisoformat(seconds).replace(tzinfo=_NEW_YORK)
    utc = local.replace(tzinfo=None) - (local.utcoffset() or timedelta())
    return utc.isoformat() + fraction + "Z"


def _columns(answer: Answer) -> Answer:
    """Return a JSON answer with an array for each column, as accounts of before the change get it."""
    if answer.content_type != answers.JSON:
        return answer
    table = rows.read(answer)
    columns = {name: [row[name] for row in table.rows] for name in table.names}
    return replace(answer, body=(json.dumps({"response": columns}).encode(),))


def _rows(answer: Answer) -> Answer:
    """Return a JSON answer with the names in a header and an array for each row."""
    if answer.content_type != answers.JSON:
        return answer
    table = rows.read(answer)
    found = {"header": {"format": table.names}, "response": [list(row.values()) for row in table.rows]}
    return replace(answer, body=(json.dumps(found).encode(),))


def _typed(content_type: str) -> Change:
    """Return a change of what a CSV is said to be."""
    return lambda answer: (
        replace(answer, content_type=content_type) if answer.content_type == answers.CSV else answer
    )


CHANGES: dict[Kind, Change] = {
    Kind.JSON_ROWS: _rows,
    Kind.JSON_LEGACY: _columns,
    Kind.COMPACT_DATES: _body(lambda body: _DATE.sub(rb"\1\2\3", body)),
    Kind.SIX_DIGITS: _stamps(lambda seconds, fraction: seconds + (fraction or ".").ljust(7, "0")),
    Kind.STAMP_OFFSET: _stamps(_offset),
    Kind.STAMP_ZULU: _stamps(_zulu),
    Kind.RIGHT_TITLE: _body(lambda body: _RIGHT.sub(lambda found: _TITLES[found[0]], body)),
    Kind.HEADER_UPPER: _header(bytes.upper),
    Kind.HEADER_SPACED: _header(lambda line: line.replace(b",", b", ")),
    Kind.TRAILING_COMMA: _body(lambda body: body.replace(_LINE, b"," + _LINE), answers.CSV),
    Kind.NO_FINAL_NEWLINE: _body(lambda body: body.rstrip(b"\r\n"), answers.CSV, answers.NDJSON),
    Kind.LEADING_BLANK_LINE: _body(lambda body: _LINE + body, answers.CSV),
    Kind.BOM: _body(lambda body: b"\xef\xbb\xbf" + body),
    Kind.JSON_TYPE_ON_CSV: _typed(answers.JSON),
    Kind.TEXT_TYPE_ON_CSV: _typed(answers.TEXT),
}
