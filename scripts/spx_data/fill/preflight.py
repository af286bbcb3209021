"""Before anything is fetched: what would make every date fail alike.

A terminal that is not there, speaks another API or does not know a root; a directory nobody may write to; a
lake that holds another data set: each is one clear message before the first job, not one for every date.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from spx_data.errors import (
    ApiDataNotFoundError,
    ApiResponseInvalidError,
    ConfigurationValidationError,
    SpxDataError,
)
from spx_data.fill.witnesses import ask_expirations
from spx_data.settings import Settings, Terminal
from spx_data.sources import access, slots
from spx_data.sources.outage import DOWN
from spx_data.sources.retry import retrying
from spx_data.sources.source import Source
from spx_data.store import dataset, files, limits
from spx_data.store.layout import Layout

_log = logging.getLogger(__name__)


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
    terminal, refused = preflight_of([settings])
    for error in refused.values():
        raise error
    assert terminal is not None
    return terminal


def preflight_of(lakes: Sequence[Settings]) -> tuple[Terminal | None, dict[str, SpxDataError]]:
    """`preflight` of several lakes at one terminal, found once; and why which symbols cannot be filled.

    There is no terminal where none can be. Raises what is wrong with the terminal itself.
    """
    refused: dict[str, SpxDataError] = {}
    for settings in lakes:
        with _refusing(settings, refused):
            _check_directories(settings.layout)
    ready = [settings for settings in lakes if settings.product.symbol not in refused]
    if not ready:
        return None, refused
    layout, wanted = ready[0].layout, ready[0].terminal
    limits.ensure_files(wanted.max_concurrent_requests)
    terminal = access.locate(wanted, patient=True)
    with slots.shared(layout, str(terminal.base_url), terminal.max_concurrent_requests, brief=True) as shared:
        if shared.place.instead_of:
            told = "the limit of requests holds for those who see %s alone: %s"
            _log.warning(told, shared.place.folder, shared.place.instead_of)
        source = access.connect(terminal, layout.temp, gate=shared.slot, records=settings.records)
        try:
            for settings in ready:
                with _refusing(settings, refused):
                    dataset.check(settings.layout, settings.identity(source.greeks_version))
                    for root in settings.roots:
                        _check_root(settings, source, root, terminal.retry_wait_factor)
        finally:
            source.close()
    return terminal, refused


@contextmanager
def _refusing(settings: Settings, refused: dict[str, SpxDataError]) -> Iterator[None]:
    """Note what is wrong with one lake; what is wrong with the terminal is so for all."""
    try:
        yield
    except DOWN:
        raise
    except SpxDataError as error:
        refused[settings.product.symbol] = error


def _check_directories(layout: Layout) -> None:
    dataset.check_there(layout)
    for directory in (layout.output, layout.temp, layout.data, layout.database.parent):
        files.check_writable(directory)
    for lack in limits.check(layout):
        _log.warning("%s: after a power cut the last files may be damaged; verify finds them", lack)


def _check_root(settings: Settings, source: Source, root: str, wait_factor: float) -> None:
    """Ask for the expirations of *root*, which the jobs need too: one without any is unknown."""
    product = settings.product
    try:
        retrying(lambda: ask_expirations(settings.layout, source, root), wait_factor=wait_factor)
    except ApiResponseInvalidError as error:
        _log.warning("%s: dates are listed without the terminal's list of expirations", error)
    except ApiDataNotFoundError as error:
        raise ConfigurationValidationError(
            f"config: processing.roots: {source.base_url} knows no option root {root}",
            cure=f"The roots of {product.title}: {' and '.join(product.root_names)}",
            what="processing.roots",
            reason=f"unknown root {root}",
        ) from error
