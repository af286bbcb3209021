"""What several findings look at: the chains that were heard, and how a place in them is named."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import re
import string
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import polars as pl

from spx_data.market.chains import midnight_ms
from spx_data.market.second_opinion import contract
from spx_data.market.sessions import Session
from spx_data.ops.probe import choosing, scrubbing
from spx_data.ops.probe.heard import CHAINS, Heard, Raw, Story, Topic
from spx_data.quality.panel import clock
from spx_data.sources.theta.blocks import header_of
from spx_data.text.printable import excerpt

OK = 200
_GZIP = b"\x1f\x8b"
_PIECE = 1 << 16
_MOST_PIECES = (256 << 20) // _PIECE
_LAST = 1 << 12  # bytes: longer than any row
_LONGEST = 1_000_000  # bytes of a line that are read
_SHOWN = 60  # characters
_OF_WORDS = string.ascii_letters.encode() + b"_"
_WORD_BYTES = re.compile(rb"[" + re.escape(_OF_WORDS) + rb"]+$")


def chains(story: Story, *topics: Topic) -> Iterator[tuple[Heard, pl.DataFrame]]:
    """The histories of chains with records, those on the ordinary day first; of some *topics*, or of all."""
    of = topics or CHAINS
    for each in sorted(story.of(*of), key=lambda heard: of.index(heard.topic)):
        if each.records is not None and len(each.records):
            yield each, each.records


def first(story: Story, oddity: str, *topics: Topic) -> tuple[Heard, dict[str, Any]] | None:
    """The first chain that has a row with an *oddity* (`choosing`), and the row."""
    found = ((heard, choosing.first_odd(records, oddity)) for heard, records in chains(story, *topics))
    return next(((heard, row) for heard, row in found if row), None)


def number(value: float | None) -> str:
    """A value of a row in words."""
    return "blank" if value is None else f"{value:.10g}"


def named(row: Mapping[str, Any]) -> str:
    """The contract of a row and its stamp: like C 4700 at 10:31."""
    return f"{contract(row['right'], row['strike'])} at {clock(row['timestamp'])}"


def session(story: Story, date: dt.date | None) -> Session | None:
    """The session of a date; None where the calendar has none."""
    return next((each for each in story.sessions if each.date == date), None)


def since_midnight(heard: Heard, stamp: int) -> int:
    """A stamp (ms since the epoch) as ms since midnight in New York of the date asked for."""
    assert heard.date
    return stamp - midnight_ms(heard.date)


def ends(records: pl.DataFrame) -> tuple[int, int]:
    """The first and the last stamp of records, in ms since the epoch."""
    stamps = records["timestamp"].sort()
    return int(stamps[0]), int(stamps[-1])


def span(stamps: list[int], step: int) -> str:
    """The first of some stamps and those that follow it without a gap: like 10:31 to 10:40."""
    last = stamps[0]
    for stamp in stamps[1:]:
        if stamp - last != step:
            break
        last = stamp
    return clock(stamps[0]) if last == stamps[0] else f"{clock(stamps[0])} to {clock(last)}"


def quoted(data: bytes, most: int = _SHOWN) -> str:
    """The beginning of *data* as it is, in quotation marks; of a word that would be cut in two nothing."""
    if len(data) <= most:
        return repr(data)[1:]
    whole = _WORD_BYTES.sub(b"", data[:most]) if _WORD_BYTES.search(data[most : most + 1]) else data[:most]
    return repr(whole)[1:] + "…"


def ended(data: bytes, most: int = 24) -> str:
    """The end of *data*, like `quoted`."""
    if len(data) <= most:
        return repr(data)[1:]
    last = data[-most:]
    if _WORD_BYTES.search(data[-most - 1 : -most]):
        last = last[len(last) - len(last.lstrip(_OF_WORDS)) :]
    return "…" + repr(last)[1:]


def words(raw: Raw) -> str:
    """The status of an answer and how its text begins, without what may identify somebody."""
    text = scrubbing.scrubbed(excerpt(raw.content(1000), raw.size))
    return f"status {raw.status} {text[:_SHOWN]!r}"


def sentence(raw: Raw) -> str:
    """The status of an answer and all that it says in words, without what may identify somebody."""
    return f"status {raw.status} {scrubbing.sentence(raw.content(scrubbing.MOST_OPAQUE), raw.size)!r}"


def told(heard: Heard, say: Callable[[Raw], str] = words) -> str:
    """The last answer to a question, or that none came."""
    return say(heard.raws[-1]) if heard.raws else f"no answer ({type(heard.error).__name__})"


def is_packed(raw: Raw) -> bool:
    """Whether the body came in gzip."""
    return raw.content(len(_GZIP)) == _GZIP


def opened(raw: Raw) -> BinaryIO:
    """The body from its beginning, to be read unpacked."""
    packed = is_packed(raw)
    raw.body.seek(0)
    return cast("BinaryIO", gzip.GzipFile(fileobj=raw.body)) if packed else raw.body


def pieces(raw: Raw) -> Iterator[bytes]:
    """The body piece by piece, unpacked; as far as it can be, and no further than any answer goes."""
    source = opened(raw)
    try:
        for _ in range(_MOST_PIECES):
            if not (piece := source.read(_PIECE)):
                return
            yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return


def plain(raw: Raw) -> bytes:
    """The whole body, unpacked; for answers that are small."""
    return b"".join(pieces(raw))


def beginning(raw: Raw) -> bytes:
    """The first bytes of the body, unpacked: more than a header and a row."""
    return next(pieces(raw), b"")


def end(raw: Raw) -> bytes:
    """The last bytes of the body, unpacked."""
    if not is_packed(raw):
        size = raw.body.seek(0, 2)
        raw.body.seek(max(0, size - _LAST))
        return raw.body.read()
    last = b""
    for piece in pieces(raw):
        last = (last + piece)[-_LAST:]
    return last


def cells(raw: Raw, columns: list[str]) -> Iterator[str]:
    """What stands in the *columns* where there is no number: the first of each column that is found."""
    lines = _lines(opened(raw))
    head = next((line for line in lines if line.strip()), "")
    if head.lstrip("\ufeff \t").startswith(("{", "[")):
        yield from _of_objects([head, *lines], columns)
    else:
        yield from _of_csv(head, lines, columns)


def _lines(source: BinaryIO) -> Iterator[str]:
    while line := source.readline(_LONGEST):
        yield line.decode(errors="replace")


def _of_objects(lines: Iterable[str], columns: list[str]) -> Iterator[str]:
    """Values of JSON objects that are no numbers; those of rows without names are not found."""
    wanted = {name: re.compile(rf'"{name}"\s*:\s*(null|NaN|"[^"]*")') for name in columns}
    for line in lines:
        for name, pattern in list(wanted.items()):
            if (found := pattern.search(line)) and not _is_stamp(found[1]):
                del wanted[name]
                yield found[1]
        if not wanted:
            return


def _of_csv(head: str, lines: Iterable[str], columns: list[str]) -> Iterator[str]:
    names = [name.strip("\ufeff \t").lower() for name in next(csv.reader([head]), [])]
    wanted = {names.index(name) for name in columns if name in names}
    for row in csv.reader(lines):
        for at in [at for at in wanted if at < len(row) and not _is_value(row[at])]:
            wanted.discard(at)
            yield row[at]
        if not wanted:
            return


def _is_value(cell: str) -> bool:
    """Whether a cell is a number, or a stamp."""
    try:
        number = float(cell)
    except ValueError:
        return _is_stamp(cell)
    return number == number


def _is_stamp(cell: str) -> bool:
    return sum(map(str.isdigit, cell)) > 5


@dataclass(frozen=True)
class Table:
    """A CSV body where it tells its spelling."""

    before: bytes  # the header: a mark of UTF-8, blank lines
    header: bytes  # with the end of its line, as the row
    row: bytes
    last: bytes  # the end of the body

    @property
    def names(self) -> Sequence[str]:
        """The names of the columns as the product reads them."""
        return header_of(self.header)

    @property
    def cells(self) -> Mapping[str, str]:
        """The first row's fields by their names, without quotation marks."""
        fields = next(csv.reader([self.row.decode(errors="replace")]), [])
        return dict(zip(self.names, fields, strict=False))


def table_of(raws: Sequence[Raw]) -> Table | None:
    """The CSV table in the last answer that holds its beginning; None where there is none with a row."""
    first = next((raw for raw in reversed(raws) if raw.status == OK and "/page/" not in raw.target), None)
    if first is None:
        return None
    begun = beginning(first)
    text = begun.removeprefix(BOM_UTF8).lstrip()
    header, _, rest = text.partition(b"\n")
    row, newline, _ = rest.partition(b"\n")
    if text.startswith((b"{", b"[", b"<")) or b"," not in header or not row.strip():
        return None
    before = begun[: len(begun) - len(text)]
    return Table(before, header + b"\n", row + newline, end(raws[-1]))


def answered(story: Story, form: str) -> Iterator[Heard]:
    """Histories that were asked for in a format and answered: chains first, those with rows before others."""
    order = CHAINS
    chains = sorted(story.of(*order), key=lambda heard: order.index(heard.topic))
    asked = [*chains, *story.of(Topic.CONTRACT)]
    found = [heard for heard in asked if heard.format == form and heard.raws and heard.raws[-1].status == OK]
    return iter(sorted(found, key=lambda heard: not heard.has_rows))


def history(story: Story) -> tuple[Heard, Table] | None:
    """The history in CSV whose spelling is looked at."""
    tables = ((heard, table_of(heard.raws)) for heard in answered(story, "csv"))
    return next(((heard, table) for heard, table in tables if table), None)


@dataclass(frozen=True)
class Seen:
    """What was seen of an assumption, with the bytes where bytes tell; and what follows from it.

    A text holds nothing that a recording does not keep: examples are the lowest strike or the earliest stamp
    of their kind, and no count of rows or contracts stands in it.
    """

    text: str
    as_assumed: bool
    consequence: str
    set: str = ""  # what is set accordingly, as a field of the profile
