"""Bodies of the terminal as Arrow record batches, in bounded memory, whatever the transport format.

CSV, NDJSON and both layouts of JSON come out alike: the wire's columns under the wire's names, in the types
that a `Columns` declares, a few megabytes at a time. Content type, then shape, are checked here: an answer
whose columns, types or end are not those of a complete table raises `ApiResponseInvalidError`.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import ijson
import pyarrow as pa
import pyarrow.compute as pc

from spx_data import files
from spx_data.theta import errors
from spx_data.theta.transport import Answer

Columns = Mapping[str, pa.DataType]

WORD = pa.dictionary(pa.int32(), pa.string())

_BLOCK = 8 << 20
_ROWS = 1 << 16
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
        ApiResponseInvalidError: the body is not such a table, or ends in the middle of one.
    """
    parse = _PARSERS[_format(answer, asked)]
    rows = 0
    try:
        for batch in parse(answer, columns):
            _check_values(answer, batch)
            rows += batch.num_rows
            yield batch
    except (pa.ArrowInvalid, csv.Error, ijson.JSONError, ValueError) as error:
        raise _invalid(
            answer, f"cannot be read: {error}", f"a complete table of {', '.join(columns)}"
        ) from error
    if not rows:
        raise _invalid(answer, "holds no rows", "rows, or status 472 where there are none")


def _check_values(answer: Answer, batch: pa.RecordBatch) -> None:
    """Absent values are 0 on this wire (wire-facts, section 0), never null, NaN or infinite."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if column.null_count:
            raise _invalid(answer, f"lacks values of {name}", "every field of every row")
        if pa.types.is_floating(column.type) and not pc.all(pc.is_finite(column)).as_py():
            raise _invalid(answer, f"holds a {name} that is no number", "finite numbers")


def _format(answer: Answer, asked: str) -> str:
    if answer.content_type == "text/html":
        raise _invalid(answer, "is a web page", f"a table in {asked}")
    # Plain text may be a table or a sentence: the shape will tell. NDJSON travels under JSON's name.
    found = _FORMATS.get(answer.content_type, asked)
    return "ndjson" if (asked, found) == ("ndjson", "json") else found


def _invalid(answer: Answer, finding: str, expected: str) -> Exception:
    answer.body.seek(0)
    return errors.invalid(answer.url, finding, expected, answer.body.read(4 * errors.EXCERPT))


# CSV ----------------------------------------------------------------------------------------------------


def _read_csv(answer: Answer, columns: Columns) -> Iterator[pa.RecordBatch]:
    import pyarrow.csv

    first = answer.body.readline(_ROWS).decode(errors="replace")
    names = next(csv.reader([first]), [])
    if missing := [name for name in columns if name not in names]:
        raise _invalid(
            answer, f"lacks the columns {', '.join(missing)}", f"a CSV header with {', '.join(columns)}"
        )
    if not _ends_with_newline(answer.body):
        raise _invalid(
            answer, "ends in the middle of a line", "a line end after the last row (wire-facts, section 0)"
        )
    answer.body.seek(0)
    if not _has_second_line(answer.body):
        return
    answer.body.seek(0)
    yield from pyarrow.csv.open_csv(
        answer.body,
        read_options=pyarrow.csv.ReadOptions(block_size=_BLOCK),
        # Nothing stands for an absent value on this wire: an empty field is damage.
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=columns, include_columns=list(columns), null_values=[], strings_can_be_null=False
        ),
    )


def _ends_with_newline(body: BinaryIO) -> bool:
    body.seek(-1, 2)
    return body.read(1) == b"\n"


def _has_second_line(body: BinaryIO) -> bool:
    body.readline()
    return bool(body.readline())


# JSON ---------------------------------------------------------------------------------------------------


def _read_ndjson(answer: Answer, columns: Columns) -> Iterator[pa.RecordBatch]:
    # Polars reads lines faster than Arrow does, and Arrow's reader ends the process at a line `null`.
    import polars as pl

    kinds = {pa.float64(): pl.Float64, pa.int64(): pl.Int64}
    types = {name: kinds.get(kind, pl.String) for name, kind in columns.items()}
    for lines in files.blocks_of_lines(answer.body, _BLOCK):
        try:
            frame = pl.read_ndjson(io.BytesIO(lines), schema=types)
        except pl.exceptions.PolarsError as error:
            raise ValueError(str(error)) from error
        arrays = [_typed(frame[name].to_arrow(), kind) for name, kind in columns.items()]
        yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema(columns.items()))


def _read_json(answer: Answer, columns: Columns) -> Iterator[pa.RecordBatch]:
    names = _header(answer).get("format")
    items = ijson.items(answer.body, "response.item", use_float=True)
    yield from _in_batches(itertools.chain.from_iterable(_rows(item, names) for item in items), columns)


def next_page_of(answer: Answer) -> str | None:
    """The URL of the page after a v2 JSON answer, from its header object; None at the last one."""
    try:
        page = _header(answer).get("next_page")
    except (ijson.JSONError, ValueError) as error:
        raise _invalid(answer, f"cannot be read: {error}", "JSON with a header") from error
    return None if page in (None, "", "null") else str(page)


def _header(answer: Answer) -> Mapping[str, Any]:
    """The header object of a v2 answer; empty for v3, which has none and is not searched for it."""
    answer.body.seek(0)
    keys = (value for prefix, event, value in ijson.parse(answer.body) if (prefix, event) == ("", "map_key"))
    first = next(keys, None)
    answer.body.seek(0)
    header = next(ijson.items(answer.body, "header", use_float=True), None) if first == "header" else None
    answer.body.seek(0)
    return header if isinstance(header, dict) else {}


def _rows(item: Any, names: list[str] | None) -> Iterable[Mapping[str, Any]]:
    """The rows in one element of `response`, whichever of the layouts it has (wire-facts, 1.1 and 11.1)."""
    if isinstance(item, list) and names:  # v2: a row of a listing or of a single contract
        return [dict(zip(names, item, strict=True))]
    if not isinstance(item, dict):
        raise ValueError(f"an element of the response is {item!r:.80}")
    if "contract" not in item:  # v3: a flat row
        return [item]
    if "ticks" in item and names:  # v2 bulk
        return ({**item["contract"], **dict(zip(names, tick, strict=True))} for tick in item["ticks"])
    return ({**item["contract"], **row} for row in item["data"])  # v3


def _in_batches(rows: Iterable[Mapping[str, Any]], columns: Columns) -> Iterator[pa.RecordBatch]:
    stream = iter(rows)
    try:
        while chunk := list(itertools.islice(stream, _ROWS)):
            arrays = [_array([row[name] for row in chunk], kind) for name, kind in columns.items()]
            yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema(columns.items()))
    except KeyError as error:
        raise ValueError(f"a row lacks {error}") from error
    except (pa.ArrowTypeError, TypeError) as error:
        raise ValueError(f"a value has the wrong type: {error}") from error


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    # A wrong kind of value must not be bent into the right one: only a float may be written as an integer.
    return _typed(pa.array(values, kind if pa.types.is_floating(kind) else None), kind)


def _typed(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The column in its declared type: words encoded, stamps read from text."""
    if kind == WORD:
        return array.cast(pa.string()).dictionary_encode()
    if pa.types.is_timestamp(kind):
        return array.cast(pa.string()).cast(kind)
    return array.cast(kind)


_PARSERS: Mapping[str, Callable[[Answer, Columns], Iterator[pa.RecordBatch]]] = {
    "csv": _read_csv,
    "json": _read_json,
    "ndjson": _read_ndjson,
}
