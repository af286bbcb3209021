"""Before a fill starts anything: one look at what would make every date fail alike.

A terminal that is not there, speaks another API or does not know a root; a directory nobody may write to; a
lake that holds another data set: each is one clear message before the first job, not one for every date.
"""

from __future__ import annotations

import logging

from spx_data import dataset, files, handles, slots, theta, volumes
from spx_data.errors import ApiDataNotFoundError, ApiResponseInvalidError, ConfigurationValidationError
from spx_data.fill import expirations
from spx_data.layout import Layout
from spx_data.retry import retrying
from spx_data.settings import Settings, Terminal
from spx_data.theta import Source

_log = logging.getLogger(__name__)


def preflight(settings: Settings) -> Terminal:
    """Check what every date needs; returns the terminal that was found, for the jobs to use.

    Raises:
        LakeMissingError: what was sealed here is gone, as where its disk is not mounted.
        PermissionDeniedError: a directory cannot be written to.
        VolumeError: a directory is on a volume that cannot do what is needed there.
        MachineError: this process may not open as many files as a run needs.
        ThetaTerminalNotRunningError, ApiConnectionError, WrongApiError: see `theta.locate`.
        DatasetMismatchError: the output directory holds another data set.
        ConfigurationValidationError: the terminal does not know one of the roots.
    """
    layout = settings.layout
    dataset.check_there(layout)
    for directory in (layout.output, layout.temp, layout.data, layout.database.parent):
        files.check_writable(directory)
    for lack in volumes.check(layout):
        _log.warning("%s: after a power cut the last files may be damaged; verify finds them", lack)
    handles.ensure(settings.terminal.max_concurrent_requests)
    terminal = theta.locate(settings.terminal, patient=True)
    with slots.shared(layout, terminal.max_concurrent_requests, brief=True) as shared:
        source = theta.connect(terminal, layout.temp, gate=shared.slot)
        try:
            dataset.check(settings, dataset.identity(settings, source.greeks_version))
            for root in settings.roots:
                _check_root(layout, source, root, terminal.retry_wait_factor)
        finally:
            source.close()
    return terminal


def _check_root(layout: Layout, source: Source, root: str, wait_factor: float) -> None:
    """Ask for the expirations of *root*, which the jobs need too: whoever knows none does not know it."""
    try:
        retrying(lambda: expirations.asked(layout, source, root), wait_factor=wait_factor)
    except ApiResponseInvalidError as error:
        _log.warning("%s: dates are listed without the terminal's list of expirations", error)
    except ApiDataNotFoundError as error:
        raise ConfigurationValidationError(
            f"config: processing.roots: {source.base_url} knows no option root {root}",
            cure="SPX and SPXW are the roots of SPX options",
            what="processing.roots",
            reason=f"unknown root {root}",
        ) from error
