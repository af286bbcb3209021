"""Tables of what passports say, kept by the year: to read the passports of ten years takes seconds.

A kept row is right as long as the day's sidecar vouches for the passport that it was made of, so nothing else
is compared, and only days that are new or were sealed anew are read. A file begins with a digest of its own
content and of how the table is made: one that is torn, of another release or of another table is none. They
save time and nothing else, so where the lake has no cache, or none that can be written, passports answer.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from spx_data._version import __version__
from spx_data.errors import FileCorruptionError, SpxDataError
from spx_data.lake import passports
from spx_data.store import cores, files, reads
from spx_data.store.layout import Layout

_PASSPORT = "passport_sha256"
_DIGITS = 64
_AT_ONCE = 8  # passports in memory, of 200 kB each: with more, collecting garbage takes a third of the time

Rows = list[tuple[Any, ...]]


class Told(NamedTuple):
    """A column: its type of Polars, and what it says."""

    type: Any
    meaning: str


@dataclass(frozen=True)
class Table:
    """One table: its columns, of which `date` is the first, and the rows that it has of a passport.

    *key* says what the rows hang on beside the passport. *whole* passports have their details.
    """

    name: str
    columns: Mapping[str, Told]
    rows: Callable[[Mapping[str, Any]], Rows]
    key: Callable[[], str]
    whole: bool = False

    @property
    def schema(self) -> pl.Schema:
        """The columns as they are kept."""
        return pl.Schema({**{name: told.type for name, told in self.columns.items()}, _PASSPORT: pl.String})

    def digest(self, content: bytes) -> str:
        """What vouches for the *content* of a file of this table."""
        how = f"{__version__} {self.name} {self.key()} {self.schema}".encode()
        return hashlib.sha256(how + content).hexdigest()


def read(layout: Layout, table: Table, sealed: Mapping[dt.date, str]) -> pl.DataFrame:
    """The rows of the *sealed* days, each with the SHA-256 of its passport, in date order.

    Raises:
        FileCorruptionError: a passport is not what was sealed.
    """
    found = [_year(layout, [table], year, days)[0] for year, days in _by_year(sealed)]
    return pl.concat([table.schema.to_frame(), *found]).drop(_PASSPORT)


def keep(layout: Layout, tables: Sequence[Table], sealed: Mapping[dt.date, str]) -> None:
    """Keep the rows of the *sealed* days for `read`: each passport is read once for all of the *tables*.

    Days whose passports cannot be read, or are not what was sealed, are left to `read`, which says so.
    """
    for year, days in _by_year(sealed):
        _year(layout, tables, year, days, patient=True)


def _by_year(sealed: Mapping[dt.date, str]) -> list[tuple[int, dict[dt.date, str]]]:
    years: dict[int, dict[dt.date, str]] = defaultdict(dict)
    for date, sha256 in sealed.items():
        years[date.year][date] = sha256
    return sorted(years.items())


def _year(
    layout: Layout, tables: Sequence[Table], year: int, days: Mapping[dt.date, str], *, patient: bool = False
) -> list[pl.DataFrame]:
    """The rows of some *days* of a year, of each table; kept where they were not."""
    wanted = pl.DataFrame(
        {"date": list(days), _PASSPORT: list(days.values())}, {"date": pl.Date, _PASSPORT: pl.String}
    )
    paths = [layout.remembered(table.name, year) for table in tables]
    kept = [_kept(path, table) for path, table in zip(paths, tables, strict=True)]
    known = [
        rows.join(wanted, on=["date", _PASSPORT], how="semi", maintain_order="left").sort(
            "date", maintain_order=True
        )
        for rows in kept
    ]
    unknown = [set(wanted.join(rows, on="date", how="anti")["date"]) for rows in known]
    made = _made(layout, tables, unknown, patient)
    for at, (table, path) in enumerate(zip(tables, paths, strict=True)):
        if made[at]:
            new = pl.DataFrame(made[at], table.schema, orient="row")
            # Days beyond those that are asked for stay as they are kept, but for other versions of these.
            rest = kept[at].join(wanted, on="date", how="anti")
            _keep(path, table, pl.concat([rest, known[at], new]))
            known[at] = pl.concat([known[at], new]).sort("date", maintain_order=True)
    return known


def _made(
    layout: Layout, tables: Sequence[Table], unknown: Sequence[Collection[dt.date]], patient: bool
) -> list[Rows]:
    """The rows of each table of the dates *unknown* to it; reading runs beside the parsing of others."""
    made, dates = [Rows() for _ in tables], sorted(set().union(*unknown))
    whole = any(table.whole for table, its in zip(tables, unknown, strict=True) if its)

    def reading(date: dt.date) -> passports.Reading | None:
        try:
            found = passports.read(layout, date, whole=whole)
            _check(layout, date, found.document)
            return found
        except (SpxDataError, OSError):
            if not patient:
                raise
            return None

    with ThreadPoolExecutor(cores.usable(), thread_name_prefix="passports") as pool:
        for start in range(0, len(dates), _AT_ONCE):
            some = dates[start : start + _AT_ONCE]
            for date, found in zip(some, pool.map(reading, some), strict=True):
                for rows, table, its in zip(made, tables, unknown, strict=True):
                    if found and date in its:
                        rows += [(date, *row, found.sha256) for row in table.rows(found.document)]
    return made


def _check(layout: Layout, date: dt.date, passport: Mapping[str, Any]) -> None:
    if passport["date"] != date.isoformat():
        path = layout.passport(date)
        raise FileCorruptionError(
            f"{path} is of {passport['date']}: another day was copied over this one",
            cure="Run `spx-data verify`, which moves it away, then `spx-data process-gaps` to fetch it again",
            path=path,
            expected=date.isoformat(),
            actual=passport["date"],
        )


def _kept(path: Path, table: Table) -> pl.DataFrame:
    with suppress(SpxDataError, OSError, pl.exceptions.PolarsError):
        content = reads.content(path)
        if content[:_DIGITS] == table.digest(content[_DIGITS:]).encode():
            return pl.read_ipc(io.BytesIO(content[_DIGITS:]), use_pyarrow=False)
    return table.schema.to_frame()


def _keep(path: Path, table: Table, rows: pl.DataFrame) -> None:
    if not path.parent.is_dir():  # of a copy of some days, around which nobody wants to find files
        return
    to = io.BytesIO()
    rows.sort("date", maintain_order=True).write_ipc(to)
    content = to.getvalue()
    with suppress(SpxDataError), files.atomic(path) as stream:  # it only saves time
        stream.write(table.digest(content).encode() + content)
