"""What stands where there is no value: sentinels, and cells that are blank, null or not a number."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from spx_data.market import schema
from spx_data.ops.probe import oddities
from spx_data.ops.probe.findings import looking, peeking
from spx_data.ops.probe.findings.assumption import Assumption, Seen
from spx_data.ops.probe.heard import Heard, Raw, Story
from spx_data.quality.panel import FAILED

if TYPE_CHECKING:
    from typing import BinaryIO

_LONGEST = 1_000_000  # bytes of a line that are read
_LISTED = 4  # columns that are named


def _unsolved(story: Story) -> Seen | None:
    """What a row says whose volatility was not found: without a market, with one, without an underlying."""
    for oddity, why in (
        (oddities.NO_MARKET, "neither bid nor ask"),
        (oddities.UNSOLVED, "bid and ask"),
        (oddities.NO_UNDERLYING, "no underlying"),
    ):
        if found := looking.first(story, oddity):
            heard, row = found
            values = ", ".join(
                f"{name} {looking.number(row[name])}" for name in ("iv_error", "implied_vol", "delta")
            )
            text = f"{looking.said(heard)}: {looking.named(row)} has {why}: {values}"
            usual = row["iv_error"] is not None and row["iv_error"] >= FAILED
            return Seen(text, usual, "such rows are kept; their greeks are judged by no check")
    return None


def _blanks(story: Story) -> Seen | None:
    """Columns without a value in some row, with the cells as they came."""
    heard = [each for each in story.heard if each.records is not None and len(each.records)]
    if not heard:
        return None
    for each in heard:
        columns = [name for name in schema.OPTIONAL if each.nulls.get(name)]
        if columns:
            return _of_columns(each, columns)
    return Seen(
        "no cell of any history is blank, null or NaN", True, "such a value would be null in its record"
    )


def _of_columns(heard: Heard, columns: list[str]) -> Seen:
    where = looking.said(heard)
    row = (
        oddities.first(heard.records, f"{oddities.BLANK}{columns[0]}") if heard.records is not None else None
    )
    spelt = sorted({cell for raw in heard.raws[-1:] for cell in _cells(raw, columns)})
    named = ", ".join(columns[:_LISTED]) + (" and others" if len(columns) > _LISTED else "")
    example = f", like {looking.named(row)}" if row else ""
    cells = f": {', '.join(map(repr, spelt))}" if spelt else ""
    text = f"{where}, in {heard.format}: no value in {named}{example}{cells}"
    return Seen(text, False, "the value is null in its record, and the passport counts it")


# Cells as they came -------------------------------------------------------------------------------------


def _cells(raw: Raw, columns: list[str]) -> Iterator[str]:
    """What stands in the *columns* where there is no number: the first of each column that is found."""
    lines = _lines(peeking.opened(raw))
    head = next((line for line in lines if line.strip()), "")
    if head.lstrip("\ufeff \t").startswith(("{", "[")):
        yield from _of_objects([head, *lines], columns)
    else:
        yield from _of_table(head, lines, columns)


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


def _of_table(head: str, lines: Iterable[str], columns: list[str]) -> Iterator[str]:
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


ASSUMPTIONS = (
    Assumption("unsolved", "a volatility that was not found has an iv_error of 100", _unsolved),
    Assumption("blanks", "every cell of a history has a value", _blanks),
)
