"""What a lake holds, written down once, so that no day of other making ever joins it.

Settings that change the bytes of a day are the data set's identity. The first sealed day writes it to
`dataset.json`; every later run must agree with it or is refused before it touches anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spx_data import files, journal, locks, seals, tree
from spx_data.errors import DatasetMismatchError, LakeMissingError, MissingFileError
from spx_data.journal import Journal
from spx_data.layout import Layout
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
    """Check, and write the identity where the lake has none yet, and never had.

    Raises:
        DatasetMismatchError: the lake on disk is another one than *wanted*.
        LakeMissingError: it was there once, and is not: its disk may have gone since the run began.
    """
    check(settings, wanted)
    layout = settings.layout
    if not files.is_there(layout.dataset):
        check_there(layout)
        locks.claim_json(layout.dataset, wanted, layout.lock("data-set"))


def check_there(layout: Layout) -> None:
    """Raise `LakeMissingError` where days were sealed here and their whole lake is gone.

    On an empty mount point a lake looks as if it had never been filled. A few days that are gone are gaps.
    """
    if error := missing(layout):
        raise error


def missing(layout: Layout) -> LakeMissingError | None:
    """What `check_there` raises; None where the lake is there, new, or given up (`give_up`).

    While the data set's own file is there, this costs nothing.
    """
    if files.is_there(layout.dataset):
        return None
    with files.explained(layout.lake_journal.parent, "read"):
        date = last_sealed(layout)
    if date is None or any(seals.is_sealed(layout.parquet(there)) for there in tree.dates(layout)):
        return None
    return LakeMissingError(
        f"Is the disk mounted? The journal has {date} as sealed, and {layout.output} holds neither a sealed "
        f"day nor {layout.dataset.name}",
        cure="Mount it and try again. A lake that has moved: spx-data config set processing.output_directory "
        f"with the folder it is in now. Days that are gone for good: {GIVE_UP}",
        what=str(layout.output),
        reason="no sealed day is there",
    )


# What a person types; any reason will do.
GIVE_UP = 'spx-data accept --lost --reason "they are gone for good"'


def give_up(layout: Layout, reason: str) -> None:
    """Note that a person says: what was sealed up to now is gone for good, and may be fetched anew."""
    Journal(layout.lake_journal, "ledger").record(journal.GIVEN_UP, reason=reason)


def given_up(layout: Layout) -> dt.datetime | None:
    """When what had been sealed was last given up for good; None where it never was."""
    events = journal.read(layout.lake_journal)
    said = (event["at"] for event in reversed(events) if event["event"] == journal.GIVEN_UP)
    return next(map(dt.datetime.fromisoformat, said), None)


def last_sealed(layout: Layout) -> dt.date | None:
    """The newest date that its journal leaves sealed; None where there is none.

    Journals are read until one is found.
    """
    paths = layout.journals()
    since = given_up(layout) if paths else None
    for path in reversed(paths):
        if journal.was_sealed(journal.read(path), since):
            return dt.date.fromisoformat(path.stem)
    return None
