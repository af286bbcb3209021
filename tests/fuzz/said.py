"""What the bytes of a history say, read slowly by the standard library alone: the oracle's own reader.

It shares no code with the product. Each row is a mapping of a column's name (no blanks, lower case) to all
that the row says under it; which spellings mean which value stands in docs/wire.md, and here once more.
"""

import contextlib
import csv
import datetime as dt
import functools
import itertools
import json
import re
import zlib
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001
_DAY_MS = 86_400_000
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BLANK = re.compile(r"(?m)^[ \t\r\f\v]+(?:\n|\Z)")
_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?")
_RIGHTS = {"c": "C", "call": "C", "p": "P", "put": "P"}
_GZIP = b"\x1f\x8b"
_MOST_UNPACKED = 50_000_000
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_DEEPEST = 50
NO_ROW = {}
ODD = "names spelt otherwise"  # of a JSON row: what an optional column has under one may stay unread


def unpacked(body):
    """A body that came in gzip, as far as it goes."""
    if not body.startswith(_GZIP):
        return body
    found = b""
    while body.startswith(_GZIP):  # one packed stream behind the other
        stream = zlib.decompressobj(31)
        try:
            found += stream.decompress(body, _MOST_UNPACKED)
        except zlib.error:
            break
        body = stream.unused_data.lstrip(b"\0")
    return found


def readings(body):
    """The lists of rows that *body* may be read as: one for each format that it can be."""
    text = unpacked(body).decode(errors="replace").removeprefix("\ufeff")
    # A line of blanks is a bad row, or none.
    texts = {text, _BLANK.sub("", text)}
    found = [read(each) for each in texts for read in (of_csv, of_csv_with_lone_cr, of_ndjson)]
    with contextlib.suppress(ValueError, RecursionError):
        found += of_json(text)
    return [rows for rows in found if rows]


# Formats --------------------------------------------------------------------------------------------------


def _name(text):
    return str(text).strip().lower()


def _cells(line):
    before = csv.field_size_limit(1 << 26)  # or a row with one endless field could not be read
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return [] if '"' in line else line.split(",")
    finally:
        csv.field_size_limit(before)  # of the whole process: the product has its own


def _csv_rows(lines):
    lines = list(itertools.dropwhile(lambda line: not line.strip(), lines))
    if not lines:
        return []
    names = [_name(cell) for cell in _cells(lines[0])]
    rows = []
    for line in lines[1:]:
        if line:
            row = {}
            for name, cell in zip(names, _cells(line), strict=False):
                row.setdefault(name, []).append(cell)
            rows.append(row)
    return rows


def of_csv(text):
    """The rows of CSV: a line each, whatever quotes are opened in it."""
    return _csv_rows([line.rstrip("\r") for line in text.split("\n")])


def of_csv_with_lone_cr(text):
    """The same where a carriage return by itself ends a line too."""
    return _csv_rows(re.split(r"\r\n|\n|\r", text)) if "\r" in text else []


class _Said(list):
    """All values that a JSON object has under one name."""


def _object(pairs):
    found = {}
    for name, value in pairs:
        found.setdefault(name, _Said()).append(value)
    return found


def _named(row):
    """A row under the names of its columns: how they are spelt says nothing, unlike a layout's `contract`."""
    found = {}
    for name, values in row.items():
        found.setdefault(_name(name), []).extend(values)
        if name != _name(name):
            found.setdefault(ODD, []).append(_name(name))
    return found


def _parsed(text):
    # A number stays the text that it is: however many digits it has, `float` finds the nearest double.
    read = functools.partial(json.loads, object_pairs_hook=_object, parse_float=str, parse_int=str)
    try:
        return read(text)
    except RecursionError:
        return read(_shallow(text))


def _shallow(text):
    """JSON with null in place of what lies deeper than any row."""
    kept, depth, at = [], 0, 0
    for match in _TOKENS.finditer(text):
        if match[0][0] == '"':
            continue
        depth += 1 if match[0] in "[{" else -1
        if depth == _DEEPEST and match[0] in "[{":
            kept.append(text[at : match.start()] + "null")
        if depth == _DEEPEST - 1 and match[0] in "]}" and kept:
            at = match.end()
        elif depth < _DEEPEST and match.start() >= at:
            kept.append(text[at : match.end()])
            at = match.end()
    return "".join(kept) + text[at:] if depth == 0 else text[:0]


def of_ndjson(text):
    """The rows of lines with an object each; a line that is none says nothing."""
    rows = []
    for line in text.split("\n"):
        if line := line.rstrip("\r"):
            try:
                row = _parsed(line)
            except (ValueError, RecursionError):
                row = None
            rows.append(_named(row) if isinstance(row, dict) else NO_ROW)
    return rows


def of_json(text):
    """The rows of one JSON body in any of its layouts; several, where a name stands there twice."""
    whole = _parsed(text)
    if isinstance(whole, list):
        yield _elements(whole, [])
    elif isinstance(whole, dict):
        for named in map(_names, whole.get("header", [{}])):
            for response in whole.get("response", []):
                if isinstance(response, dict):
                    yield _of_columns({name: each[-1] for name, each in response.items()})
                elif isinstance(response, list):
                    yield _elements(response, named)
                    yield _lists_as_columns(response, named)
        yield _of_columns({name: each[-1] for name, each in whole.items()})


def _names(header):
    formats = header.get("format", []) if isinstance(header, dict) else []
    return [_name(name) for name in formats[-1]] if formats and isinstance(formats[-1], list) else []


def _of_columns(columns):
    columns = {_name(name): column for name, column in columns.items() if isinstance(column, list)}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        return []
    return [{name: [column[number]] for name, column in columns.items()} for number in range(lengths.pop())]


def _lists_as_columns(response, named):
    if len(response) == len(named) and all(isinstance(column, list) for column in response):
        return _of_columns(dict(zip(named, response, strict=True)))
    return []


def _elements(items, named):
    rows = []
    for item in items:
        if not isinstance(item, dict):
            rows.append(_row(item, named))
        elif "contract" not in item:
            rows.append(_named(item))
        else:
            contract = item["contract"][-1]
            inner = item.get("ticks", item.get("data", [[]]))[-1]
            if isinstance(inner, dict):
                inner = _of_columns({name: each[-1] for name, each in inner.items()})
            told = contract if isinstance(contract, dict) else {}
            rows += [_together(told, _row(each, named)) for each in inner or []]
    return rows


def _together(contract, row):
    contract = _named(contract)
    return {name: [*row.get(name, []), *contract.get(name, [])] for name in {*contract, *row}}


def _row(item, named):
    if isinstance(item, dict):
        return _named(item)
    if isinstance(item, list) and len(item) == len(named):
        return {name: [value] for name, value in zip(named, item, strict=True)}
    return NO_ROW


# Values ---------------------------------------------------------------------------------------------------


def text_of(cell):
    """A field as text; None where it is none: a truth value, null, a list, an object."""
    return cell.strip() if isinstance(cell, str) else None


def number(cell):
    """The double nearest to what a field says; None where it says no finite number."""
    text = text_of(cell)
    if text is None or not text.isascii() or not _NUMBER.fullmatch(text):
        return None
    found = float(text)
    return found if abs(found) != float("inf") else None


def date(cell):
    """The date that a field says."""
    found = number(cell)  # eight digits, also where they are spelt as a fraction or with a sign
    text = f"{found:.0f}" if found is not None and found.is_integer() else text_of(cell)
    try:
        return dt.datetime.fromisoformat(text or "").date()
    except ValueError:
        return None


def moment(cell):
    """A moment in New York, ms since the epoch as if its clock were UTC's."""
    text = text_of(cell)
    try:
        found = dt.datetime.fromisoformat(text or "")
        if found.tzinfo is not None:
            found = found.astimezone(ZONE).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return (found - _EPOCH) // dt.timedelta(milliseconds=1)


def time_of_day(cell):
    """Milliseconds since midnight, as a number or as a clock shows them."""
    text = text_of(cell) or ""
    if clock := _TIME.fullmatch(text):
        hours, minutes, seconds = map(int, clock.groups()[:3])
        return 1000 * (3600 * hours + 60 * minutes + seconds) + int((clock[4] or "0").ljust(3, "0")[:3])
    return number(cell)


def clock(cell):
    """The time of day that a field says."""
    try:
        return dt.time.fromisoformat(text_of(cell) or "")
    except ValueError:
        return None


def right(cell):
    """C or P."""
    return _RIGHTS.get((text_of(cell) or "").lower())


def stamps(row, moments, times):
    """The moments that *row* says under *moments*, or as a date with a time of day under *times*."""
    found = {moment(cell) for cell in row.get(moments, [])}
    for day in filter(None, map(date, row.get("date", []))):
        midnight = moment(day.isoformat())
        found |= {midnight + ms for ms in map(time_of_day, row.get(times, [])) if ms is not None}
    return found - {None}


def plain_list(body):
    """The elements of a JSON body's `response`, where they are no rows; what follows the body is nothing."""
    text = unpacked(body).decode(errors="replace").removeprefix("\ufeff").strip()
    decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=str, parse_int=str)
    try:
        whole, _ = decoder.raw_decode(text)
    except ValueError:
        return []
    except RecursionError:
        whole, _ = decoder.raw_decode(_shallow(text) or "null")
    responses = whole.get("response", []) if isinstance(whole, dict) else []
    return [cell for response in responses if isinstance(response, list) for cell in response]
