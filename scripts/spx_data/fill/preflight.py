"""Before anything is fetched: what would make every date fail alike, and whether a date fits on the disk.

A terminal that is not there, speaks another API or does not know a root; a directory nobody may write to; a
lake that holds another data set: each is one clear message before the first job, not one for every date.
"""

from __future__ import annotations

import datetime as dt
import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from spx_data.errors import (
    ApiDataNotFoundError,
    ApiResponseInvalidError,
    ConfigurationValidationError,
    InsufficientDiskSpaceError,
    SpxDataError,
)
from spx_data.fill import DISK_MARGIN
from spx_data.fill.witnesses import ask_expirations
from spx_data.lake import passports
from spx_data.market.sessions import Window
from spx_data.settings import Settings, Terminal
from spx_data.sources import access, slots
from spx_data.sources.retry import retrying
from spx_data.sources.source import Source
from spx_data.store import dataset, files, reads
from spx_data.store.layout import Layout

if TYPE_CHECKING:
    from spx_data.fill.listing import Listing

_log = logging.getLogger(__name__)

# Bytes of one record, where no day of this lake can tell: a little above what real-size simulated days have.
_STAGED_PER_RECORD = 120.0
_SEALED_PER_RECORD = 27.0
# Bytes of a date's journal and logs, ten times over: what goes wrong is written down as well.
_RECORDS = 1e6
# A neighbour tells as much as any: chains grow slowly.
_NEIGHBOURS = sorted((dt.timedelta(days) for days in range(-10, 11)), key=abs)


def preflight(settings: Settings) -> Terminal:
    """Check what every date needs; returns the terminal that was found, for the jobs to use.

    Raises:
        LakeMissingError: what was sealed here is gone, as where its disk is not mounted.
        PermissionDeniedError: a directory cannot be written to.
        VolumeError: a directory is on a volume that cannot do what is needed there.
        MachineError: this process may not open as many files as a run needs.
        ThetaTerminalNotRunningError, ApiConnectionError, WrongApiError: see `access.locate`.
        DatasetMismatchError: the output directory holds another data set.
        ConfigurationValidationError: the terminal does not know one of the roots.
    """
    from spx_data.store import limits  # here, because each download checks the disk's room alone

    layout = settings.layout
    dataset.check_there(layout)
    for directory in (layout.output, layout.temp, layout.data, layout.database.parent):
        files.check_writable(directory)
    for lack in limits.check(layout):
        _log.warning("%s: after a power cut the last files may be damaged; verify finds them", lack)
    limits.ensure_files(settings.terminal.max_concurrent_requests)
    terminal = access.locate(settings.terminal, patient=True)
    address, limit = str(terminal.base_url), terminal.max_concurrent_requests
    with slots.shared(layout, address, limit, brief=True) as shared:
        if shared.place.instead_of:
            told = "the limit of requests holds for those who see %s alone: %s"
            _log.warning(told, shared.place.folder, shared.place.instead_of)
        source = access.connect(terminal, layout.temp, gate=shared.slot)
        try:
            dataset.check(settings.layout, settings.identity(source.greeks_version))
            for root in settings.roots:
                _check_root(settings, source, root, terminal.retry_wait_factor)
        finally:
            source.close()
    return terminal


def _check_root(settings: Settings, source: Source, root: str, wait_factor: float) -> None:
    """Ask for the expirations of *root*, which the jobs need too: whoever knows none does not know it."""
    product = settings.product
    try:
        retrying(lambda: ask_expirations(settings.layout, source, root), wait_factor=wait_factor)
    except ApiResponseInvalidError as error:
        _log.warning("%s: dates are listed without the terminal's list of expirations", error)
    except ApiDataNotFoundError as error:
        raise ConfigurationValidationError(
            f"config: processing.roots: {source.base_url} knows no option root {root}",
            cure=f"{' and '.join(product.root_names)} are the roots of {product.title}",
            what="processing.roots",
            reason=f"unknown root {root}",
        ) from error


# The disk ----------------------------------------------------------------------------------------------


class Need(NamedTuple):
    """Bytes that a date takes."""

    staged: float  # its checkpoints, in the temp directory
    sealed: float  # its Parquet, in the output directory
    records: float = _RECORDS  # what is written down about it, in the data directory


def check_disk_space(settings: Settings, listing: Listing, to_fetch: int) -> None:
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
