"""Records as lines of NDJSON: what repeats is said once for some thousands of them, numbers are whole.

Below a line with the columns' names stand batches of records. Each begins with its head, an object:
*contracts* (strike and right), *stamps* (the moment in ms since the epoch, and with it the underlying's,
where records have that), and *per*. Then each record is an array: the places of its contract and its stamp in
the head, and its measures. Numbers with a fraction are divided by `per`, 10,000: whole numbers cost much less
to write and to read, and sources cut values off after four decimals (docs/wire.md, 3.5). In a batch where
that would change any value by a bit, `per` is 1 and numbers are as they are (decision 79).
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spx_data.market import schema, stamps
from spx_data.store import foreign

if TYPE_CHECKING:
    import polars as pl

Ints = npt.NDArray[np.int64]

LONGEST = 4 << 20  # bytes of a line: that of a head whose records have each its own stamp
_PER = 10_000
_BATCH = 1 << 15  # records at most
_NULL = "null"  # JSON's word for what a record lacks
_CONTRACT = ("strike", "right")
_CLOCK = ("timestamp", "underlying_timestamp", "underlying_price")
_CONTRACTS, _STAMPS = "contracts", "stamps"
_HEAD = ["per", _CONTRACTS, _STAMPS]
_PLACES = ("contract", "stamp")  # what rows begin with
_STAMPS_BEGIN = b',"stamps":'
_BRACKETS = b"[]"


def types_of(line: bytes) -> dict[str, Any]:
    """The columns of a first *line*, with their types for Polars; raises ValueError where it is none."""
    try:
        (columns,) = _object(line, ["columns"])
        types = schema.polars_record(columns)
    except (KeyError, TypeError) as error:
        raise ValueError(f"other columns: {error}") from error
    if len(types) != len(columns) or not types.keys() >= {*_CONTRACT, _CLOCK[0]}:
        raise ValueError(f"other columns: {columns}")
    return types


def _dumped(document: Any) -> bytes:
    import orjson  # here, because lists of dates need none

    return orjson.dumps(document) + b"\n"


def _object(line: bytes, keys: list[str]) -> list[Any]:
    """The values in an object that has just these *keys*."""
    found = foreign.parsed(line)
    if not isinstance(found, dict) or [*found] != keys:
        raise ValueError(f"an object of {', '.join(keys)} was expected: {line[:80]!r}")
    return list(found.values())


# Writing ------------------------------------------------------------------------------------------------


class Writer:
    """Makes lines of records; knows how many *rows* of which *contracts* there were."""

    def __init__(self) -> None:
        self.rows = 0
        self.contracts: set[tuple[float, str]] = set()

    def lines(self, frame: pl.DataFrame) -> Iterator[bytes | memoryview]:
        """*frame*, of records in any order, as lines, with the first of all if these are the first."""
        if not self.rows:
            yield _dumped({"columns": frame.columns})
        for batch in frame.iter_slices(_BATCH):
            yield from self._batch(batch)
            self.rows += len(batch)

    def _batch(self, batch: pl.DataFrame) -> Iterator[bytes | memoryview]:
        import polars as pl

        counted = _counted(batch)
        values = counted or {column.name: column for column in batch}
        contracts, contract = _contracts(batch)
        shown, stamp = _stamps(batch)
        self.contracts |= set(_picked(batch, _CONTRACT, contracts))
        head = {"per": 1 if counted is None else _PER, _CONTRACTS: _picked(values, _CONTRACT, contracts)}
        yield _dumped(head | {_STAMPS: _picked(values, [name for name in _CLOCK if name in values], shown)})
        measures = [values[name] for name in values if name not in (*_CONTRACT, *_CLOCK)]
        yield _rows(pl.DataFrame([pl.Series(_PLACES[0], contract), pl.Series(_PLACES[1], stamp), *measures]))


def _picked(
    values: Mapping[str, pl.Series] | pl.DataFrame, names: Sequence[str], places: Ints
) -> list[tuple[Any, ...]]:
    """What the columns *names* have at some places."""
    return list(zip(*(values[name][places].to_list() for name in names), strict=True))


def _rows(frame: pl.DataFrame) -> memoryview:
    """Rows of numbers as JSON arrays, one a line.

    Numbers are spelt alike in CSV and in JSON, and CSV is written twice as fast.
    """
    lines = io.BytesIO()
    lines.write(b"[")
    frame.write_csv(lines, include_header=False, line_terminator="]\n[", null_value=_NULL)
    return lines.getbuffer()[:-1]


def _counted(batch: pl.DataFrame) -> dict[str, pl.Series] | None:
    """The columns, numbers in ten-thousandths; None where they would not come back to the bit."""
    import polars as pl

    found, scratch = {}, np.empty(len(batch))  # for all: fresh memory costs more than what is done in it
    for column in batch:
        if column.null_count():
            return None
        found[column.name] = column
        if column.dtype.is_float():
            values = column.to_numpy()
            with np.errstate(over="ignore", invalid="ignore"):
                np.rint(np.multiply(values, _PER, out=scratch), out=scratch)
                counted = scratch.astype(np.int64)
            if not np.array_equal(
                np.divide(counted, _PER, out=scratch).view(np.int64), values.view(np.int64)
            ):
                return None
            found[column.name] = pl.Series(column.name, counted)
    return found


def _contracts(batch: pl.DataFrame) -> tuple[Ints, Ints]:
    """Records that have every contract of a *batch* once; and which of these contracts each record has."""
    strike = batch["strike"].to_numpy().view(np.int64)  # bits, or -0.0 would be 0.0
    call = (batch["right"] == "C").to_numpy()
    # Records of a contract mostly follow one another.
    begins = np.append(0, np.flatnonzero((strike[1:] != strike[:-1]) | (call[1:] != call[:-1])) + 1)
    keys = np.stack([strike[begins], call[begins]], axis=1)
    _, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return begins[first], np.repeat(place.reshape(-1), np.diff(np.append(begins, len(batch))))


def _stamps(batch: pl.DataFrame) -> tuple[Ints, Ints]:
    """Records that have every stamp of a *batch* once; and which of these stamps each record has.

    All records, where those of one stamp do not say the same of the underlying.
    """
    every = np.arange(len(batch))
    found, at = stamps.indexed(batch["timestamp"].to_numpy())
    shown = np.empty(len(found), dtype=np.int64)
    shown[at] = every
    for column in (batch[name] for name in _CLOCK[1:] if name in batch.columns):
        if column.null_count():
            return every, every
        bits = column.to_numpy().view(np.int64)
        if not np.array_equal(bits[shown][at], bits):
            return every, every
    return shown, at


# Reading ------------------------------------------------------------------------------------------------


class _Batch(NamedTuple):
    """Some rows below one head, without their brackets; and what stands in the head."""

    rows: bytes
    size: int
    per: int
    contracts: pl.DataFrame
    stamps: pl.DataFrame


class Reader:
    """Reads the lines below a first one that names the columns of *types*, some at a time, in their order."""

    def __init__(self, types: Mapping[str, Any]) -> None:
        import polars as pl

        self._clock = [name for name in _CLOCK if name in types]
        self._types = types
        measures = {name: kind for name, kind in types.items() if name not in (*_CONTRACT, *_CLOCK)}
        self._row = dict.fromkeys(_PLACES, pl.Int64) | measures
        # The head of the rows to come; its stamps as they are spelt too.
        self._per, self._contracts, self._stamps, self._spelling = 1, pl.DataFrame(), pl.DataFrame(), b""

    def frame(self, lines: bytes) -> pl.DataFrame:
        """The records in *lines*, each of which ends; raises ValueError where they are none."""
        import polars as pl

        if not lines.endswith(b"\n"):
            raise ValueError("a line without an end")
        try:
            alike = itertools.groupby(self._batches(lines), key=lambda batch: batch.per)
            found = [self._records(per, list(batches)) for per, batches in alike]
        except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
            raise ValueError(f"other values: {error}") from error
        return pl.concat(found) if found else pl.DataFrame(schema=self._types)

    def _batches(self, lines: bytes) -> Iterator[_Batch]:
        """What there is of each batch in *lines*."""
        at = 0
        while at < len(lines):
            if lines.startswith(b"{", at):
                end = lines.index(b"\n", at) + 1
                self._begin(lines[at:end])
            else:
                end = len(lines) if (place := lines.find(b"{", at)) < 0 else place
                yield _Batch(*_bare(lines[at:end]), self._per, self._contracts, self._stamps)
            at = end

    def _begin(self, line: bytes) -> None:
        """Take up the head of a batch; stamps that are spelt as those before it are the same."""
        begin, mark, spelling = line.partition(_STAMPS_BEGIN)
        if mark and spelling == self._spelling:
            per, contracts = _object(begin + b"}", _HEAD[:-1])
            if per == self._per:
                self._contracts = self._read(_CONTRACT, contracts)
                return
        self._per, contracts, stamps = _object(line, _HEAD)
        if not isinstance(self._per, int) or self._per < 1:
            raise ValueError(f"a divisor that is none: {line[:80]!r}")
        self._contracts = self._read(_CONTRACT, contracts)
        self._stamps, self._spelling = self._read(self._clock, stamps), spelling

    def _read(self, names: Sequence[str], rows: Any) -> pl.DataFrame:
        """Columns of the head, row by row there."""
        import polars as pl

        kinds = {name: self._spelt(self._types[name], self._per) for name in names}
        found = pl.DataFrame(rows, kinds, orient="row", strict=True)
        return pl.DataFrame([self._divided(column, self._per) for column in found])

    def _spelt(self, kind: Any, per: int) -> Any:
        """The type of a column of *kind* before it is divided."""
        import polars as pl

        return pl.Int64 if kind == pl.Float64 and per != 1 else kind

    def _divided(self, column: pl.Series, per: int) -> pl.Series:
        """A column with its values as they were before they were counted."""
        import polars as pl

        if self._types.get(column.name) == pl.Float64 and per != 1:
            # By NumPy, as when they were counted: Polars multiplies by the reciprocal, which is no division.
            return pl.Series(column.name, column.to_numpy() / per)
        return column

    def _numbers(self, per: int, batches: Sequence[_Batch]) -> pl.DataFrame:
        """The rows of *batches*, counted alike: the places in their heads, then the measures."""
        import polars as pl

        rows, count = b"".join(batch.rows for batch in batches), sum(batch.size for batch in batches)
        kinds = {name: self._spelt(kind, per) for name, kind in self._row.items()}
        null = _NULL if per == 1 else None
        try:
            found = pl.read_csv(rows, has_header=False, schema=kinds, null_values=null, quote_char=None)
        # What it did not think of ends in a panic, which is no Exception.
        except pl.exceptions.PanicException as error:
            raise ValueError(str(error)) from error
        lacking = found.columns if per != 1 else _PLACES  # where every number is there
        if len(found) != count or any(found[name].null_count() for name in lacking):
            raise ValueError(f"rows of {len(kinds)} numbers were expected: {rows[:80]!r}")
        return found

    def _records(self, per: int, batches: Sequence[_Batch]) -> pl.DataFrame:
        """The records of *batches*, counted alike."""
        import polars as pl

        numbers = self._numbers(per, batches)
        columns = {name: self._divided(numbers[name], per) for name in numbers.columns[len(_PLACES) :]}
        counts = [batch.size for batch in batches]
        for place, heads in zip(
            _PLACES, ([each.contracts for each in batches], [each.stamps for each in batches]), strict=True
        ):
            columns |= {each.name: each for each in _at(numbers[place].to_numpy(), heads, counts)}
        return pl.DataFrame([columns[name] for name in self._types])


def _bare(rows: bytes) -> tuple[bytes, int]:
    """*rows* without their brackets, and how many there are."""
    bare, count = rows.translate(None, _BRACKETS), rows.count(b"\n")
    if len(rows) - len(bare) != 2 * count or not rows.startswith(b"[") or not rows.endswith(b"]\n"):
        raise ValueError(f"a JSON array in each line was expected: {rows[:80]!r}")
    return bare, count


def _at(places: Ints, heads: Sequence[pl.DataFrame], counts: Sequence[int]) -> pl.DataFrame:
    """What stands at *places*: so many of them are in each of the *heads*."""
    import polars as pl

    sizes = np.array([len(head) for head in heads])
    if places.min() < 0 or (places >= np.repeat(sizes, counts)).any():
        raise ValueError("a place in the head where nothing stands")
    found: pl.DataFrame = pl.concat(heads)[places + np.repeat(np.cumsum(sizes) - sizes, counts)]
    return found
