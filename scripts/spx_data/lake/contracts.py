"""The contracts of sealed days, read: a row each, of days that have the file, checked before it is read."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from spx_data.errors import FileCorruptionError, MissingFileError
from spx_data.lake import reader
from spx_data.lake.reader import DaysWarning, Missing
from spx_data.lake.reader.days import named
from spx_data.lake.reader.place import LAKE, Folder, Lake, Place, Selection
from spx_data.market.schema import declared
from spx_data.store import reads
from spx_data.store.contracts import SCHEMA
from spx_data.store.layout import Layout
from spx_data.store.seals import Seal

_CURE = "`spx-data mend` makes them, from what is sealed and what the source reports"


class LackingContractsWarning(DaysWarning):
    """Days were left out that were sealed without a file of their contracts."""


def contracts(
    dates: Selection = None,
    *,
    lake: Lake = LAKE,
    data: Folder | None = None,
    verify: bool = True,
    missing: Missing = "raise",
) -> pl.LazyFrame:
    """A row for each contract of sealed days, in date order, as a lazy frame of Polars.

    Contracts are those that were listed or have records; docs/data.md says what the columns mean. Open
    interest is that of the morning, and null where the source does not tell it; nulls in whole columns of a
    day say that its report could not be had, and the passport says why. With *verify* each file is hashed and
    held against its sidecar first. The other arguments are those of `scan`. Days that were sealed without are
    left out, with one `LackingContractsWarning`.

    Raises:
        DateValidationError, MissingFileError, FileCorruptionError: as `scan` does for *dates*; or no day has
            them; or the file of one is lost or not what was sealed.
    """
    place, sealed = reader.sealed(dates, lake=lake, data=data, missing=missing)
    place.hold(sealed, contracts=True, verify=verify)
    layout = place.layout
    paths, damaged = files(layout, sealed, verify=verify)
    if damaged:
        raise _damaged(layout, damaged)
    lacking = [date for date in sealed if date not in paths]
    if not paths:
        raise MissingFileError(
            f"{place.name}: none of the {len(lacking):,} selected days was sealed with its contracts",
            cure=_CURE,
            path=layout.contracts(lacking[0]),
        )
    if lacking:
        warn(place, "have no contracts", lacking)
    return pl.scan_parquet(
        [str(path) for path in paths.values()],
        glob=False,
        hive_partitioning=False,
        schema=schema(),
        cast_options=pl.ScanCastOptions(categorical_to_string="allow"),  # as `reader.scan`
    )


def schema() -> pl.Schema:
    """The columns as Polars reads them."""
    return pl.DataFrame(declared(SCHEMA).empty_table()).schema


def warn(place: Place, what: str, dates: Sequence[dt.date]) -> None:
    """Say of which *dates* the contracts are left out, to the caller of a function of the public face."""
    found = f"{place.name}: {len(dates):,} days {what}: {named(dates)}. {_CURE}"
    warnings.warn(LackingContractsWarning(found, dates), stacklevel=3)


def files(
    layout: Layout, sealed: Mapping[dt.date, Seal], *, verify: bool
) -> tuple[dict[dt.date, Path], list[dt.date]]:
    """The files of contracts of those *sealed* days that have one; and the days of which it is not whole.

    It is lost, or, with *verify*, not what was sealed.
    """
    paths = {date: layout.contracts(date) for date, seal in sealed.items() if seal.contracts}
    damaged = [date for date, path in paths.items() if not _is_whole(path, sealed[date].contracts, verify)]
    return {date: path for date, path in paths.items() if date not in damaged}, damaged


def _damaged(layout: Layout, dates: Sequence[dt.date]) -> FileCorruptionError:
    return FileCorruptionError(
        f"{layout.output}: the contracts of {len(dates):,} days are lost, or not those that were sealed: "
        f"{named(dates)}",
        cure=f"Make them again: `spx-data mend {dates[0]}`",
        path=layout.contracts(dates[0]),
        expected="the file that the sidecar vouches for",
        actual="another one, or none",
    )


def _is_whole(path: Path, expected: str | None, verify: bool) -> bool:
    return reads.is_there(path) and (not verify or reads.digest(path) == expected)
