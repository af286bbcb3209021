"""Bodies of the terminal as Arrow record batches, in bounded memory, whatever the transport format.

CSV, NDJSON and both layouts of JSON come out alike: the wire's columns under the wire's names, in the types
that a `Columns` declares, a few megabytes at a time. Content type, then shape, are checked here: an answer
whose columns or end are not those of a complete table raises `ApiResponseInvalidError`. Of single bad rows
`read` thinks alike, while `sifted` sets them aside.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

import ijson
import pyarrow as pa
import pyarrow.compute as pc

from spx_data import files, records
from spx_data.records import Rejects
from spx_data.theta import errors, layouts
from spx_data.theta.blocks import WORD as WORD
from spx_data.theta.blocks import Block, CsvBlock, JsonBlock, NdjsonBlock, header_of
from spx_data.theta.blocks import Columns as Columns
from spx_data.theta.transport import Answer

# Rows of the wire as records, and those among them that are none: their numbers, each with its reason.
Sift = Callable[[pa.RecordBatch], tuple[pa.RecordBatch, Mapping[int, str]]]

# As many bytes at a time as parse well: several threads parse at once, and each has its block in memory.
_BLOCK = 2 << 20
_ROWS = 1 << 16
_LONGEST_HEADER = 1 << 16
_FORMATS = {
    "text/csv": "csv",
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
}


def read(answer: Answer, columns: Columns, *, asked: str) -> Iterator[pa.RecordBatch]:
    """The table in *answer*, batch by batch, with exactly *columns*.

    Args:
        answer: a complete answer with a good status.
        columns: the wire's names and the types they must have.
        asked: the format that was asked for: csv, json or ndjson.

    Raises:
        ApiResponseInvalidError: the body is not such a table, one of its rows is none, or it is cut short.
    """
    rows = 0
    for block in _blocks(answer, columns, asked):
        try:
            batch = block.typed()
        except ValueError as error:
            raise _unreadable(answer, columns, error) from error
        _check_finite(answer, batch)
        rows += batch.num_rows
        yield batch
    if not rows:
        raise _invalid(answer, "holds no rows", "rows, or status 472 where there are none")


def _check_finite(answer: Answer, batch: pa.RecordBatch) -> None:
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_floating(column.type) and not pc.all(pc.is_finite(column)).as_py():
            raise _invalid(answer, f"holds a {name} that is no number", "finite numbers")


def sifted(
    answer: Answer, columns: Columns, sift: Sift, rejects: Rejects, *, asked: str
) -> Iterator[pa.RecordBatch]:
    """The records that *sift* makes of the table in *answer*; its bad rows are added to *rejects*.

    A block that is well is parsed as a whole, and only one that is not is looked at row by row.

    Raises:
        ApiResponseInvalidError: the body is not such a table or is cut short, it has more bad rows than
            *rejects* puts up with, or not one good one.
    """
    good, bad = 0, len(rejects)
    for block in _blocks(answer, columns, asked):
        batch = _sifted(answer, block, sift, rejects)
        good += batch.num_rows
        if batch.num_rows:
            yield batch
    if not good:
        finding = f"holds no good row: {_described(rejects)}" if len(rejects) > bad else "holds no rows"
        raise _invalid(answer, finding, "rows, or status 472 where there are none")


def _sifted(answer: Answer, block: Block, sift: Sift, rejects: Rejects) -> pa.RecordBatch:
    """The records in one block; its bad rows go to *rejects*."""
    try:
        found, bad = sift(block.typed())
        if not bad:
            return found
    except ValueError:
        pass  # it says that a row is bad, and not which
    rows, unreadable = block.parted(records.MOST_REJECTS)
    _set_aside(answer, rejects, unreadable)
    found, bad = sift(rows.typed())
    _set_aside(answer, rejects, [(reason, rows.raw(number)) for number, reason in bad.items()])
    return found


def _set_aside(answer: Answer, rejects: Rejects, rows: Iterable[tuple[str, str]]) -> None:
    for reason, raw in rows:
        rejects.add(reason, raw)
    if rejects.too_many:
        raise _invalid(answer, f"holds bad rows: {_described(rejects)}", "a complete table of good ones")


def _described(rejects: Rejects) -> str:
    first = rejects.found[0]
    return f"{len(rejects):,}, like {first.raw!r:.200} ({records.MEANINGS[first.reason]})"


def _format(answer: Answer, asked: str) -> str:
    if answer.content_type == "text/html":
        raise _invalid(answer, "is a web page", f"a table in {asked}")
    # Plain text may be a table or a sentence: the shape will tell. NDJSON travels under JSON's name.
    found = _FORMATS.get(answer.content_type, asked)
    return "ndjson" if (asked, found) == ("ndjson", "json") else found


def _invalid(answer: Answer, finding: str, expected: str) -> Exception:
    answer.body.seek(0)
    return errors.invalid(answer.url, finding, expected, answer.body.read(4 * errors.EXCERPT))


def _unreadable(answer: Answer, columns: Columns, error: Exception) -> Exception:
    return _invalid(answer, f"cannot be read: {error}", f"a complete table of {', '.join(columns)}")


# Bodies as blocks ---------------------------------------------------------------------------------------


def _blocks(answer: Answer, columns: Columns, asked: str) -> Iterator[Block]:
    """The body of *answer* in pieces, each of which parses by itself."""
    try:
        yield from _BODIES[_format(answer, asked)](answer, columns)
    except (ijson.JSONError, ValueError) as error:
        raise _unreadable(answer, columns, error) from error


def _csv(answer: Answer, columns: Columns) -> Iterator[Block]:
    names = header_of(answer.body.readline(_LONGEST_HEADER))
    if missing := [name for name in columns if name not in names]:
        raise _invalid(
            answer, f"lacks the columns {', '.join(missing)}", f"a CSV header with {', '.join(columns)}"
        )
    begin = answer.body.tell()
    if not _ends_with_newline(answer.body):
        raise _invalid(
            answer, "ends in the middle of a line", "a line end after the last row (wire-facts, section 0)"
        )
    answer.body.seek(begin)
    for lines in files.blocks_of_lines(answer.body, _BLOCK):
        yield CsvBlock(lines, columns, names)


def _ends_with_newline(body: BinaryIO) -> bool:
    body.seek(-1, 2)
    return body.read(1) == b"\n"


def _ndjson(answer: Answer, columns: Columns) -> Iterator[Block]:
    for lines in files.blocks_of_lines(answer.body, _BLOCK):
        block = NdjsonBlock(lines, columns)
        if not lines.endswith(b"\n"):
            block.check_last()
        yield block


def _json(answer: Answer, columns: Columns) -> Iterator[Block]:
    names = layouts.names(_header(answer))
    body = layouts.Words(answer.body)
    rows = itertools.chain.from_iterable(
        layouts.rows(item, names) for item in ijson.items(body, "response.item", use_float=True)
    )
    while chunk := list(itertools.islice(rows, _ROWS)):
        yield JsonBlock(chunk, columns)


_BODIES: Mapping[str, Callable[[Answer, Columns], Iterator[Block]]] = {
    "csv": _csv,
    "json": _json,
    "ndjson": _ndjson,
}


def next_page_of(answer: Answer) -> str | None:
    """The URL of the page after a v2 JSON answer, from its header object; None at the last one."""
    try:
        page = _header(answer).get("next_page")
    except (ijson.JSONError, ValueError) as error:
        raise _invalid(answer, f"cannot be read: {error}", "JSON with a header") from error
    return None if page in (None, "", "null") else str(page)


def _header(answer: Answer) -> layouts.Row:
    """The header object of a v2 answer; empty for v3, which has none. Rewinds the body."""
    try:
        return layouts.header(answer.body)
    finally:
        answer.body.seek(0)
