"""Bodies of the terminal as Arrow record batches, in bounded memory, whatever the transport format.

CSV, NDJSON and the layouts of JSON come out alike: the wire's columns under the wire's names, in the types
that a `Columns` declares, a few megabytes at a time. Which format it is, its first bytes tell, whatever was
asked for and whatever the headers call it. An answer whose columns or end are not those of a complete table
raises `ApiResponseInvalidError`. Of single bad rows `read` thinks alike, while `valid_rows` sets them aside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from spx_data.market import records
from spx_data.market.records import Rejects
from spx_data.market.second_opinion import Reading
from spx_data.sources.theta import bodies, errors, layouts, limits
from spx_data.sources.theta.blocks import CsvBlock, JsonBlock, NdjsonBlock, header_of, plain
from spx_data.sources.theta.desks import Desks
from spx_data.sources.theta.reading import WORD as WORD
from spx_data.sources.theta.reading import Block, Wanted
from spx_data.sources.theta.reading import Columns as Columns
from spx_data.sources.theta.transport import Answer
from spx_data.store import reads

# Rows of the wire as records, and those among them that are none: their numbers, each with its reason.
Validate = Callable[[pa.RecordBatch], tuple[pa.RecordBatch, Mapping[int, str]]]

_DESKS = Desks()
# As many bytes at a time as parse well: several threads parse at once, and each has its block in memory.
_BLOCK = 2 << 20
_LONGEST_HEADER = 1 << 16  # bytes
_HOPELESS = 100_000  # bad rows after which no good one is waited for
_TAIL = 1 << 14  # bytes of a body without a final line end that tell how its last line is spelt
_FORMATS = {
    "text/csv": "csv",
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
}
# An object whose first value is an array or an object is a body, not a row; so is an array of arrays or rows.
_A_BODY = re.compile(rb"\s*(?:\{\s*\"(?:[^\"\\]|\\.)*\"\s*:\s*[\[{]|\[\s*[\[{])")
_ROWS_LATER = re.compile(rb"\"response\"\s*:\s*[\[{]")


def read(
    answer: Answer, columns: Columns, *, asked: str, optional: Iterable[str] = ()
) -> Iterator[pa.RecordBatch]:
    """The table in *answer*, batch by batch, with exactly *columns*.

    Args:
        answer: a complete answer with a good status.
        columns: the wire's names and the types they must have.
        asked: the format that was asked for: csv, json or ndjson.
        optional: those of *columns* that may lack a value.

    Raises:
        ApiResponseInvalidError: the body is not such a table, one of its rows is none, or it is cut short.
    """
    yield from valid_rows(answer, columns, _finite, Rejects(strict=True), asked=asked, optional=optional)


def _finite(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Mapping[int, str]]:
    bad: dict[int, str] = {}
    for column in batch.columns:
        if pa.types.is_floating(column.type):
            odd = np.flatnonzero(~np.isfinite(column.to_numpy(zero_copy_only=False)))
            bad |= dict.fromkeys(map(int, odd), records.NOT_FINITE)
    return batch, bad


def valid_rows(
    answer: Answer,
    columns: Columns,
    validate: Validate,
    rejects: Rejects,
    *,
    asked: str,
    optional: Iterable[str] = (),
    otherwise: Columns | None = None,
    loosely: bool = False,
) -> Iterator[pa.RecordBatch]:
    """The records that *validate* makes of the table in *answer*; *rejects* learns of bad rows and of nulls.

    A block that is well is parsed as a whole, and only one that is not is read field by field. *optional*
    columns may lack a value, or be absent; a table that lacks others of *columns* is read by *otherwise*
    where it has those. Who knows that the terminal spells it otherwise has it read *loosely* at once.

    Raises:
        ApiResponseInvalidError: the body is not such a table or is cut short, most of its rows are bad (or
            one, where *rejects* is strict), or it has not one good one.
    """
    wanted = [Wanted(each, frozenset(optional)) for each in (columns, otherwise) if each is not None]
    good, before = 0, len(rejects)
    for block in _blocks(answer, wanted, asked):
        batch = _validated(block, validate, rejects, loosely=loosely)
        if rejects.strict and rejects:
            finding = f"holds bad rows: {_described(rejects)}"
            raise _invalid(answer, finding, f"good rows of {', '.join(columns)}")
        rejects.lack(batch)
        good += batch.num_rows
        bad = len(rejects) - before
        if good + bad > answer.ceiling.rows:
            raise _invalid(answer, f"has more than {answer.ceiling.rows:,} rows", "fewer, by what was asked")
        if bad > _HOPELESS and not good:
            break
        if batch.num_rows:
            yield batch
    bad = len(rejects) - before
    if not good:
        finding = f"holds no good row: {_described(rejects)}" if bad else "holds no rows"
        expected = f"rows of {', '.join(columns)}, or status 472 where there are none"
        raise _invalid(answer, finding, expected)
    if bad > max(records.A_FEW, records.MOST_BAD * (good + bad)):
        raise _invalid(answer, f"holds more bad rows than good: {_described(rejects)}", "mostly good ones")


def _validated(block: Block, validate: Validate, rejects: Rejects, *, loosely: bool) -> pa.RecordBatch:
    """The records in one block; its bad rows go to *rejects*."""
    ways: list[tuple[Reading, Callable[[], pa.RecordBatch]]] = [
        ("typed", block.typed),
        ("loose", block.loose),
    ]
    for name, reading in ways[loosely:]:
        try:
            rows = reading()
            found, bad = validate(rows)
        except ValueError:
            continue  # it says that a row is bad, or spelt otherwise, and not which
        if not bad:
            rejects.read_by(name)
            return found
        if block.exact and rows.num_rows == len(block):  # or a blank line stands between them
            _set_aside(block, bad, rejects)
            return found
        break
    parted = block.parted()
    found, bad = validate(parted.batch)
    if not bad and not parted.bad:
        rejects.read_by("parted")
    _set_aside(block, dict(parted.bad) | {parted.numbers[at]: reason for at, reason in bad.items()}, rejects)
    return found


def _set_aside(block: Block, reasons: Mapping[int, str], rejects: Rejects) -> None:
    for number in sorted(reasons):
        rejects.add(reasons[number], block.raw(number))


def _described(rejects: Rejects) -> str:
    first = rejects.found[0]
    return f"{len(rejects):,}, like {errors.shown(first.raw)!r} ({records.MEANINGS[first.reason]})"


def _format(answer: Answer, names: Iterable[str], asked: str) -> str:
    """The format of a body, of which the first bytes tell, then what it is called; *names* are of columns."""
    begin = answer.body.tell()
    first = answer.body.read(_LONGEST_HEADER)
    answer.body.seek(begin)
    called = _FORMATS.get(answer.content_type, asked)
    if first.lstrip().startswith(b"<"):
        raise _invalid(answer, "is a web page", f"a table in {asked}")
    if first.lstrip().startswith((b"{", b"[")):
        if _A_BODY.match(first) or _ROWS_LATER.search(first):
            return "json"
        return "ndjson" if first.lstrip().startswith(b"{") or called == "ndjson" else "json"
    header = header_of(first.lstrip().partition(b"\n")[0])
    return "csv" if set(names) <= set(header) else called


def _invalid(answer: Answer, finding: str, expected: str) -> Exception:
    size = answer.body.seek(0, 2)
    answer.body.seek(0)
    body = answer.body.read(4 * errors.EXCERPT)
    return errors.invalid(answer.url, finding, expected, body, size=size, about=answer.about)


def _unreadable(answer: Answer, wanted: Wanted, error: Exception) -> Exception:
    return _invalid(answer, f"cannot be read: {error}", f"a complete table of {', '.join(wanted.columns)}")


# Bodies as blocks ---------------------------------------------------------------------------------------


def _blocks(answer: Answer, wanted: list[Wanted], asked: str) -> Iterator[Block]:
    """The body of *answer* in pieces, each of which parses by itself."""
    try:
        bodies.past_mark(answer.body)
        with _DESKS.one():
            yield from _BODIES[_format(answer, wanted[0].needed, asked)](answer, wanted)
    except ValueError as error:
        raise _unreadable(answer, wanted[0], error) from error


def _chosen(answer: Answer, wanted: list[Wanted], names: Iterable[str]) -> Wanted:
    """The first of *wanted* whose needed columns are all among *names*."""
    there = set(names)
    for each in wanted:
        if there.issuperset(each.needed):
            return each
    missing = [name for name in wanted[0].needed if name not in there]
    raise _invalid(
        answer,
        f"lacks the columns {', '.join(missing)}; it has {errors.shown(', '.join(names)) or 'none'}",
        f"columns named {', '.join(wanted[0].columns)}",
    )


def _csv(answer: Answer, wanted: list[Wanted]) -> Iterator[Block]:
    line = answer.body.readline(_LONGEST_HEADER)
    while line and not line.strip():  # blank lines before the header
        line = answer.body.readline(_LONGEST_HEADER)
    names = header_of(line)
    chosen = _chosen(answer, wanted, names)
    begin, whole = answer.body.tell(), line.endswith(b"\n")
    if not whole or not _ends_with_newline(answer.body):
        if not whole or not (tail := _tail(answer.body, begin)):
            raise _invalid(answer, "ends in the middle of a line", "a line end after the header")
        CsvBlock(tail, chosen, names).check_last()
        _check_unended(answer)
    answer.body.seek(begin)
    for lines in reads.blocks_of_lines(answer.body, _BLOCK, limits.LINE):
        yield CsvBlock(lines, chosen, names)


def _check_unended(answer: Answer) -> None:
    if not answer.unended.is_believed(answer.about or answer.url, answer.body):
        raise _invalid(answer, "has no line end after its last row", "one, or the same answer twice")


def _ends_with_newline(body: BinaryIO) -> bool:
    body.seek(-1, 2)
    return body.read(1) == b"\n"


def _tail(body: BinaryIO, begin: int) -> bytes:
    """The last lines of a body, whole ones but for the last; they begin after *begin*."""
    at = max(begin, body.seek(0, 2) - _TAIL)
    body.seek(at)
    tail = body.read()
    return tail if at == begin else tail.partition(b"\n")[2]


def _ndjson(answer: Answer, wanted: list[Wanted]) -> Iterator[Block]:
    chosen: Wanted | None = None
    for lines in reads.blocks_of_lines(answer.body, _BLOCK, limits.LINE):
        if chosen is None:
            chosen = _by_first_row(wanted, NdjsonBlock(lines, wanted[0]).names())
        block = NdjsonBlock(lines, chosen)
        if not lines.endswith(b"\n"):
            block.check_last()  # the vendor's own end so (its published samples)
        yield block


def _by_first_row(wanted: list[Wanted], names: Iterable[str]) -> Wanted:
    """The one of *wanted* that a first row's *names* fit; the first where it may be a bad row."""
    there = set(plain(list(names)))
    return next((each for each in wanted if there.issuperset(each.needed)), wanted[0])


def _json(answer: Answer, wanted: list[Wanted]) -> Iterator[Block]:
    opened = layouts.opening(answer.body)
    chosen: Wanted | None = None
    for rows in layouts.all_rows(opened):
        chosen = chosen or _by_first_row(wanted, rows[0])
        yield JsonBlock(rows, chosen)


_BODIES: Mapping[str, Callable[[Answer, list[Wanted]], Iterator[Block]]] = {
    "csv": _csv,
    "json": _json,
    "ndjson": _ndjson,
}


def next_page_of(answer: Answer) -> str | None:
    """The URL of the page after a v2 JSON answer, from its header object; None at the last one, or of CSV."""
    try:
        bodies.past_mark(answer.body)
        begin = answer.body.tell()
        if not answer.body.read(_LONGEST_HEADER).lstrip().startswith(b"{"):
            return None
        answer.body.seek(begin)
        page = layouts.header(answer.body).get("next_page")
        following = None if page in (None, "", "null") else str(page)
        (following or "").encode()  # half of a pair is no address
    except ValueError as error:
        raise _invalid(answer, f"cannot be read: {error}", "JSON with a header") from error
    finally:
        answer.body.seek(0)
    return following
