"""What a lake holds, written down once, so that no day of other making ever joins it.

Settings that change the bytes of a day are the data set's identity. The first sealed day writes it to
`dataset.json`; every later run must agree with it or is refused before it touches anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spx_data import files, locks
from spx_data.errors import DatasetMismatchError, MissingFileError
from spx_data.settings import Settings

FORMAT = 1

Identity = dict[str, Any]


def identity(settings: Settings, greeks_version: str) -> Identity:
    """The identity that *settings* ask for, with the greeks model that the source really has."""
    return {
        "format": FORMAT,
        "symbol": min(settings.roots, key=len),
        "roots": sorted(settings.roots),
        "interval": settings.window.interval,
        "start_time": settings.window.start.isoformat(),
        "end_time": settings.window.end.isoformat(),
        "max_dte": settings.max_dte,
        "greeks_version": greeks_version,
    }


def check(settings: Settings, wanted: Identity) -> None:
    """Raise `DatasetMismatchError` where the lake on disk is another one than *wanted*."""
    path = settings.layout.dataset
    if finding := differences(path, wanted):
        raise DatasetMismatchError(
            f"{path.parent} holds another data set: {finding}",
            cure="Set these keys back, or choose another processing.output_directory and temp_directory",
            what=str(path),
            reason=finding,
        )


def differences(path: Path, wanted: Mapping[str, Any]) -> str:
    """How the lake that *path* tells of differs from *wanted*, in words; empty where it does not."""
    try:
        held = files.read_json(path)
    except MissingFileError:
        return ""
    there = held if isinstance(held, dict) else {}
    differing = [key for key in wanted if there is not held or there.get(key) != wanted[key]]
    return "; ".join(f"{key} is {there.get(key)} there and {wanted[key]} now" for key in differing)


def claim(settings: Settings, wanted: Identity) -> None:
    """Check, and write the identity where the lake has none yet."""
    check(settings, wanted)
    layout = settings.layout
    if not files.is_there(layout.dataset):
        locks.claim_json(layout.dataset, wanted, layout.lock("data-set"))
