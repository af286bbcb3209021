"""Read a lake: sealed days alone, checked before the first row is read, named by one digest.

import spx_data

days = spx_data.scan("2024-01..2024-03")                # a polars.LazyFrame, every byte checked
name = spx_data.verification_root("2024-01..2024-03")   # what a backtest notes down
days = spx_data.scan("2024-01..2024-03", root=name)     # … and later asks for: these bytes or an error
paths = spx_data.sealed_paths("2024-01..2024-03")       # the same files for DuckDB: read_parquet(paths)
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from spx_data import files, ledger, seals
from spx_data.dates import FORMS, Dates
from spx_data.errors import DateValidationError, FileCorruptionError, MissingFileError
from spx_data.integrity import merkle
from spx_data.layout import Layout

if TYPE_CHECKING:
    import polars as pl

Selection: TypeAlias = str | dt.date | Iterable[str | dt.date] | None

LAKE = "data/parquet"


def scan(
    dates: Selection = None,
    *,
    lake: str | os.PathLike[str] = LAKE,
    verify: bool = True,
    root: str | None = None,
) -> pl.LazyFrame:
    """The rows of sealed days, in date order, as a lazy frame of Polars.

    *dates* selects: None is every sealed day; else a day, a month, a year or a range as text ("2024-01-02",
    "2024-03", "2024-01-02..2024-02-01"), a date, or several of these. *lake* is the folder of the sealed
    days (`processing.output_directory`); whatever else lies in it is not read. With *verify* each day's
    bytes are hashed and held against its sidecar before anything is returned. *root* is the
    `verification_root` that the selected days must have; it is computed from the sidecars, so it says
    something about the bytes only together with *verify*.

    Raises:
        DateValidationError: *dates* names no date, or selects no sealed day.
        MissingFileError: a date that is named by itself is not there.
        FileCorruptionError: such a date is there and not sealed; or bytes are not those that were sealed,
            and then every such day is named; or the days are not those that *root* stands for.
    """
    import polars as pl

    paths = sealed_paths(dates, lake=lake, verify=verify, root=root)
    return pl.scan_parquet(paths, glob=False, hive_partitioning=False)


def sealed_paths(
    dates: Selection = None,
    *,
    lake: str | os.PathLike[str] = LAKE,
    verify: bool = True,
    root: str | None = None,
) -> list[str]:
    """The Parquet files of sealed days, in date order: what DuckDB, pandas and others are to read.

    A pattern like `*.parquet` finds copies and other files as well, and rows would count twice. Arguments and
    errors are those of `scan`.
    """
    layout = _layout(lake)
    digests = _selected(layout, dates)
    if verify:
        _check(layout, digests)
    if root is not None:
        _check_root(digests, root)
    return [str(layout.parquet(date)) for date in digests]


def verification_root(dates: Selection = None, *, lake: str | os.PathLike[str] = LAKE) -> str:
    """The one digest that stands for the selected sealed days, by their sidecars; see `integrity.merkle`.

    Raises:
        DateValidationError, MissingFileError, FileCorruptionError: as `scan` does for *dates*.
    """
    return merkle.root(_selected(_layout(lake), dates))


def _layout(lake: str | os.PathLike[str]) -> Layout:
    """The paths of the lake whose sealed days are in *lake*; nothing else of it is looked at."""
    folder = Path(lake)
    return Layout(output=folder, temp=folder, data=folder, database=folder)


def _selected(layout: Layout, dates: Selection) -> dict[dt.date, str]:
    """The sealed days that *dates* selects, oldest first, with the digests in their sidecars."""
    within = _dates(dates)
    if within is not None:
        _check_named(layout, within)
    dates_sealed = ledger.sealed_dates(layout, within)
    sealed = {date: seals.sealed_checksum(layout.parquet(date)) for date in dates_sealed}
    if not sealed:
        what = "holds no sealed day" if within is None else f"holds no sealed day of {dates!r}"
        raise DateValidationError(
            f"{layout.output} {what}",
            cure="Name the lake's folder (lake=…), or fill it with snakemake --cores 4",
            what="dates",
            reason=what,
        )
    return sealed


def _dates(dates: Selection) -> Dates | None:
    if dates is None:
        return None
    words = [dates] if isinstance(dates, dt.date) else dates
    if isinstance(words, str):
        return Dates.of(words)
    return Dates.of([_word(word) for word in words])


def _word(word: object) -> str:
    """One date of a selection as text."""
    if isinstance(word, dt.datetime):
        return word.date().isoformat()
    if isinstance(word, dt.date):
        return word.isoformat()
    if isinstance(word, str):
        return word
    raise DateValidationError(
        f"dates: {word!r} is no date", cure=f"Give dates, or write {FORMS}", what="dates", reason=repr(word)
    )


def _check_named(layout: Layout, within: Dates) -> None:
    """Raise unless every date that is named by itself is sealed."""
    not_sealed = [date for date in within.single if not seals.is_sealed(layout.parquet(date))]
    if not not_sealed:
        return
    named = ", ".join(date.isoformat() for date in not_sealed)
    remains = [path for date in not_sealed for path in layout.sealed_files(date) if path.exists()]
    if remains:
        raise FileCorruptionError(
            f"{layout.output}: not sealed, and not all of it there: {named}",
            cure="Run snakemake verify to see what is wrong, then snakemake --cores 4 to fetch it again",
            path=remains[0],
            expected="a Parquet and its sidecar",
            actual=", ".join(path.name for path in remains),
        )
    raise MissingFileError(
        f"{layout.output} has no sealed day of {named}",
        cure="Fill it with snakemake --cores 4; spx-data status says what stands in the way",
        path=layout.parquet(not_sealed[0]),
        operation="read",
    )


def _check(layout: Layout, digests: dict[dt.date, str]) -> None:
    """Raise `FileCorruptionError` naming every day whose bytes are not those that were sealed."""
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="scan") as pool:
        found = dict(
            zip(digests, pool.map(lambda date: files.digest(layout.parquet(date)), digests), strict=True)
        )
    changed = [date for date in digests if found[date] != digests[date]]
    if not changed:
        return
    named = ", ".join(date.isoformat() for date in changed)
    raise FileCorruptionError(
        f"{layout.output}: {len(changed)} of {len(digests)} days are not what was sealed: {named}",
        cure="Run snakemake verify, which moves them away, then snakemake --cores 4 to fetch them again",
        path=layout.parquet(changed[0]),
        expected={date.isoformat(): digests[date] for date in changed},
        actual={date.isoformat(): found[date] for date in changed},
    )


def _check_root(digests: dict[dt.date, str], root: str) -> None:
    """Raise `FileCorruptionError` unless *root* is that of these days."""
    if (found := merkle.root(digests)) == root.lower():
        return
    first, last = min(digests), max(digests)
    raise FileCorruptionError(
        f"the {len(digests)} selected days from {first} to {last} have the root {found}, not {root}",
        cure="Select exactly the days that root was made of; if they are, their data was sealed anew since",
        path=None,
        expected=root,
        actual=found,
    )
