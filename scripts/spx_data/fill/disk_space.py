"""Whether a date fits on the disks: what it is going to take, and what is free.

A download asks this of each date; what holds for all of them is looked at once, in `preflight`.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from spx_data.errors import InsufficientDiskSpaceError, SpxDataError
from spx_data.fill import DISK_MARGIN
from spx_data.fill.listing import Listing
from spx_data.lake import passports
from spx_data.market.sessions import Window
from spx_data.settings import Settings
from spx_data.store import reads
from spx_data.store.layout import Layout

# Bytes of one record, where no day of this lake can tell: a little above what real-size simulated days have,
# and as much in checkpoints as numbers take that cannot be counted (decision 79).
_STAGED_PER_RECORD = 100.0
_SEALED_PER_RECORD = 27.0
# Bytes of a date's journal and logs, ten times over: what goes wrong is written down as well.
_RECORDS = 1e6
# A neighbour tells as much as any: chains grow slowly.
_NEIGHBOURS = sorted((dt.timedelta(days) for days in range(-10, 11)), key=abs)


class Need(NamedTuple):
    """Bytes that a date takes."""

    staged: float  # its checkpoints, in the temp directory
    sealed: float  # its Parquet, in the output directory
    records: float = _RECORDS  # what is written down about it, in the data directory


def check(settings: Settings, listing: Listing, to_fetch: int) -> None:
    """Raise unless *to_fetch* contracts of *listing* can be staged, its day sealed, and half as much again.

    The data directory must have room for what is written down about it: a day whose disk is full there could
    be sealed and could not say so.

    Raises:
        InsufficientDiskSpaceError: naming what is needed and what is free.
    """
    layout = settings.layout
    need = estimate(layout, listing, settings.window, to_fetch)
    demands: dict[int, tuple[Path, float]] = {}
    wanted = ((layout.temp, need.staged), (layout.output, need.sealed), (layout.data, need.records))
    for folder, bytes_ in wanted:
        first, together = demands.get(reads.device(folder), (folder, 0.0))
        demands[reads.device(folder)] = (first, together + bytes_)
    for folder, bytes_ in demands.values():
        _check_folder(listing.date, folder, round(bytes_ * DISK_MARGIN))


def _check_folder(date: dt.date, folder: Path, required: int) -> None:
    available = reads.free_bytes(folder)
    if available < required:
        raise InsufficientDiskSpaceError(
            f"{date} needs about {required / 1e6:,.1f} MB on the disk of {folder} (half as much again as "
            f"estimated), and {available / 1e6:,.1f} MB are free",
            cure="Make room there, or set other directories in the config; nothing was fetched yet",
            path=folder,
            required=required,
            available=available,
        )


def estimate(layout: Layout, listing: Listing, window: Window, to_fetch: int) -> Need:
    """The bytes that *to_fetch* contracts take when staged, and all of *listing* when sealed.

    From the nearest sealed day's bytes for each contract, or else from the number of stamps.
    """
    listed = sum(entry.contracts for entry in listing.chains)
    each = _of_neighbour(layout, listing) or Need(
        _STAGED_PER_RECORD * window.stamps, _SEALED_PER_RECORD * window.stamps
    )
    return Need(each.staged * to_fetch, each.sealed * listed)


def _of_neighbour(layout: Layout, listing: Listing) -> Need | None:
    """The bytes of one contract on the nearest sealed day of the same data set."""
    for days in _NEIGHBOURS:
        with suppress(SpxDataError, ZeroDivisionError):
            passport = passports.read(layout, listing.date + days).document
            if passport["dataset"] == listing.dataset:
                contracts = passport["completeness"]["contracts_received"]
                staged = sum(chain["checkpoint"]["bytes"] for chain in passport["chains"])
                return Need(staged / contracts, passport["parquet"]["bytes"] / contracts)
    return None
